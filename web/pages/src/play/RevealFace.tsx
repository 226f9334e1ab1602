import type { ReactNode } from "react";
import { useAnnounced } from "../shared/Announcer";
import { noteFor, verdictOf } from "../shared/phase";
import type { AnswerView } from "../shared/phase";
import { Mark } from "../shared/Shape";
import { tileSize } from "../shared/size";
import type { Me, Stage, StageQuestion } from "../shared/types";

interface RevealFaceProps {
  readonly stage: Stage;
  readonly question: StageQuestion;
  readonly me: Me | null;
  readonly view: AnswerView;
}

const signs = { right: "✓", partly: "◐", wrong: "✗", none: "–" } as const;

export function RevealFace({ stage, question, me, view }: RevealFaceProps): ReactNode {
  const verdict = verdictOf(me, question.index);
  const correct = stage.reveal?.correct ?? [];
  const right = correct.map((index) => question.choices[index] ?? "").join(", ");
  const points = verdict.points > 0 ? `+${verdict.points} points` : "No points";
  useAnnounced(`${verdict.title.replace(/\W$/u, "")}: ${points}. The right answer: ${right}`);
  return (
    <section className="stack">
      <div className="verdict">
        <h1 className="shout rise"><span aria-hidden="true">{signs[verdict.kind]} </span>{verdict.title}</h1>
        <p className="verdict__points">{points}</p>
        <p className="note" data-testid="answer-note" data-kind={view.kind}>
          {view.kind === "none" ? "" : noteFor(view, false, false)}
        </p>
      </div>
      <h2 dir="auto">{question.text}</h2>
      <ol className="tiles" aria-label="Answers">
        {question.choices.map((text, index) => {
          const isRight = correct.includes(index);
          const isMine = view.choices.includes(index);
          return (
            <li key={index} className={`tile tile--still colour--${index} ${isRight ? "tile--right" : "tile--wrong"}`}>
              <Mark index={index} />
              <span className="tile__text" dir="auto" data-size={tileSize(question.choices[index] ?? "")}>
                {text}
                {(isRight || isMine) && (
                  <small>{[isRight && "right", isMine && "your answer"].filter(Boolean).join(" · ")}</small>
                )}
              </span>
              <span className="tile__mark" aria-hidden="true">{isRight ? "✓" : ""}</span>
            </li>
          );
        })}
      </ol>
      {stage.reveal !== null && stage.reveal.explanation !== "" && <p className="card" dir="auto">{stage.reveal.explanation}</p>}
    </section>
  );
}
