import type { ReactNode } from "react";
import { Mark } from "./Shape";
import type { Reveal, StageQuestion } from "./types";

/** How many chose what, and what was right. */
export function Bars({ question, reveal }: { readonly question: StageQuestion; readonly reveal: Reveal }): ReactNode {
  const most = Math.max(1, ...reveal.counts);
  return (
    <ol className="bars" data-count={question.choices.length} aria-label="Answers and how many chose them">
      {question.choices.map((text, index) => {
        const isRight = reveal.correct.includes(index);
        const count = reveal.counts[index] ?? 0;
        return (
          <li key={index} className={`bar colour--${index}${isRight ? " bar--right" : ""}`}>
            <Mark index={index} />
            <span className="bar__text">
              <bdi>{text}</bdi>
              {isRight && <strong className="bar__right"><span aria-hidden="true">✓ </span>right</strong>}
            </span>
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
