import type { EndedMessage, PendingMessage } from "@holdfast/client";
import type { Rows } from "./api";
import type { Line, LineState, Wish } from "./types";

/** What a page knows of a conversation. Never changed: each change makes a new one. */
export interface Lines {
  readonly rows: readonly Line[];
  /** Null: nothing was read yet. */
  readonly revision: number | null;
  /** Nothing is older than the first row. */
  readonly isFromStart: boolean;
  /** False: these are lines around one that was searched for, and newer ones are not here. */
  readonly isToEnd: boolean;
}

export const noLines: Lines = { rows: [], revision: null, isFromStart: false, isToEnd: true };

/** As many as one answer has at most. */
export const PAGE = 60;

const byNumber = (a: Line, b: Line): number => a.number - b.number;

function merged(before: readonly Line[], rows: readonly Line[], gone: readonly string[] = []): readonly Line[] {
  const known = new Map(before.map((line) => [line.id + line.from, line]));
  for (const line of rows) known.set(line.id + line.from, line);
  const all = [...known.values()].filter((line) => !gone.includes(line.id));
  return all.sort(byNumber);
}

/** With an answer to "what has changed", or with the latest lines. */
export function withLatest(lines: Lines, answer: Rows): Lines {
  if (answer.whole) {
    return { rows: merged([], answer.rows), revision: answer.revision, isFromStart: answer.rows.length < PAGE, isToEnd: true };
  }
  const last = lines.rows.at(-1)?.number ?? Infinity;
  const rows = lines.isToEnd ? answer.rows : answer.rows.filter((line) => line.number <= last);
  return { ...lines, rows: merged(lines.rows, rows, answer.gone), revision: answer.revision };
}

export function withOlder(lines: Lines, answer: Rows): Lines {
  return { ...lines, rows: merged(answer.rows, lines.rows), isFromStart: answer.rows.length < PAGE };
}

/** Only what surrounds a line that was searched for. */
export function around(lines: Lines, answer: Rows, newest: number): Lines {
  const rows = merged([], answer.rows);
  return {
    rows, revision: lines.revision ?? answer.revision, isFromStart: answer.rows.length < PAGE,
    isToEnd: (rows.at(-1)?.number ?? 0) >= newest,
  };
}

/** What was said here and is not among the rows yet, as lines. */
export function unheard(
  talk: string,
  lines: Lines,
  outbox: readonly PendingMessage[],
  ended: readonly EndedMessage[],
  forgottenAt: number,
): readonly Line[] {
  const known = new Set(lines.rows.filter((line) => line.from === "").map((line) => line.id));
  const found = new Map<string, Line>();
  const add = (body: unknown, state: LineState, error: string, at: number): void => {
    const wish = body as Wish;
    if (wish.do !== "say" || wish.to !== talk || known.has(wish.id)) return;
    found.set(wish.id, {
      id: wish.id, number: Number.MAX_SAFE_INTEGER, from: "", text: wish.text, sent: at, received: at, state, error,
    });
  };
  for (const message of ended) {
    if (message.endedAt <= forgottenAt) continue;
    const isRefused = message.state !== "delivered" || message.error !== null;
    add(message.body, isRefused ? "failed" : "waiting", message.error?.message ?? "", message.endedAt);
  }
  for (const message of outbox) add(message.body, "waiting", "", Date.now());
  return [...found.values()];
}
