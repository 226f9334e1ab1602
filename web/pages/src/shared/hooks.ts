import { useCallback, useEffect, useRef, useState } from "react";
import { originOf, readPaint, tookMs, writePaint } from "./took";

const LOOK_AGAIN_MS = 500;

/** The time now, rendered anew at each of `edges` (and twice a second until then: clocks get corrected). */
export function useEdges(now: () => number, edges: readonly number[]): number {
  const [, setTick] = useState(0);
  const current = now();
  const next = edges.filter((edge) => edge > current).sort((a, b) => a - b)[0];
  useEffect(() => {
    if (next === undefined) return undefined;
    const timer = setTimeout(() => setTick((tick) => tick + 1), Math.min(LOOK_AGAIN_MS, Math.max(0, next - now())));
    return () => clearTimeout(timer);
  });
  return current;
}

/** Renders anew every `ms` while `isRunning`. */
export function useTick(ms: number, isRunning = true): void {
  const [, setTick] = useState(0);
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(() => setTick((tick) => tick + 1), ms);
    return () => clearInterval(timer);
  }, [ms, isRunning]);
}

/** Measures from the first paint of a question's choices; returns the time so far. */
export function useTook(event: string, question: number, opensAt: number): () => number {
  const origin = useRef<number | null>(null);
  useEffect(() => {
    origin.current = originOf(readPaint(event), question, opensAt, Date.now(), performance.now());
    if (origin.current !== null) return undefined;
    // The first frame is being prepared; when the second one is, the first has been shown.
    let frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(() => {
        origin.current = performance.now();
        writePaint(event, { question, opensAt, at: Date.now() });
      });
    });
    return () => cancelAnimationFrame(frame);
  }, [event, question, opensAt]);
  return useCallback(() => tookMs(origin.current, performance.now()), []);
}

/** Keeps the screen on while `isWanted`; asked for again when the page becomes visible. */
export function useWakeLock(isWanted: boolean): void {
  useEffect(() => {
    if (!isWanted || !("wakeLock" in navigator)) return undefined;
    let lock: WakeLockSentinel | null = null;
    let isOver = false;
    const ask = (): void => {
      if (document.visibilityState !== "visible") return;
      navigator.wakeLock.request("screen").then(
        (given) => {
          if (isOver) void given.release();
          else lock = given;
        },
        () => undefined,
      );
    };
    ask();
    document.addEventListener("visibilitychange", ask);
    return () => {
      isOver = true;
      document.removeEventListener("visibilitychange", ask);
      void lock?.release().catch(() => undefined);
    };
  }, [isWanted]);
}

/** 1–6 and a–f choose an answer. */
export function useChoiceKeys(count: number, choose: (index: number) => void): void {
  const latest = useRef(choose);
  useEffect(() => {
    latest.current = choose;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.key.length !== 1) return;
      if (event.target instanceof Element && event.target.closest("input, textarea, select, dialog")) return;
      const key = event.key.toLowerCase();
      const index = Math.max("123456".indexOf(key), "abcdef".indexOf(key));
      if (index < 0 || index >= count) return;
      event.preventDefault();
      latest.current(index);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [count]);
}
