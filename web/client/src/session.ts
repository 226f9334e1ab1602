import { quickSchedule } from "./backoff";
import { Board } from "./board";
import { ServerClock } from "./clock";
import { CredentialStore } from "./credentials";
import type { Effect } from "./effects";
import { HoldfastError, SessionLeftError } from "./errors";
import { Expiry } from "./expiry";
import { Handshake } from "./handshake";
import { Identity } from "./identity";
import { Later, shielded } from "./later";
import { Link } from "./link";
import { Machine } from "./machine";
import type { SendOptions, Sending, SessionOptions } from "./options";
import { Outbox } from "./outbox";
import { Outgoing } from "./outgoing";
import { applyPatch } from "./patch";
import { browserPlatform, randomName } from "./platform";
import type { Platform } from "./platform";
import { initialState, withLink, withOutbox } from "./state";
import type { SessionState } from "./state";
import { SafeStore } from "./store";
import { encode, parse } from "./wire";
import type { ClientFrame, ServerFrame } from "./wire";

const JOIN_SAMPLES = 5;
const JOIN_SAMPLE_MS = 200;
/** Turns from one rejected token to the next that are made without waiting. */
const REREADS_MAX = 3;

/** A conversation with the server that outlives connections, closed tabs and server restarts. */
export class Session {
  readonly #options: SessionOptions;
  readonly #platform: Platform;
  readonly #identity: Identity;
  readonly #outbox: Outbox;
  readonly #machine: Machine;
  readonly #link: Link;
  readonly #clock: ServerClock;
  readonly #board: Board;
  readonly #outgoing: Outgoing;
  readonly #handshake: Handshake;
  readonly #expiry: Expiry;
  #stopWatching: (() => void) | null = null;
  /** What this connection still has to do; called off with it. */
  readonly #later: Later;
  /** Not null: nothing is done by itself. */
  #rest: "new" | "replaced" | "ended" | null = "new";
  #wasOpen = false;
  #openedAt = 0;
  /** Goes up with each connection: what is left of an earlier one is told apart by it. */
  #connection = 0;

