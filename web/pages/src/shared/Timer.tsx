import { useEffect, useRef } from "react";
import type { ReactNode } from "react";
import { useSay } from "./Announcer";
import { useTick } from "./hooks";
import { timerMarks } from "./phase";

interface TimerProps {
  readonly now: () => number;
  readonly until: number;
  readonly limitMs: number;
  /** Says half, 10 and 5 seconds; a projector has nobody to say it to. */
  readonly isSpoken?: boolean;
}

export function Timer({ now, until, limitMs, isSpoken = true }: TimerProps): ReactNode {
  const leftMs = Math.max(0, until - now());
  const left = Math.ceil(leftMs / 1_000);
  useTick(200, leftMs > 0);
  const say = useSay();
  const lastLeft = useRef(left);
  useEffect(() => {
    const passed = timerMarks(limitMs).find((mark) => left <= mark && lastLeft.current > mark);
    lastLeft.current = left;
    if (isSpoken && passed !== undefined) say(`${left} seconds left`);
  }, [left, limitMs, isSpoken, say]);
  return (
    <div className="timer">
      <span className="timer__digits" role="timer" data-testid="timer" aria-label={`${left} seconds left`}>{left}</span>
      <span className="timer__track" aria-hidden="true">
        <span className="timer__fill" style={{ transform: `scaleX(${Math.min(1, leftMs / limitMs)})` }} />
      </span>
    </div>
  );
}
