import { useEffect, useState } from "react";

/** Whole seconds until a moment on the device's clock (`Date.now`), counting down; 0 for null. */
export function useCountdown(until: number | null): number {
  const now = useNow(until !== null);
  if (until === null) return 0;
  return Math.max(0, Math.ceil((until - now) / 1_000));
}

/** Milliseconds since a moment on the device's clock, to the second or so; 0 for null. */
export function useElapsed(since: number | null): number {
  const now = useNow(since !== null);
  return since === null ? 0 : Math.max(0, now - since);
}

// Short enough that a phase of one second is not shown half a second late.
const TICK_MS = 250;

function useNow(isRunning: boolean): number {
  const [, setTick] = useState(0);
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(() => setTick((tick) => tick + 1), TICK_MS);
    return () => clearInterval(timer);
  }, [isRunning]);
  return Date.now();
}
