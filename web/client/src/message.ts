import { sizeOf } from "./bounds";
import type { HoldfastError } from "./errors";

/**
 * `queued`: nobody but this browser knows of it. `sending`: handed to a connection at least once,
 * so it may have been handled. The other three are its end: `delivered`, the server has committed
 * it; `expired`, its time was over before it was ever sent; `failed`, it will never be handled.
 */
export type MessageState = "queued" | "sending" | "delivered" | "expired" | "failed";

export interface PendingMessage {
  /** Stays the same while stream and number may change. */
  readonly id: string;
  readonly stream: string;
  readonly seq: number;
  readonly body: unknown;
  readonly state: "queued" | "sending";
  /** Handed to a live connection at least once: it may have been handled, so it stays as it is. */
  readonly wasSent: boolean;
  /** Left by an earlier page load or another tab. */
  readonly isInherited: boolean;
  /** Whether it survives the end of this page; null while it is being written. */
  readonly isKept: boolean | null;
  /** When it is dropped if it was never sent, on the device's clock; null: never. */
  readonly expiresAt: number | null;
}

/** A message that has come to its end. */
export interface EndedMessage {
  readonly id: string;
  readonly body: unknown;
  readonly state: "delivered" | "expired" | "failed";
  /** Why it failed or expired, or the application's own refusal of a delivered one. */
  readonly error: HoldfastError | null;
  /** On the device's clock. */
  readonly endedAt: number;
}

export interface Entry {
  readonly id: string;
  readonly body: unknown;
  readonly bytes: number;
  readonly at: number;
  readonly expiresAt: number | null;
  readonly isInherited: boolean;
  stream: string;
  seq: number;
  wasSent: boolean;
  isKept: boolean | null;
}

export function publicView(entry: Entry): PendingMessage {
  const { id, stream, seq, body, wasSent, isInherited, isKept, expiresAt } = entry;
  return { id, stream, seq, body, state: wasSent ? "sending" : "queued", wasSent, isInherited, isKept, expiresAt };
}

/** What follows the prefix in the key of a message. */
export function keyOf({ stream, seq }: Pick<Entry, "stream" | "seq">): string {
  return `${stream}:${seq}`;
}

/** As it is stored. A message without an end of its time looks as in earlier versions. */
export function textOf({ id, body, at, wasSent, expiresAt }: Entry): string {
  return JSON.stringify({ id, body, at, wasSent, ...(expiresAt === null ? {} : { expiresAt }) });
}

/** What `textOf` made of an entry; null if it is damaged, and then not ours to send. */
export function entryFrom(key: string, text: string): Entry | null {
  const match = /^([A-Za-z0-9_-]{8,32}):([1-9]\d{0,14})$/.exec(key);
  const [stream, seq] = [match?.[1], Number(match?.[2])];
  if (stream === undefined) return null;
  try {
    const { id, body, at, wasSent, expiresAt = null } = JSON.parse(text) as Record<string, unknown>;
    if (typeof id !== "string" || typeof at !== "number" || typeof wasSent !== "boolean") return null;
    if (expiresAt !== null && typeof expiresAt !== "number") return null;
    return { id, body, at, wasSent, expiresAt, stream, seq, bytes: sizeOf(body), isInherited: true, isKept: true };
  } catch {
    return null;
  }
}

/** Streams by their age, each in the order of its numbers. */
export function byStream(entries: readonly Entry[]): Entry[] {
  const bornAt = new Map<string, number>();
  for (const { stream, at } of entries) bornAt.set(stream, Math.min(at, bornAt.get(stream) ?? Infinity));
  const born = (entry: Entry): number => bornAt.get(entry.stream) ?? 0;
  return [...entries].sort((a, b) =>
    a.stream === b.stream ? a.seq - b.seq : born(a) - born(b) || (a.stream < b.stream ? -1 : 1));
}

export function ownLast(entries: readonly Entry[], own: string): Entry[] {
  const rank = (entry: Entry): number => (entry.stream === own ? 1 : 0);
  return [...entries].sort((a, b) => rank(a) - rank(b));
}

export function copyOf(body: unknown): unknown {
  return JSON.parse(JSON.stringify(body)) as unknown;
}
