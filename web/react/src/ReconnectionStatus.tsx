import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { useElapsed } from "./time";

export interface ReconnectionTexts {
  /** Between one and five seconds; not announced. */
  readonly brief: ReactNode;
  readonly reconnecting: ReactNode;
  readonly countdown: (seconds: number) => ReactNode;
  readonly attempt: (attempt: number, attemptsMax: number | undefined) => ReactNode;
  readonly tryNow: ReactNode;
  readonly gaveUp: ReactNode;
  /** What is not lost; pages say what it is in their case. */
  readonly safe: ReactNode;
  readonly tryAgain: ReactNode;
  readonly back: ReactNode;
}

export interface ReconnectionStatusProps {
  readonly isReconnecting: boolean;
  readonly attemptCount: number;
  readonly maxAttempts?: number;
  /** 0 while an attempt runs. */
  readonly nextAttemptSeconds: number;
  readonly hasGivenUp: boolean;
  /** How long the connection has been away; measured from `isReconnecting` when left out. */
  readonly lostForMs?: number;
  readonly onRetry: () => void;
  readonly texts?: Partial<ReconnectionTexts>;
}

const defaultTexts: ReconnectionTexts = {
  brief: "Reconnecting…",
  reconnecting: "Connection lost. Reconnecting…",
  countdown: (seconds) => `next try in ${seconds} s`,
  attempt: (attempt, attemptsMax) =>
    attemptsMax === undefined ? `attempt ${attempt}` : `attempt ${attempt} of ${attemptsMax}`,
  tryNow: "Try now",
  gaveUp: "Could not reconnect.",
  safe: "Nothing is lost: what you did is kept and will be sent.",
  tryAgain: "Try again",
  back: "You’re back.",
};

type Phase = "quiet" | "brief" | "waiting" | "gave_up" | "back";

const BRIEF_AFTER_MS = 1_000;
const WAITING_AFTER_MS = 5_000;
const BACK_MS = 3_000;

/**
 * How the connection is: nothing for a second, a small amber pill up to five, then amber with a
 * countdown and "Try now"; red with "Try again" after giving up; "You're back" for three seconds.
 *
 * The outer element and the live region in it are always there: a region that is added together
 * with its text is not announced, and a strip that appears moves what is under the finger. Give
 * `.hf-status` a fixed height.
 */
export function ReconnectionStatus(props: ReconnectionStatusProps): ReactNode {
  const { attemptCount, maxAttempts, nextAttemptSeconds, onRetry } = props;
  const texts = { ...defaultTexts, ...props.texts };
  const phase = usePhase(props);
  return (
    <div className={classOf(phase)}>
      <p className="hf-status__live" role="status">
        {phase === "waiting" && texts.reconnecting}
        {phase === "back" && texts.back}
      </p>
      {phase === "brief" && <span className="hf-status__pill">{texts.brief}</span>}
      {phase === "waiting" && (
        <>
          {/* Digits that change each second would be read out each second. */}
          <span className="hf-status__details" aria-hidden="true">
            {attemptCount > 0 && <span className="hf-status__attempt">{texts.attempt(attemptCount, maxAttempts)}</span>}
            {nextAttemptSeconds > 0 && (
              <span className="hf-status__countdown">{texts.countdown(nextAttemptSeconds)}</span>
            )}
          </span>
          <button type="button" className="hf-status__button" onClick={onRetry} aria-disabled={nextAttemptSeconds === 0}>
            {texts.tryNow}
          </button>
        </>
      )}
      {phase === "gave_up" && (
        <>
          <p className="hf-status__alert" role="alert">
            <strong>{texts.gaveUp}</strong> {texts.safe}
          </p>
          <button type="button" className="hf-status__button" onClick={onRetry}>
            {texts.tryAgain}
          </button>
        </>
      )}
    </div>
  );
}

function usePhase({ isReconnecting, hasGivenUp, lostForMs }: ReconnectionStatusProps): Phase {
  const [lostAt, setLostAt] = useState<number | null>(null);
  const [isBack, setIsBack] = useState(false);
  const wasShown = useRef(false);
  const measuredMs = useElapsed(lostForMs === undefined ? lostAt : null);
  const phase = away(isReconnecting, hasGivenUp, lostForMs ?? measuredMs);

  const isAway = isReconnecting || hasGivenUp;
  useEffect(() => {
    setLostAt(isAway ? Date.now() : null);
    if (isAway) return undefined;
    if (!wasShown.current) return undefined;
    wasShown.current = false;
    setIsBack(true);
    const timer = setTimeout(() => setIsBack(false), BACK_MS);
    return () => {
      clearTimeout(timer);
      setIsBack(false);
    };
  }, [isAway]);
  useEffect(() => {
    // Who saw only a pill is not congratulated.
    if (phase === "waiting" || phase === "gave_up") wasShown.current = true;
  }, [phase]);

  return phase === "quiet" && isBack ? "back" : phase;
}

function away(isReconnecting: boolean, hasGivenUp: boolean, lostForMs: number): Phase {
  if (hasGivenUp) return "gave_up";
  if (!isReconnecting || lostForMs < BRIEF_AFTER_MS) return "quiet";
  return lostForMs < WAITING_AFTER_MS ? "brief" : "waiting";
}

function classOf(phase: Phase): string {
  switch (phase) {
    case "quiet":
      return "hf-status";
    case "brief":
      return "hf-status hf-status--amber hf-status--small";
    case "waiting":
      return "hf-status hf-status--amber";
    case "gave_up":
      return "hf-status hf-status--red";
    case "back":
      return "hf-status hf-status--back";
  }
}
