import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError, callAt } from "../shared/api";

export interface Polled<T> {
  readonly value: T | null;
  /** The server's answer when it has refused; null while it is only out of reach. */
  readonly refused: ApiError | null;
  /** When the server answered last, in milliseconds of this page; 0 when it never did. */
  readonly answeredAt: number;
  readonly again: () => void;
}

/** Asks again and again, one question at a time, and not while nobody looks. */
export function usePolled<T>(url: string, everyMs: number): Polled<T> {
  const [value, setValue] = useState<T | null>(null);
  const [refused, setRefused] = useState<ApiError | null>(null);
  const [answeredAt, setAnsweredAt] = useState(0);
  const ask = useRef<() => void>(() => undefined);

  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = (): void => {
      clearTimeout(timer);
      if (!isOver) timer = setTimeout(now, everyMs);
    };
    const now = (): void => {
      clearTimeout(timer);
      if (document.visibilityState === "hidden") return next();
      callAt<T>("GET", url).then(
        (found) => {
          if (isOver) return;
          setValue(found);
          setRefused(null);
          setAnsweredAt(performance.now());
        },
        (error: unknown) => {
          if (!isOver && error instanceof ApiError && error.code !== 0) setRefused(error);
        },
      ).finally(next);
    };
    ask.current = now;
    now();
    document.addEventListener("visibilitychange", now);
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", now);
    };
  }, [url, everyMs]);

  const again = useCallback(() => ask.current(), []);
  return { value, refused, answeredAt, again };
}
