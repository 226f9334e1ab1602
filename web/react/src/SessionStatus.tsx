import type { ReactNode } from "react";
import type { Session } from "../../client/src/index";
import { ReconnectionStatus } from "./ReconnectionStatus";
import type { ReconnectionTexts } from "./ReconnectionStatus";
import { useCountdown, useElapsed } from "./time";
import { useSession } from "./useSession";

export interface SessionTexts extends ReconnectionTexts {
  readonly replaced: ReactNode;
  readonly takeBack: ReactNode;
}

export interface SessionStatusProps {
  readonly session: Session;
  readonly maxAttempts?: number;
  readonly texts?: Partial<SessionTexts>;
}

/** `ReconnectionStatus` for a session, and the notice that it is open in another tab. */
export function SessionStatus({ session, maxAttempts, texts = {} }: SessionStatusProps): ReactNode {
  const { status, attempt, nextAttemptAt, lostAt } = useSession(session);
  const nextAttemptSeconds = useCountdown(nextAttemptAt);
  const lostForMs = useElapsed(lostAt);
  return (
    <>
      <ReconnectionStatus
        isReconnecting={status === "reconnecting"}
        attemptCount={attempt}
        {...(maxAttempts === undefined ? {} : { maxAttempts })}
        nextAttemptSeconds={nextAttemptSeconds}
        hasGivenUp={status === "given_up"}
        lostForMs={lostForMs}
        onRetry={() => session.retryNow()}
        texts={texts}
      />
      {status === "replaced" && (
        <div className="hf-status hf-status--elsewhere" role="alert">
          <p>{texts.replaced ?? "This session is open in another tab."}</p>
          <button type="button" className="hf-status__button" onClick={() => session.takeBack()}>
            {texts.takeBack ?? "Use it here"}
          </button>
        </div>
      )}
    </>
  );
}
