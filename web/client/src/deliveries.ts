import { codes } from "./codes";
import type { Effect, Outcome } from "./effects";
import type { ErrorShape } from "./errors";
import type { PendingMessage } from "./message";
import type { Outbox } from "./outbox";
import type { Reply } from "./wire";

/*
 * How the outbox goes up: which message may be sent on this connection, what an acknowledgement
 * or a refusal means for it.
 *
 * Within a stream, messages leave in order and at most WINDOW are unacknowledged, so that a full
 * outbox does not run into the server's rate limit at once. A stream that was refused for now is
 * *stalled*: it sends nothing until `unstall`, and the sequence gaps that its later messages
 * provoke are expected and ignored.
 */

const WINDOW = 16;
const PENDING_STREAMS_MAX = 8;
const STALL_DEFAULT_MS = 1_000;
/** A rate limit names the time until one frame is allowed; wait until some are. */
const STALL_MS_MIN = 500;
/** A server that refuses number 1 of stream after stream would keep us busy for ever. */
const RENEWALS_MAX = 3;

export class Deliveries {
  readonly #outbox: Outbox;
  /** Last number sent on this connection, by stream. */
  readonly #sentUpTo = new Map<string, number>();
  readonly #stalled = new Set<string>();
  /** Streams that the server was told of, or that began on this connection. */
  readonly #announced = new Set<string>();
  /** Answers to messages that are not acknowledged yet, by message id. */
  readonly #answers = new Map<string, Reply["result"]>();
  /** Acknowledged while events of `@me` were missing. */
  #held: PendingMessage[] = [];
  #renewals = 0;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  get isAwaitingAck(): boolean {
    return [...this.#sentUpTo].some(([stream, upTo]) => {
      const first = this.#outbox.of(stream)[0];
      return first !== undefined && first.seq <= upTo;
    });
  }

  /** The inherited streams to name in `resume`. */
  beginOpening(): string[] {
    const pending = this.#outbox.inheritedStreams.slice(0, PENDING_STREAMS_MAX);
    for (const stream of [...pending, this.#outbox.stream]) this.#announced.add(stream);
    return pending;
  }

  lost(): void {
    this.#sentUpTo.clear();
    this.#stalled.clear();
    this.#announced.clear();
    this.#renewals = 0;
  }

  /** The session is open. `acked` is null in a new session, which knows no number of ours. */
  opened(acked: Readonly<Record<string, number>> | null): Effect[] {
    const effects = this.settleHeld();
    if (acked !== null) {
      effects.push(...this.#settleUpTo(acked));
      for (const message of this.#outbox.takeVanished()) effects.push(this.#vanished(message));
      this.#renewUnknown(acked);
    }
    // Before anything is sent; and no other tab is at work now that this one has the session.
    for (const message of this.#outbox.expire(true)) effects.push({ do: "expired", message });
    return [...effects, ...this.flush()];
  }

  flush(): Effect[] {
    const effects: Effect[] = [];
    this.#announced.add(this.#outbox.stream);
    for (const stream of this.#announced) {
      if (this.#stalled.has(stream)) continue;
      const messages = this.#outbox.of(stream);
      const first = messages[0]?.seq ?? 0;
      for (const { id, seq, body } of messages) {
        if (seq >= first + WINDOW) break;
        if (seq <= (this.#sentUpTo.get(stream) ?? 0)) continue;
        this.#sentUpTo.set(stream, seq);
        this.#outbox.markSent(id);
        effects.push({ do: "transmit", frame: { t: "send", stream, seq, body } });
      }
    }
    return effects;
  }

  answered(reply: Reply): void {
    const message = this.#outbox.find(reply.stream, reply.seq) ??
      this.#held.find(({ stream, seq }) => stream === reply.stream && seq === reply.seq);
    // The latest counts: an earlier one may be of a server that crashed before it committed.
    if (message !== undefined) this.#answers.set(message.id, reply.result);
  }

  /** Everything of the stream up to `seq` is committed. */
  acked(stream: string, seq: number, mayBeAnswered: boolean): Effect[] {
    const messages = this.#outbox.settle(stream, seq);
    if (messages.length === 0) return [];
    if (mayBeAnswered) {
      this.#held.push(...messages);
      return this.flush();
    }
    return [...messages.map((message) => this.#settled(message)), ...this.flush()];
  }

  /** The same for several streams at once, with all answers known. */
  ackedAll(acked: Readonly<Record<string, number>>): Effect[] {
    return [...this.#settleUpTo(acked), ...this.flush()];
  }

  settleHeld(): Effect[] {
    const held = this.#held;
    this.#held = [];
    return held.map((message) => this.#settled(message));
  }

  unstall(): void {
    this.#stalled.clear();
  }

  /** A message was refused and nothing of it was done. Null: the server makes no sense. */
  refused(stream: string, seq: number, error: ErrorShape): Effect[] | null {
    const message = this.#outbox.find(stream, seq);
    if (message === null) return [];
    if (error.code === codes.SEQUENCE_GAP) return this.#gap(message);
    if (isTransient(error)) {
      // Several in a row may be refused; all is to be sent again from the first of them.
      this.#sentUpTo.set(stream, Math.min(seq - 1, this.#sentUpTo.get(stream) ?? 0));
      if (this.#stalled.has(stream)) return [];
      this.#stalled.add(stream);
      return [resendAfter(error)];
    }
    // The number is used up on neither side. What follows cannot have been handled, so it may get
    // new numbers; what precedes may have been, so it stays where it is.
    this.#outbox.discard(message.id);
    this.#outbox.renew((each) => each.stream === stream && each.seq > seq);
    this.#answers.delete(message.id);
    return [{ do: "refused", message, error }, ...this.flush()];
  }

  /** Something was refused for now, and it may have been any of what was sent. */
  refusedUnnamed(error: ErrorShape): Effect[] {
    if (!isTransient(error)) return [];
    for (const stream of this.#announced) this.#stalled.add(stream);
    this.#sentUpTo.clear();
    return [resendAfter(error)];
  }

  #settleUpTo(acked: Readonly<Record<string, number>>): Effect[] {
    return Object.entries(acked).flatMap(([stream, seq]) =>
      this.#outbox.settle(stream, seq).map((message) => this.#settled(message)));
  }

  #gap(message: PendingMessage): Effect[] | null {
    const { stream } = message;
    // Only the first message tells that the server has lost count; a later one follows from the
    // refusal of an earlier one, which was told before.
    if (this.#stalled.has(stream) || this.#outbox.of(stream)[0]?.seq !== message.seq) return [];
    if (this.#renewals >= RENEWALS_MAX) return null;
    this.#renewals += 1;
    this.#outbox.renew((each) => each.stream === stream);
    return this.flush();
  }

  /** Moves what the server would answer with a gap: it has forgotten the stream. */
  #renewUnknown(acked: Readonly<Record<string, number>>): void {
    const own = this.#outbox.stream;
    const expected = (stream: string): number =>
      this.#outbox.of(stream)[0]?.seq ?? (stream === own ? this.#outbox.lastSeq + 1 : 1);
    const unknown = Object.keys(acked).filter((stream) => {
      const isEmpty = stream !== own && this.#outbox.of(stream).length === 0;
      return !isEmpty && expected(stream) !== (acked[stream] ?? 0) + 1;
    });
    if (unknown.length > 0) this.#outbox.renew((message) => unknown.includes(message.stream));
  }

  #vanished(message: PendingMessage): Effect {
    // The answer may have come here all the same.
    return this.#answers.has(message.id) ? this.#settled(message) : { do: "vanished", message };
  }

  #settled(message: PendingMessage): Effect {
    const outcome: Outcome = this.#answers.get(message.id);
    this.#answers.delete(message.id);
    return { do: "settled", message, outcome };
  }
}

function isTransient(error: ErrorShape): boolean {
  const family = Math.floor(error.code / 1_000);
  return error.retryAfter != null || family === 2 || family === 8;
}

function resendAfter({ retryAfter }: ErrorShape): Effect {
  const afterMs = retryAfter == null ? STALL_DEFAULT_MS : Math.max(STALL_MS_MIN, retryAfter * 1_000);
  return { do: "resend_later", afterMs };
}
