import type { ReactNode } from "react";
import type { SessionState } from "../../client/src/index";

/** A tab that was closed and opened again: is there a session, bring it back, or it is gone. */
export type RecoveryState = "checking" | "recovering" | "failed" | "done";

export interface RecoveryTexts {
  readonly checking: ReactNode;
  readonly recovering: ReactNode;
  readonly failed: ReactNode;
  readonly retry: ReactNode;
  readonly joinAgain: ReactNode;
  /** Said of the bar to those who do not see it. */
  readonly progress: string;
}

export interface SessionRecoveryProps {
  readonly state: RecoveryState;
  /** From 0 to 1; left out: it takes as long as it takes. */
  readonly progress?: number;
  readonly onRetry: () => void;
  readonly onJoinAgain: () => void;
  readonly texts?: Partial<RecoveryTexts>;
}

const defaultTexts: RecoveryTexts = {
  checking: "Looking for your session…",
  recovering: "Found it. Bringing you back…",
  failed: "Your session could not be found.",
  retry: "Try again",
  joinAgain: "Join again",
  progress: "Coming back",
};

/** What a returning user sees until the session is there; when it is, an empty element remains. */
export function SessionRecovery(props: SessionRecoveryProps): ReactNode {
  const { state, progress, onRetry, onJoinAgain } = props;
  const texts = { ...defaultTexts, ...props.texts };
  const isRunning = state === "checking" || state === "recovering";
  return (
    <section className={`hf-recovery hf-recovery--${state}`} aria-busy={isRunning}>
      <p className="hf-recovery__live" role="status">
        {state === "checking" && texts.checking}
        {state === "recovering" && texts.recovering}
      </p>
      {isRunning && (
        <progress
          className="hf-recovery__progress"
          aria-label={texts.progress}
          max={1}
          {...(progress === undefined ? {} : { value: Math.min(1, Math.max(0, progress)) })}
        />
      )}
      {state === "failed" && (
        <>
          <p className="hf-recovery__alert" role="alert">{texts.failed}</p>
          <button type="button" className="hf-recovery__button" onClick={onRetry}>{texts.retry}</button>
          <button type="button" className="hf-recovery__button" onClick={onJoinAgain}>{texts.joinAgain}</button>
        </>
      )}
    </section>
  );
}

/** Which step a session's return is at, for `SessionRecovery`. */
export function recoveryOf(session: SessionState): { readonly state: RecoveryState; readonly progress: number } {
  switch (session.status) {
    case "open":
      return { state: "done", progress: 1 };
    case "given_up":
    case "ended":
      return { state: "failed", progress: 0 };
    case "replaced":
      // It is not lost, only elsewhere; that is another notice's matter.
      return { state: "done", progress: 1 };
    case "connecting":
    case "reconnecting":
      return session.isRestoring ? { state: "recovering", progress: 0.7 } : { state: "checking", progress: 0.3 };
  }
}