  constructor(options: SessionOptions) {
    const platform = options.platform ?? browserPlatform();
    const store = new SafeStore(platform.storage());
    this.#options = options;
    this.#platform = platform;
    this.#identity = new Identity(new CredentialStore(store, options.name));
    this.#outbox = new Outbox({
      store, name: options.name, newStream: () => randomName(platform), wall: () => platform.wall(), platform,
      changed: (hasInherited) => this.#stored(hasInherited),
    });
    this.#machine = new Machine(this.#outbox);
    this.#outgoing = new Outgoing({
      outbox: this.#outbox, board: () => this.#board, events: options.events, wall: () => platform.wall(),
      flush: () => this.#perform(this.#machine.flush()),
    });
    this.#handshake = new Handshake({
      identity: this.#identity, outbox: this.#outbox, machine: this.#machine, auth: () => options.auth(),
      perform: (effects) => this.#perform(effects), failed: () => this.#link.replace(),
    });
    this.#expiry = new Expiry(platform, () => {
      this.#perform(this.#outbox.expire(false).map((message) => ({ do: "expired", message })));
    });
    this.#clock = new ServerClock(platform);
    this.#later = new Later(platform.timers);
    const initial = initialState(this.#outbox.messages, this.#identity.isKnown);
    this.#board = new Board(initial, (next) => this.#complete(next));
    this.#link = new Link({
      url: options.url,
      schedule: options.schedule ?? quickSchedule({ random: () => platform.random() }),
      platform,
      opened: () => this.#connected(),
      received: (text) => this.#received(text),
      lost: () => this.#lost(),
      changed: () => this.#board.show(),
      ping: () => this.#ping(),
    });
  }

  /** The same object until something changes. */
  get state(): SessionState {
    return this.#board.shown;
  }

  /** The server's time in milliseconds. */
  now(): number {
    return this.#clock.now();
  }

  /** Calls `listener` after each change of `state`; returns how to stop that. */
  readonly subscribe = (listener: () => void): (() => void) => this.#board.subscribe(listener);

  start(): void {
    if (this.#rest === null) return;
    this.#rest = null;
    this.#stopWatching ??= this.#outbox.watch();
    this.#board.during(() => {
      this.#board.change({ error: null, lostAt: null });
      this.#link.start();
    });
  }

  /** Closes the connection; session and messages stay, and `start` comes back to them. */
  stop(): void {
    this.#finish("ended", null);
  }

  /** Ends the session for good: the server forgets it, and so does this browser. */
  leave(): void {
    if (this.#machine.phase === "open") this.#transmit({ t: "leave" });
    this.#identity.forget(this.#machine.credentials);
    this.#outgoing.discardAll(new SessionLeftError());
    this.#machine.forget();
    this.#board.change({ hasSession: false, channels: {} });
    this.#finish("ended", null);
  }

  /** Tries at once instead of waiting, also after giving up. */
  retryNow(): void {
    this.#link.tryNow();
  }

  /** Brings a session that is used in another tab or on another device back here. */
  takeBack(): void {
    if (this.#rest !== "replaced") return;
    this.#identity.preferStored();
    this.start();
  }

  /**
   * Sends a message, now or after the next return, once and in order. Resolves when the server has
   * committed it, with the application's answer; rejects with HoldfastError if that is an error,
   * and if the message was not accepted, can never be handled or was not sent within `ttlMs`.
   */
  send(body: unknown, options: SendOptions = {}): Sending {
    return this.#outgoing.send(body, options);
  }

  /** Changes a message of `state.outbox` that was never sent. False: it is too late. */
  replace(id: string, body: unknown): boolean {
    return this.#board.during(() => this.#outbox.replace(id, body));
  }

  /** Takes a message that was never sent out of the outbox; its promise resolves with undefined. */
  withdraw(id: string): boolean {
    return this.#board.during(() => this.#outgoing.withdraw(id));
  }

  #connected(): void {
    this.#connection += 1;
    this.#openedAt = this.#platform.monotonic();
    this.#handshake.begin();
  }

  /** Storage has done something by itself. */
  #stored(hasInherited: boolean): void {
    this.#board.show();
    // Too late for the opening frame to name them: come back once more.
    if (!hasInherited || this.#machine.phase === "closed") return;
    this.#link.replace();
  }

  #received(text: string): void {
    const connection = this.#connection;
    let frames: readonly ServerFrame[];
    try {
      frames = parse(text);
    } catch {
      // Nothing that follows on this connection can be trusted to be in order.
      return this.#link.replace();
    }
    this.#board.during(() => {
      for (const frame of frames) {
        // A frame may end the connection; the rest is then of no concern.
        if (connection === this.#connection) this.#perform(this.#machine.received(frame));
      }
    });
  }

  #lost(): void {
    this.#connection += 1;
    this.#handshake.callOff();
    this.#machine.lost();
    this.#later.clear();
    if (this.#board.next.lostAt === null) this.#board.change({ lostAt: this.#platform.wall() });
  }

  #perform(effects: readonly Effect[]): void {
    this.#board.during(() => {
      for (const effect of effects) this.#do(effect);
      const hasProgressed = effects.some((effect) => effect.do === "settled" || effect.do === "refused");
      this.#link.awaitAck(this.#machine.isAwaitingAck, hasProgressed);
    });
  }

  #do(effect: Effect): void {
    const { events, reduce = applyPatch } = this.#options;
    switch (effect.do) {
      case "transmit":
        return this.#transmit(effect.frame);
      case "keep":
        this.#identity.accepted(effect.credentials);
        return this.#board.change({ hasSession: true });
      case "forget":
        return this.#identity.forget(effect.credentials);
      case "opened":
        return this.#opened(effect);
      case "snapshot":
        return this.#board.changeChannel(effect.channel, effect.data);
      case "event": {
        const { channel, data, offset } = effect;
        const before = this.#board.next.channels[channel];
        shielded(() => this.#board.changeChannel(channel, reduce(channel, before, data)));
        return shielded(() => events?.onEvent?.(channel, data, offset));
      }
      case "left":
        return this.#board.removeChannel(effect.channel);
      case "settled":
      case "vanished":
      case "expired":
      case "refused":
        return this.#outgoing.learn(effect);
      case "resend_later":
        return this.#later.add(effect.afterMs, () => this.#perform(this.#machine.resend()));
      case "heartbeat":
        return this.#ping();
      case "pong":
        return this.#clock.pong(effect.n, effect.now);
      case "notice":
        return shielded(() => events?.onNotice?.(new HoldfastError(effect.error)));
      case "close":
        return this.#closed(effect);
    }
  }

  #opened({ now, pingMs }: Extract<Effect, { do: "opened" }>): void {
    this.#clock.learn(this.#openedAt, now);
    for (let k = 0; k < JOIN_SAMPLES; k += 1) this.#later.add(k * JOIN_SAMPLE_MS, () => this.#ping());
    const { restoredCount, lostAt } = this.#board.next;
    const isReturn = this.#wasOpen && lostAt !== null;
    this.#wasOpen = true;
    this.#board.change({ lostAt: null, error: null, restoredCount: restoredCount + (isReturn ? 1 : 0) });
    this.#link.established(pingMs);
  }

  #closed({ next, error, retryAfterMs }: Extract<Effect, { do: "close" }>): void {
    if (next === "replaced") return this.#finish("replaced", null);
    const reason = new HoldfastError(error);
    if (next === "ended") {
      this.#finish("ended", reason);
      return this.#outgoing.rejectAll(reason);
    }
    this.#board.change({ error: reason });
    const tried = this.#machine.credentials;
    this.#link.replace(retryAfterMs);
    if (next === "retry") return;
    if (this.#identity.rejected(tried) <= REREADS_MAX) this.#link.tryNow();
  }

  #finish(how: "replaced" | "ended", error: HoldfastError | null): void {
    this.#board.during(() => {
      this.#rest = how;
      this.#connection += 1;
      this.#handshake.callOff();
      // Who was replaced has to see what the other tab sends: it may not be changed here any more.
      if (how === "ended") this.#stopWatching = this.#stopWatching?.() ?? null;
      this.#machine.lost();
      this.#later.clear();
      this.#board.change({ error, lostAt: null });
      this.#link.stop();
    });
  }

  #ping(): void {
    this.#transmit({ t: "ping", n: this.#clock.ping() });
  }

  #transmit(frame: ClientFrame): void {
    this.#link.transmit(encode(frame));
  }

  #complete(next: SessionState): SessionState {
    this.#expiry.plan(this.#rest === null ? this.#outbox.nextExpiryAt : Infinity);
    return withOutbox(withLink(next, this.#link.state, this.#rest, this.#machine.phase), this.#outbox.messages);
  }
}
