import type { ReactNode } from "react";
import { LETTERS, Shape } from "./Shape";
import type { Reveal, StageQuestion } from "./types";

/** How many chose what, and what was right. */
export function Bars({ question, reveal }: { readonly question: StageQuestion; readonly reveal: Reveal }): ReactNode {
  const most = Math.max(1, ...reveal.counts);
  return (
    <ol className="bars" aria-label="Answers and how many chose them">
      {question.choices.map((text, index) => {
        const isRight = reveal.correct.includes(index);
        const count = reveal.counts[index] ?? 0;
        return (
          <li key={index} className={isRight ? "bar bar--right" : "bar"}>
            <Shape index={index} />
            <span>{LETTERS[index]}</span>
            <span>{text}{isRight && " ✓ right"}</span>
            <span className="bar__count">{count}</span>
            <span className="bar__track" aria-hidden="true">
              <span className="bar__fill" style={{ inlineSize: `${(100 * count) / most}%` }} />
            </span>
          </li>
        );
      })}
    </ol>
  );
}
