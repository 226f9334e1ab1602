/*
 * How long somebody thought: from the first paint of the choices to the tap, by a clock that never
 * jumps. A reload must not start it anew, so the moment of the paint is kept by the wall clock.
 */

/** Where the time began, on this page's monotonic clock. */
export function originOf(paintedAtWall: number | null, wall: number, monotonic: number): number {
  if (paintedAtWall === null || paintedAtWall > wall) return monotonic;
  return monotonic - (wall - paintedAtWall);
}

/** Null: nothing was painted yet, so nobody has thought about it. */
export function tookMs(origin: number | null, monotonic: number): number {
  return origin === null ? 0 : Math.max(0, Math.round(monotonic - origin));
}

export function paintKey(event: string, question: number, opensAt: number): string {
  return `holdfast-paint:${event}:${question}:${opensAt}`;
}
