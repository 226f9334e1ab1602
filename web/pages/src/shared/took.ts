import { isRecord, readJson, writeJson } from "./store";

/*
 * How long somebody thought: from the first paint of the choices to the tap, by a clock that never
 * jumps. Neither a reload nor a closed tab must start it anew, so the moment of the paint is kept by
 * the wall clock. When the server was dead for a while it moves the opening of the question by that
 * time, and the paint moves with it: nobody could answer then.
 */

export interface Paint {
  readonly question: number;
  readonly opensAt: number;
  /** By the device's wall clock. */
  readonly at: number;
}

/** Where the time began, on this page's monotonic clock; null: these choices were not painted yet. */
export function originOf(
  paint: Paint | null, question: number, opensAt: number, wall: number, monotonic: number,
): number | null {
  if (paint === null || paint.question !== question) return null;
  const ago = wall - paint.at - (opensAt - paint.opensAt);
  return monotonic - Math.max(0, ago);
}

/** Without an origin nothing was painted yet, so nobody has thought about it. */
export function tookMs(origin: number | null, monotonic: number): number {
  return origin === null ? 0 : Math.max(0, Math.round(monotonic - origin));
}

const paintKey = (event: string): string => `holdfast-paint:${event}`;

export function readPaint(event: string): Paint | null {
  const value = readJson(paintKey(event));
  if (!isRecord(value)) return null;
  const { question, opensAt, at } = value;
  if (typeof question !== "number" || typeof opensAt !== "number" || typeof at !== "number") return null;
  return { question, opensAt, at };
}

export function writePaint(event: string, paint: Paint): void {
  writeJson(paintKey(event), paint);
}
