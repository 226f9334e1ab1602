import { useLayoutEffect } from "react";
import type { ReactNode } from "react";
import { wordsFor } from "../shared/api";
import { useEdges, useWakeLock } from "../shared/hooks";
import { answerView, countedWords, edgesOf, lookOf, phaseAt, verdictOf } from "../shared/phase";
import { Recovery, StatusStrip } from "../shared/StatusStrip";
import { quizCodes } from "../shared/types";
import type { Stage, StagePhase } from "../shared/types";
import { Continue } from "./Continue";
import { Elsewhere } from "./Elsewhere";
import { Face } from "./Face";
import { usePlayerDesk } from "./useDesk";

interface GameProps {
  readonly code: string;
  readonly event: string;
  readonly seatKey: string | null;
  readonly onJoinAgain: (news: string, isSeatLost: boolean) => void;
}

export function Game({ code, event, seatKey, onJoinAgain }: GameProps): ReactNode {
  const player = usePlayerDesk(event, seatKey);
  const { desk, state, stage, me, replies } = player;
  const now = useEdges(desk.now, edgesOf(stage));
  const phase = stage === null ? null : phaseAt(stage, now);
  useWakeLock(phase === "question" || phase === "get_ready");

  const errorCode = state.status === "ended" ? (state.error?.code ?? null) : null;
  const isRemoved = me?.removed === true || errorCode === quizCodes.SEAT_REMOVED;
  const isRefused = state.status === "ended" && !(errorCode === quizCodes.EVENT_OVER && stage?.phase === "final");
  const index = stage?.question?.index ?? -1;
  const view = answerView({
    question: index,
    me,
    outbox: state.outbox,
    replied: replies.answers[index] ?? null,
    isRefused: replies.refused[index] !== undefined,
    isConnected: state.status === "open",
  });
  const counted = view.effectiveMs === null ? "" : countedWords(view.effectiveMs);
  const isElsewhere = state.status === "replaced" || me?.active === false;
  const look = isRemoved || isRefused || isElsewhere ? undefined : lookOf(phase, verdictOf(me, index).kind);
  // A phase begins at its top, wherever somebody had scrolled to in the one before.
  useLayoutEffect(() => {
    window.scrollTo(0, 0);
  }, [phase, index]);
  const joinAgain = (): void => {
    const isLost = errorCode === quizCodes.SEAT_UNKNOWN || errorCode === quizCodes.EVENT_NOT_FOUND;
    onJoinAgain(state.error === null ? "" : wordsFor(state.error), isLost);
  };

  return (
    <div className="page player" data-look={look}>
      <header className="top">
        <StatusStrip
          session={desk.session}
          rest={stage === null ? null : <Rest stage={stage} phase={phase} />}
          isReopening={stage !== null && !isRefused}
          texts={{
            // The note below the answers says the rest aloud; here it is for the eye.
            back: <>You’re back. <span aria-hidden="true">{counted}</span></>,
            safe: "Your seat, score and answer are safe.",
          }}
        />
      </header>
      <main className="game" data-phase={isRefused || phase === null ? "join" : phase}>
        {isRemoved && <Removed />}
        {!isRemoved && state.status === "replaced" && (
          <Elsewhere title="You’re playing in another tab" onPlayHere={() => desk.session.takeBack()} />
        )}
        {!isRemoved && state.status !== "replaced" && me?.active === false && (
          <Elsewhere
            title="You’re playing on another device"
            onPlayHere={() => void desk.session.send({ do: "claim" }).catch(() => undefined)}
          />
        )}
        {!isRemoved && (stage === null || isRefused) && state.status !== "replaced" && (
          <Recovery
            session={desk.session}
            failed={failedWords(state.error, state.status === "given_up")}
            joinAgain="Join again"
            onJoinAgain={joinAgain}
          />
        )}
        {!isRemoved && !isRefused && !isElsewhere && stage !== null && phase !== null && (
          <Face player={player} stage={stage} phase={phase} view={view} now={now} />
        )}
      </main>
      <footer className="foot">
        <div className="me">
          <strong className="clip" data-testid="my-name"><bdi>{me?.name ?? ""}</bdi></strong>
          <span className="me__facts">
            {me !== null && me.rank > 0 && <span>Rank <b data-testid="my-rank">{me.rank}</b></span>}
            {me !== null && <span><b data-testid="my-score">{me.score}</b> points</span>}
          </span>
          {seatKey !== null && !isRemoved && !isElsewhere && <Continue code={code} seatKey={seatKey} />}
        </div>
      </footer>
    </div>
  );
}

/** Stands where the connection would be spoken of, while there is nothing to say about it. */
function Rest({ stage, phase }: { readonly stage: Stage; readonly phase: StagePhase | null }): ReactNode {
  const isAsking = phase === "get_ready" || phase === "question" || phase === "reveal";
  return (
    <>
      <span className="clip" title={stage.title}>{stage.title}</span>
      {isAsking && stage.question !== null && <b>{stage.question.index + 1}/{stage.questions}</b>}
    </>
  );
}

function failedWords(error: unknown, hasGivenUp: boolean): string {
  if (hasGivenUp) return "The quiz could not be reached. Your seat, your score and your answer are safe.";
  return error === null ? "Your seat could not be found." : wordsFor(error);
}

function Removed(): ReactNode {
  return (
    <section className="poster" data-testid="removed">
      <h1>You’re out of this quiz</h1>
      <p role="alert">The host has removed you. If that was a mistake, talk to the host.</p>
      <a className="button" href="/">To the start page</a>
    </section>
  );
}
