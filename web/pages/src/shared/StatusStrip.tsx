import { ReconnectionStatus, recoveryOf, SessionRecovery, useCountdown, useElapsed, useSession } from "@holdfast/react";
import type { ReconnectionTexts } from "@holdfast/react";
import type { Session } from "@holdfast/client";
import { useLayoutEffect, useRef } from "react";
import type { ReactNode } from "react";

const kinds = [
  ["hf-status--amber", "amber"],
  ["hf-status--red", "red"],
  ["hf-status--back", "back"],
] as const;

interface StatusStripProps {
  readonly session: Session;
  readonly texts?: Partial<ReconnectionTexts>;
  /** What was seen last is shown while the page comes back; here it says that it does. */
  readonly isReopening?: boolean;
  /** What stands in the strip's room while there is nothing to say about the connection. */
  readonly rest?: ReactNode;
}

/** How the connection is; its room is there from the start, so that nothing moves under a finger. */
export function StatusStrip({ session, texts, isReopening = false, rest }: StatusStripProps): ReactNode {
  const { status, attempt, nextAttemptAt, lostAt } = useSession(session);
  const nextAttemptSeconds = useCountdown(nextAttemptAt);
  const lostForMs = useElapsed(lostAt);
  const strip = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = strip.current;
    if (element === null) return undefined;
    const tell = (): void => {
      const kind = kinds.find(([name]) => element.querySelector(`.${name}`) !== null);
      element.dataset["kind"] = kind?.[1] ?? "none";
    };
    tell();
    const observer = new MutationObserver(tell);
    observer.observe(element, { subtree: true, attributeFilter: ["class"] });
    return () => observer.disconnect();
  }, []);
  return (
    <div className="strip" data-testid="status" ref={strip}>
      {rest != null && <div className="strip__rest">{rest}</div>}
      {isReopening && <Reopening session={session} />}
      <ReconnectionStatus
        isReconnecting={status === "reconnecting"}
        attemptCount={attempt}
        nextAttemptSeconds={nextAttemptSeconds}
        hasGivenUp={status === "given_up"}
        lostForMs={lostForMs}
        onRetry={() => session.retryNow()}
        texts={{
          ...texts,
          tryNow: <span data-testid="retry">Try now</span>,
          tryAgain: <span data-testid="retry">Try again</span>,
        }}
      />
    </div>
  );
}

function Reopening({ session }: { readonly session: Session }): ReactNode {
  const state = useSession(session);
  const { state: step, progress } = recoveryOf(state);
  // From the first failed attempt on it is an outage like any other, and told as one.
  const isTold = state.status === "connecting" || state.status === "open";
  return (
    <div className="recovery" data-testid="recovery" data-state={step}>
      {isTold && (
        <SessionRecovery
          state={step}
          progress={progress}
          onRetry={() => session.retryNow()}
          onJoinAgain={() => undefined}
          texts={recoveryTexts}
        />
      )}
    </div>
  );
}

const recoveryTexts = { checking: "Looking for your seat…", recovering: "Found it. Bringing you back…" };

interface RecoveryProps {
  readonly session: Session;
  readonly failed: ReactNode;
  readonly onJoinAgain: () => void;
  readonly joinAgain: ReactNode;
}

/** A page that was opened again: looking, coming back, or what to do if that fails. */
export function Recovery({ session, failed, onJoinAgain, joinAgain }: RecoveryProps): ReactNode {
  const { state, progress } = recoveryOf(useSession(session));
  return (
    <div className="recovery" data-testid="recovery" data-state={state}>
      <SessionRecovery
        state={state}
        progress={progress}
        onRetry={() => (session.state.status === "ended" ? session.start() : session.retryNow())}
        onJoinAgain={onJoinAgain}
        texts={{ ...recoveryTexts, failed, joinAgain }}
      />
    </div>
  );
}
