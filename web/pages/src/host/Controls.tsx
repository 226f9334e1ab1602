import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import type { Stage, StagePhase } from "../shared/types";
import type { HostDesk } from "./useHost";

interface ControlsProps {
  readonly host: HostDesk;
  readonly stage: Stage;
  readonly phase: StagePhase;
}

const ASKING_MS = 5_000;

export function Controls({ host, stage, phase }: ControlsProps): ReactNode {
  const { question } = stage;
  const isLast = question !== null && question.index + 1 >= stage.questions;
  const waiting = question?.waiting ?? 0;
  return (
    <div className="controls">
      <p className="error" role="alert" data-testid="host-problem">{host.problem}</p>
      {waiting > 0 && phase === "question" && (
        <p className="controls__waiting">
          {waiting} away · waiting
          <button type="button" className="button" data-testid="host-go-on" onClick={() => host.next("question")}>
            Go on
          </button>
        </p>
      )}
      <div className="row row--apart">
        <div className="row">
          {phase !== "final" && <End onEnd={host.end} />}
          {phase !== "final" && (
            <button
              type="button"
              className="button"
              data-testid="host-lock"
              data-locked={stage.locked}
              onClick={() => host.lock(!stage.locked)}
            >
              {stage.locked ? "Let newcomers in" : "Close to newcomers"}
            </button>
          )}
          {(phase === "get_ready" || phase === "question" || phase === "reveal") && (
            <button type="button" className="button" data-testid="host-skip" onClick={host.skip}>
              Skip this question
            </button>
          )}
        </div>
        {phase === "lobby" && (
          <button
            type="button"
            className="button button--main"
            data-testid="host-start"
            aria-busy={host.isBusy}
            onClick={() => host.next("lobby")}
          >
            Start
          </button>
        )}
        {phase !== "lobby" && phase !== "final" && (
          <button
            type="button"
            className="button button--main"
            data-testid="host-next"
            aria-busy={host.isBusy}
            onClick={() => host.next(stage.phase)}
          >
            {nextWords(phase, isLast)}
          </button>
        )}
        {phase === "final" && <a className="button button--main" href="/">To the start page</a>}
      </div>
    </div>
  );
}

function nextWords(phase: StagePhase, isLast: boolean): string {
  if (phase === "get_ready" || phase === "question") return "Close and show the answer";
  if (phase === "reveal") return "Standings";
  return isLast ? "Final result" : "Next question";
}

/** Cannot be taken back, so it takes two taps. */
function End({ onEnd }: { readonly onEnd: () => void }): ReactNode {
  const [isAsking, setIsAsking] = useState(false);
  useEffect(() => {
    if (!isAsking) return undefined;
    const timer = setTimeout(() => setIsAsking(false), ASKING_MS);
    return () => clearTimeout(timer);
  }, [isAsking]);
  return (
    <button
      type="button"
      className="button"
      data-testid="host-end"
      data-asking={isAsking}
      onClick={() => {
        if (isAsking) onEnd();
        setIsAsking(!isAsking);
      }}
    >
      {isAsking ? "Tap again to end it" : "End the quiz"}
    </button>
  );
}
