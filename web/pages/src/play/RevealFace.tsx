import type { ReactNode } from "react";
import { useAnnounced } from "../shared/Announcer";
import { noteFor, verdictOf } from "../shared/phase";
import type { AnswerView } from "../shared/phase";
import { LETTERS, Shape } from "../shared/Shape";
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
    <section className="stack rise">
      <div className={`verdict verdict--${verdict.kind}`}>
        <h1><span aria-hidden="true">{signs[verdict.kind]} </span>{verdict.title}</h1>
        <p className="verdict__points">{points}</p>
      </div>
      <p className="note" data-testid="answer-note" data-kind={view.kind}>
        {view.kind === "none" ? "" : noteFor(view, false, false)}
      </p>
      <h2>{question.text}</h2>
      <ol className="tiles" aria-label="Answers">
        {question.choices.map((text, index) => {
          const isRight = correct.includes(index);
          const isMine = view.choices.includes(index);
          return (
            <li key={index} className={`tile tile--still ${isRight ? `tile--${index} tile--right` : "tile--wrong"}`}>
              <Shape index={index} />
              <span className="tile__letter">{LETTERS[index]}</span>
              <span className="tile__text">
                {text}
                {isRight && <small> · right</small>}
                {isMine && <small> · your answer</small>}
              </span>
              <span className="tile__mark" aria-hidden="true">✓</span>
            </li>
          );
        })}
      </ol>
      {stage.reveal !== null && stage.reveal.explanation !== "" && <p className="card">{stage.reveal.explanation}</p>}
    </section>
  );
}
