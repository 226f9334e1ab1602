import { useCallback, useEffect, useRef, useState } from "react";
import { browserPlatform, exponentialSchedule, Reconnection } from "../../client/src/index";
import type { ExponentialOptions, Platform, ReconnectionState, Schedule } from "../../client/src/index";
import { useCountdown } from "./time";

export interface UseReconnectionOptions extends Omit<ExponentialOptions, "random"> {
  /** Instead of the exponential one; the other options are then of no effect. */
  readonly schedule?: Schedule;
  readonly platform?: Platform;
}

export interface ReconnectionControl {
  readonly isReconnecting: boolean;
  /** Attempts that were begun since the connection was lost. */
  readonly attemptCount: number;
  /** Whole seconds until the next attempt; 0 while one runs and when none is planned. */
  readonly nextAttemptSeconds: number;
  readonly hasGivenUp: boolean;
  /** Forgets all attempts and begins anew if there still is something to reconnect. */
  readonly reset: () => void;
  /** Tries at once instead of waiting, also after giving up. */
  readonly retryNow: () => void;
}

const idle: ReconnectionState = { kind: "idle" };
let sharedPlatform: Platform | null = null;

/**
 * Calls `onReconnect` again and again while `shouldReconnect` is true, until it succeeds: 1, 2, 4,
 * 8, 16, 30, 30 … seconds apart, up to ten times, and at once when page or network come back. An
 * attempt fails by rejecting or by resolving to false. There are never two at once.
 *
 * Delays are spread by ±25 %, so that the clients of one outage do not all return together;
 * `jitter: false` keeps them exact. Options are read when an outage begins.
 */
export function useReconnection(
  onReconnect: () => Promise<boolean | void>,
  shouldReconnect: boolean,
  options: UseReconnectionOptions = {},
): ReconnectionControl {
  const [state, setState] = useState<ReconnectionState>(idle);
  const [round, setRound] = useState(0);
  const running = useRef<Reconnection | null>(null);
  const latest = useRef({ onReconnect, options });
  useEffect(() => {
    latest.current = { onReconnect, options };
  });

  useEffect(() => {
    if (!shouldReconnect) return undefined;
    const platform = latest.current.options.platform ?? (sharedPlatform ??= browserPlatform());
    // A promise of an earlier outage may settle long after; then nobody listens to it.
    let isCurrent = true;
    const ended = (isBack: boolean): void => {
      if (!isCurrent) return;
      if (isBack) reconnection.succeeded();
      else reconnection.failed();
    };
    const reconnection = new Reconnection({
      platform,
      schedule: scheduleOf(latest.current.options, platform),
      changed: (next) => {
        if (isCurrent) setState(next);
      },
      attempt: () => {
        Promise.resolve()
          .then(() => latest.current.onReconnect())
          .then((result) => ended(result !== false), () => ended(false));
      },
    });
    running.current = reconnection;
    const stopListening = platform.listen((wakeup) => {
      if (wakeup !== "offline") reconnection.tryNow();
    });
    reconnection.lost();
    return () => {
      isCurrent = false;
      stopListening();
      reconnection.reset();
      running.current = null;
      setState(idle);
    };
  }, [shouldReconnect, round]);

  return {
    isReconnecting: state.kind === "waiting" || state.kind === "attempting",
    attemptCount: state.kind === "idle" ? 0 : state.attempt,
    nextAttemptSeconds: useCountdown(state.kind === "waiting" ? state.nextAttemptAt : null),
    hasGivenUp: state.kind === "given_up",
    reset: useCallback(() => setRound((last) => last + 1), []),
    retryNow: useCallback(() => running.current?.tryNow(), []),
  };
}

function scheduleOf(options: UseReconnectionOptions, platform: Platform): Schedule {
  return options.schedule ?? exponentialSchedule({ ...options, random: () => platform.random() });
}
