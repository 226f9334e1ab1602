import { codes } from "./codes";
import type { Credentials } from "./credentials";
import { Deliveries } from "./deliveries";
import type { Effect } from "./effects";
import type { ErrorShape } from "./errors";
import type { Outbox } from "./outbox";
import { ChannelPositions } from "./positions";
import { OWN_CHANNEL, PROTOCOL_VERSION, readReply } from "./wire";
import type { Opening, Positions, Replay, Replays, ServerFrame } from "./wire";

/*
 * The client's half of the session protocol, without sockets, clocks or timers: facts go in,
 * effects come out in the order in which they are to be done.
 *
 *   closed ──hello/resume──▶ opening ──welcome/restored──▶ open
 *     ▲                          │                           │
 *     └────────── lost, bye, or a frame that breaks the protocol ──────────┘
 *
 * What outlives a connection: the credentials, the positions in the channels with the state that
 * the application built from them, and the outbox. What does not: what is in flight.
 *
 * After `close`, `next` says how to go on. `retry`: by the schedule. `reread`: the session or its
 * token is not good any more; take what storage holds if it differs from what was tried, else say
 * hello. `replaced`: stay quiet until the user asks. `ended`: never by itself.
 */

export type MachinePhase = "closed" | "opening" | "open";

export class Machine {
  readonly #positions = new ChannelPositions();
  readonly #deliveries: Deliveries;
  readonly #outbox: Outbox;
  #phase: MachinePhase = "closed";
  #credentials: Credentials | null = null;
  /** The channels that each unanswered `sync` of this connection has asked for. */
  #syncs: string[][] = [];

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
    this.#deliveries = new Deliveries(outbox);
  }

  get phase(): MachinePhase {
    return this.#phase;
  }

  /** Of the session that this page load is or was in. */
  get credentials(): Credentials | null {
    return this.#credentials;
  }

  /** Of all channels that the session is in, as far as it is known here. */
  get positions(): Positions {
    return this.#positions.all();
  }

  /** The connection is there and no session is known: ask for one. */
  hello(auth: unknown): Effect[] {
    this.#beginOpening();
    this.#positions.forgetAll();
    // Nothing that was sent or left before has a number in the session that begins now.
    this.#outbox.inherit();
    const hasForeign = this.#outbox.inheritedStreams.length > 0;
    if (hasForeign || this.#credentials !== null) this.#outbox.renew(() => true);
    this.#credentials = null;
    return [transmit({ t: "hello", v: PROTOCOL_VERSION, stream: this.#outbox.stream, auth })];
  }

  /** The connection is there: come back to a session. */
  resume(credentials: Credentials): Effect[] {
    this.#beginOpening();
    this.#outbox.inherit();
    if (this.#credentials !== null && this.#credentials.session !== credentials.session) {
      // Another tab has begun a session of its own; neither our state nor our numbers are of it.
      this.#positions.forgetAll();
      const own = this.#outbox.stream;
      this.#outbox.renew((message) => message.stream === own);
    }
    this.#credentials = credentials;
    const { session, token } = credentials;
    return [transmit({
      t: "resume", v: PROTOCOL_VERSION, stream: this.#outbox.stream, session, token,
      channels: this.#positions.all(), pending: this.#deliveries.beginOpening(),
    })];
  }

  /** The connection is gone, with or without a goodbye. */
  lost(): void {
    this.#phase = "closed";
    this.#syncs = [];
    this.#deliveries.lost();
  }

  /** The session was left: what comes next has nothing to do with it. */
  forget(): void {
    this.#credentials = null;
    this.#positions.forgetAll();
    this.#outbox.renew(() => true);
  }

  /** Sends what the outbox holds, as far as it may; call it after adding to the outbox. */
  flush(): Effect[] {
    return this.#phase === "open" ? this.#deliveries.flush() : [];
  }

  /** The time of `resend_later` is over. */
  resend(): Effect[] {
    if (this.#phase !== "open") return [];
    this.#deliveries.unstall();
    // What was refused without saying what it was may have been a `sync` as well.
    const again = this.#syncs.splice(0).length > 0 ? this.#sync() : [];
    return [...again, ...this.flush()];
  }

  /** Whether something was sent on this connection that the server has not acknowledged. */
  get isAwaitingAck(): boolean {
    return this.#phase === "open" && this.#deliveries.isAwaitingAck;
  }

  received(frame: ServerFrame): Effect[] {
    if (frame.t === "bye") return this.#bye(frame.error, frame.again);
    if (frame.t === "ping") return [transmit({ t: "pong", n: frame.n }), { do: "heartbeat" }];
    if (frame.t === "pong") return [{ do: "pong", n: frame.n, now: frame.now }];
    if (this.#phase === "opening") {
      switch (frame.t) {
        case "welcome":
          return this.#opened(frame, null);
        case "restored":
          return this.#opened(frame, frame.acked);
        case "error":
          return [{ do: "notice", error: frame.error }];
        default:
          return this.#violation(`"${frame.t}" came before the session was opened.`);
      }
    }
    if (this.#phase === "closed") return [];
    return this.#receivedOpen(frame);
  }

  #receivedOpen(frame: Exclude<ServerFrame, { t: "bye" | "ping" | "pong" }>): Effect[] {
    switch (frame.t) {
      case "event":
        return this.#event(frame.ch, frame.o, frame.data);
      case "ack":
        return this.#ack(frame.stream, frame.seq);
      case "joined":
        return this.#apply(frame.ch, frame.replay);
      case "left":
        this.#positions.forget(frame.ch);
        return [{ do: "left", channel: frame.ch }];
      case "resync":
        this.#positions.wait(this.#positions.channels);
        return this.#sync();
      case "synced":
        return this.#synced(frame.channels, frame.acked);
      case "error":
        return this.#refusal(frame.error, frame.of);
      case "welcome":
      case "restored":
        return this.#violation(`A second "${frame.t}" came on one connection.`);
    }
  }

  #opened(frame: Opening, acked: Readonly<Record<string, number>> | null): Effect[] {
    this.#phase = "open";
    this.#credentials = { session: frame.session, token: frame.token };
    const effects: Effect[] = [
      { do: "keep", credentials: this.#credentials },
      transmit({ t: "confirm" }),
      { do: "opened", isRestored: acked !== null, now: frame.now, pingMs: frame.pingMs, graceMs: frame.graceMs },
    ];
    effects.push(...this.#leave(frame.channels, this.#positions.channels));
    effects.push(...this.#applyAll(frame.channels));
    // A replay with a hole closes the connection; what follows would go into a dead socket.
    if (this.phase !== "open") return effects;
    // The answers were among the events of `@me`, so they are known before the messages settle.
    effects.push(...this.#deliveries.opened(acked));
    return effects;
  }

  #event(channel: string, offset: number, data: unknown): Effect[] {
    switch (this.#positions.live(channel, offset)) {
      case "apply":
        return this.#applied(channel, offset, data);
      case "gap":
        this.#positions.wait([channel]);
        return this.#sync();
      case "repeated":
      case "waiting":
        return [];
      case "unknown":
        // The server says `joined` before and `left` after a channel's events, so there is no
        // state that this could be applied to.
        return [];
    }
  }

  #applied(channel: string, offset: number, data: unknown): Effect[] {
    const reply = channel === OWN_CHANNEL ? readReply(data) : null;
    if (reply === null) return [{ do: "event", channel, offset, data }];
    this.#deliveries.answered(reply);
    return [];
  }

  #ack(stream: string, seq: number): Effect[] {
    // While events of `@me` are missing, the answer may be among them.
    return this.#deliveries.acked(stream, seq, this.#positions.isWaiting(OWN_CHANNEL));
  }

  /** Asks from all positions: a channel that is not named would be answered with a snapshot. */
  #sync(): Effect[] {
    this.#syncs.push(this.#positions.channels);
    return [transmit({ t: "sync", channels: this.#positions.all() })];
  }

  #synced(replays: Replays, acked: Readonly<Record<string, number>>): Effect[] {
    const effects = [...this.#leave(replays, this.#syncs.shift() ?? []), ...this.#applyAll(replays)];
    if (this.phase !== "open" || this.#positions.isWaiting(OWN_CHANNEL)) return effects;
    // Acknowledgements may have been dropped together with the events.
    return [...effects, ...this.#deliveries.settleHeld(), ...this.#deliveries.ackedAll(acked)];
  }

  /** Forgets the channels that were asked for and are not in the answer. */
  #leave(replays: Replays, asked: readonly string[]): Effect[] {
    return this.#positions.missingFrom(replays, asked).map((channel) => {
      this.#positions.forget(channel);
      return { do: "left", channel };
    });
  }

  #applyAll(replays: Replays): Effect[] {
    return Object.entries(replays).flatMap(([channel, replay]) => this.#apply(channel, replay));
  }

  #apply(channel: string, { epoch, offset, content }: Replay): Effect[] {
    if (content.kind === "snapshot") {
      this.#positions.set(channel, epoch, offset);
      return [{ do: "snapshot", channel, data: content.snapshot, reset: content.reset }];
    }
    const effects: Effect[] = [];
    for (const [at, data] of content.events) {
      const verdict = this.#positions.replayed(channel, at);
      if (verdict === "repeated") continue;
      if (verdict !== "apply") {
        // Asking again would be answered the same; a snapshot on a new connection heals it.
        this.#positions.forget(channel);
        return [...effects, ...this.#violation(`The replay of "${channel}" does not follow on what is known.`)];
      }
      effects.push(...this.#applied(channel, at, data));
    }
    this.#positions.set(channel, epoch, offset);
    return effects;
  }

  #refusal(error: ErrorShape, of: { stream: string; seq: number } | null): Effect[] {
    if (of === null) return [{ do: "notice", error }, ...this.#deliveries.refusedUnnamed(error)];
    const effects = this.#deliveries.refused(of.stream, of.seq, error);
    return effects ?? this.#violation("The server refuses the first number of every stream.");
  }

  #bye(error: ErrorShape, again: boolean): Effect[] {
    const tried = this.#credentials;
    this.lost();
    const retryAfterMs = (error.retryAfter ?? 0) * 1_000;
    switch (error.code) {
      case codes.SESSION_EXPIRED:
      case codes.TOKEN_REJECTED:
        return [
          ...(tried === null ? [] : [{ do: "forget", credentials: tried } as const]),
          { do: "close", next: "reread", error, retryAfterMs },
        ];
      case codes.SESSION_REPLACED:
        return [{ do: "close", next: "replaced", error, retryAfterMs }];
      case codes.SESSION_ENDED:
        return [
          ...(tried === null ? [] : [{ do: "forget", credentials: tried } as const]),
          { do: "close", next: "ended", error, retryAfterMs },
        ];
      default:
        return [{ do: "close", next: again ? "retry" : "ended", error, retryAfterMs }];
    }
  }

  #violation(message: string): Effect[] {
    this.lost();
    const error = { code: codes.UNEXPECTED_FRAME, name: "UNEXPECTED_FRAME", message };
    return [{ do: "close", next: "retry", error, retryAfterMs: 0 }];
  }

  #beginOpening(): void {
    this.lost();
    this.#phase = "opening";
    this.#positions.waitForNothing();
  }
}

function transmit(frame: Extract<Effect, { do: "transmit" }>["frame"]): Effect {
  return { do: "transmit", frame };
}
