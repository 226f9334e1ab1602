import type { ErrorShape } from "./errors";

/*
 * The frames of protocol version 1: what each may contain, and how text becomes frames and back.
 * Nothing here remembers anything. Unknown fields are kept out of the types and ignored; frames of
 * an unknown type are skipped, so that a newer server can talk to an older client.
 */

export const PROTOCOL_VERSION = 1;
export const SUBPROTOCOL = "holdfast.v1.json";
/** The session's own channel: replies to its messages, and what concerns only it. */
export const OWN_CHANNEL = "@me";

/** Epoch and offset of the last event that was applied. */
export type Position = readonly [epoch: string, offset: number];
export type Positions = Readonly<Record<string, Position>>;

/** What one channel brings after `welcome`, `restored` or `synced`. */
export interface Replay {
  readonly epoch: string;
  readonly offset: number;
  readonly content:
    | { readonly kind: "snapshot"; readonly snapshot: unknown; readonly reset: "epoch" | "gap" | null }
    | { readonly kind: "events"; readonly events: ReadonlyArray<readonly [number, unknown]> };
}
export type Replays = Readonly<Record<string, Replay>>;

export type ClientFrame =
  | { t: "hello"; v: number; stream: string; auth: unknown }
  | {
      t: "resume"; v: number; stream: string; session: string; token: string;
      channels: Positions; pending: readonly string[];
    }
  | { t: "send"; stream: string; seq: number; body: unknown }
  | { t: "confirm" }
  | { t: "ping"; n: number }
  | { t: "pong"; n: number }
  | { t: "sync"; channels: Positions }
  | { t: "leave" };

export interface Opening {
  readonly session: string;
  readonly token: string;
  readonly now: number;
  readonly pingMs: number;
  readonly graceMs: number;
  readonly channels: Replays;
}

export type ServerFrame =
  | ({ readonly t: "welcome" } & Opening)
  | ({ readonly t: "restored"; readonly acked: Readonly<Record<string, number>> } & Opening)
  | { readonly t: "event"; readonly ch: string; readonly o: number; readonly data: unknown }
  | { readonly t: "ack"; readonly stream: string; readonly seq: number }
  | { readonly t: "joined"; readonly ch: string; readonly replay: Replay }
  | { readonly t: "left"; readonly ch: string }
  | { readonly t: "resync" }
  | { readonly t: "synced"; readonly acked: Readonly<Record<string, number>>; readonly channels: Replays }
  | { readonly t: "ping"; readonly n: number }
  | { readonly t: "pong"; readonly n: number; readonly now: number }
  | { readonly t: "error"; readonly error: ErrorShape; readonly of: { readonly stream: string; readonly seq: number } | null }
  | { readonly t: "bye"; readonly error: ErrorShape; readonly again: boolean };

/** An event on `@me` that answers one of our messages. */
export interface Reply {
  readonly stream: string;
  readonly seq: number;
  readonly result: { readonly kind: "ok"; readonly data: unknown } | { readonly kind: "error"; readonly error: ErrorShape };
}

/** The other side sent something that this protocol does not allow. */
export class WireError extends Error {
  override readonly name = "WireError";
}

type Fields = Readonly<Record<string, unknown>>;

/** Text of one WebSocket message for these frames. */
export function encode(...frames: readonly ClientFrame[]): string {
  return frames.map((frame) => JSON.stringify(frame)).join("\n");
}

/** The frames of one WebSocket message, in order; throws WireError when one is broken. */
export function parse(text: string): ServerFrame[] {
  const frames: ServerFrame[] = [];
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const frame = parseFrame(line);
    if (frame !== null) frames.push(frame);
  }
  return frames;
}

/** The answer that an `@me` event carries, or null when it is an event of the application's own. */
export function readReply(data: unknown): Reply | null {
  if (!isFields(data) || !isFields(data["re"])) return null;
  const stream = data["re"]["stream"];
  const seq = data["re"]["seq"];
  if (typeof stream !== "string" || typeof seq !== "number") return null;
  if (isFields(data["error"])) {
    return { stream, seq, result: { kind: "error", error: errorOf(data["error"]) } };
  }
  return { stream, seq, result: { kind: "ok", data: data["ok"] } };
}

