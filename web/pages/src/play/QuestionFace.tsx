import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { useAnnounced } from "../shared/Announcer";
import { useChoiceKeys, useTook } from "../shared/hooks";
import { isTimeOver, noteFor } from "../shared/phase";
import type { AnswerView } from "../shared/phase";
import { Mark } from "../shared/Shape";
import { sizeOf, tileSize } from "../shared/size";
import { Timer } from "../shared/Timer";
import type { Stage, StageQuestion } from "../shared/types";
import type { PlayerDesk } from "./useDesk";

interface QuestionFaceProps {
  readonly player: PlayerDesk;
  readonly stage: Stage;
  readonly question: StageQuestion;
  readonly view: AnswerView;
  readonly now: number;
}

export function QuestionFace({ player, stage, question, view, now }: QuestionFaceProps): ReactNode {
  const took = useTook(stage.event, question.index, question.opens_at);
  // What is chosen and not yet sent, when several may be.
  const [draft, setDraft] = useState<readonly number[] | null>(null);
  const wasSaved = useRef(false);
  useEffect(() => {
    if (view.kind === "saved" || view.kind === "held") wasSaved.current = true;
  }, [view.kind]);

  const isOver = isTimeOver(stage, now);
  // A saved answer was given in time and stays; a new one would come too late.
  const canChoose = !isOver && (view.kind === "none" || view.changeableId !== null);
  const chosen = canChoose && draft !== null ? draft : view.choices;
  const choose = (index: number): void => {
    if (!canChoose) return;
    if (!question.multiple) {
      player.answer(question.index, [index], took());
      return;
    }
    const isIn = chosen.includes(index);
    setDraft(isIn ? chosen.filter((other) => other !== index) : [...chosen, index].sort((a, b) => a - b));
  };
  useChoiceKeys(question.choices.length, choose);
  const canSend = question.multiple && canChoose && chosen.length > 0 && draft !== null;
  const send = (): void => {
    if (!canSend) return;
    player.answer(question.index, chosen, took());
    setDraft(null);
  };
  const note = isOver && view.kind === "none" ? "Time’s up." : noteFor(view, wasSaved.current, question.multiple);
  // That one is back is said by the strip; what is said here is what became of the answer.
  const spoken = note.replace("You’re back. ", "");
  // Saving takes some milliseconds: only what comes of it is worth being read out.
  useAnnounced((view.kind === "none" && !isOver) || view.kind === "saving" ? "" : spoken);

  return (
    <section className="stack ask">
      <Timer now={player.desk.now} until={question.closes_at} limitMs={question.limit_ms} />
      <h1 className="question" dir="auto" data-size={sizeOf(question.text)}>{question.text}</h1>
      <div className="tiles" role="group" aria-label="Answers">
        {question.choices.map((text, index) => (
          <button
            key={index}
            type="button"
            className={`tile colour--${index}`}
            data-testid={`choice-${index}`}
            aria-pressed={chosen.includes(index)}
            aria-disabled={!canChoose}
            onClick={() => choose(index)}
          >
            <Mark index={index} />
            <span className="tile__text" dir="auto" data-size={tileSize(text)}>{text}</span>
            <span className="tile__mark" aria-hidden="true">✓</span>
          </button>
        ))}
      </div>
      <div className="ask__foot">
        <p className="note" data-testid="answer-note" data-kind={view.kind}>{note}</p>
        {question.multiple && (
          <button
            type="button"
            className="button button--main"
            data-testid="send-answer"
            aria-disabled={!canSend}
            onClick={send}
          >
            {sendWords(view)}
          </button>
        )}
      </div>
    </section>
  );
}

function sendWords(view: AnswerView): string {
  if (view.changeableId !== null) return "Change";
  return view.kind === "sent" ? "Sent" : "Send";
}