function parseFrame(line: string): ServerFrame | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new WireError("The server sent text that is not JSON.");
  }
  const f = fields(value, "frame");
  switch (text(f, "t")) {
    case "welcome":
      return { t: "welcome", ...openingOf(f) };
    case "restored":
      return { t: "restored", acked: countsOf(f["acked"]), ...openingOf(f) };
    case "event":
      return { t: "event", ch: text(f, "ch"), o: count(f, "o"), data: f["data"] };
    case "ack":
      return { t: "ack", stream: text(f, "stream"), seq: count(f, "seq") };
    case "joined":
      return { t: "joined", ch: text(f, "ch"), replay: replayOf(f) };
    case "left":
      return { t: "left", ch: text(f, "ch") };
    case "resync":
      return { t: "resync" };
    case "synced":
      return { t: "synced", acked: countsOf(f["acked"] ?? {}), channels: replaysOf(f["channels"]) };
    case "ping":
      return { t: "ping", n: count(f, "n") };
    case "pong":
      return { t: "pong", n: count(f, "n"), now: count(f, "now") };
    case "error": {
      const [stream, seq] = [f["stream"], f["seq"]];
      const of = typeof stream === "string" && typeof seq === "number" ? { stream, seq } : null;
      return { t: "error", error: errorOf(f), of };
    }
    case "bye":
      return { t: "bye", error: errorOf(f), again: f["again"] === true };
    default:
      return null;
  }
}

function openingOf(f: Fields): Opening {
  return {
    session: text(f, "session"),
    token: text(f, "token"),
    now: count(f, "now"),
    pingMs: count(f, "ping_ms"),
    graceMs: count(f, "grace_ms"),
    channels: replaysOf(f["channels"]),
  };
}

function replaysOf(value: unknown): Replays {
  return Object.fromEntries(
    Object.entries(fields(value, "channels")).map(([ch, replay]) => [ch, replayOf(fields(replay, ch))]),
  );
}

function replayOf(f: Fields): Replay {
  const [epoch, offset] = [text(f, "epoch"), count(f, "offset")];
  if (Array.isArray(f["events"])) {
    return { epoch, offset, content: { kind: "events", events: f["events"].map(eventOf) } };
  }
  if (!("snapshot" in f)) throw new WireError("A channel has neither events nor a snapshot.");
  const reset = f["reset"] === "epoch" || f["reset"] === "gap" ? f["reset"] : null;
  return { epoch, offset, content: { kind: "snapshot", snapshot: f["snapshot"], reset } };
}

function eventOf(value: unknown): readonly [number, unknown] {
  if (!Array.isArray(value) || typeof value[0] !== "number") {
    throw new WireError("A replayed event is not a pair of offset and data.");
  }
  return [value[0], value[1]];
}

function countsOf(value: unknown): Readonly<Record<string, number>> {
  const counts = fields(value, "acked");
  return Object.fromEntries(Object.keys(counts).map((stream) => [stream, count(counts, stream)]));
}

function errorOf(f: Fields): ErrorShape {
  return {
    code: count(f, "code"),
    name: typeof f["name"] === "string" ? f["name"] : "UNKNOWN",
    message: typeof f["message"] === "string" ? f["message"] : "",
    retryAfter: typeof f["retry_after"] === "number" ? f["retry_after"] : null,
    details: isFields(f["details"]) ? f["details"] : {},
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fields(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new WireError(`Expected an object for "${what}".`);
  return value;
}

function text(f: Fields, name: string): string {
  const value = f[name];
  if (typeof value !== "string") throw new WireError(`Expected a string in "${name}".`);
  return value;
}

function count(f: Fields, name: string): number {
  const value = f[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new WireError(`Expected a whole number in "${name}".`);
  }
  return value;
}
