import type { Schedule } from "./backoff";
import type { Platform, Socket, TimerId, Wakeup } from "./platform";
import { Reconnection } from "./reconnection";
import type { ReconnectionState } from "./reconnection";
import { SUBPROTOCOL } from "./wire";

/*
 * One WebSocket at a time, replaced when it is dead. A browser tells of a dead network late or
 * never, so the link does not wait for it:
 *
 *   - silence of the server's heartbeat plus 10 s ends the connection;
 *   - a message without acknowledgement for 2 s, and the return of page or network, cause a probe:
 *     a ping, and 2 s to hear anything at all;
 *   - an attempt that is not through after 10 s has failed. One that a wake-up finds older than
 *     2 s is begun anew: its packets went into the network that was.
 *
 * A socket that is replaced is closed first, and nothing of it is listened to any more.
 */

export interface LinkOptions {
  readonly url: string;
  readonly schedule: Schedule;
  readonly platform: Platform;
  /** The socket is open; the handshake may begin and ends with `established`. */
  readonly opened: () => void;
  readonly received: (text: string) => void;
  /** The socket is gone; followed by a change of state. */
  readonly lost: () => void;
  readonly changed: (state: ReconnectionState) => void;
  /** Transmit a ping. */
  readonly ping: () => void;
}

type TimerName = "attempt" | "silence" | "ack" | "probe";

const ATTEMPT_MS_MAX = 10_000;
const ATTEMPT_STALE_MS = 2_000;
const SILENCE_MARGIN_MS = 10_000;
const ACK_MS_MAX = 2_000;
const PROBE_MS_MAX = 2_000;

export class Link {
  readonly #options: LinkOptions;
  readonly #reconnection: Reconnection;
  #socket: Socket | null = null;
  /** Which socket is meant: callbacks of an earlier one are told apart by it. */
  #generation = 0;
  #isEstablished = false;
  #isStarted = false;
  #attemptedAt = 0;
  #heardAt = 0;
  #silenceMsMax = 0;
  #stopListening: (() => void) | null = null;
  readonly #timers: Record<TimerName, TimerId | null> =
    { attempt: null, silence: null, ack: null, probe: null };

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#reconnection = new Reconnection({
      schedule: options.schedule,
      platform: options.platform,
      attempt: () => this.#attempt(),
      changed: options.changed,
    });
  }

  get state(): ReconnectionState {
    return this.#reconnection.state;
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#stopListening = this.#options.platform.listen((wakeup) => this.#woken(wakeup));
    this.#reconnection.begin();
  }

  /** Closes without a word; `start` begins anew. */
  stop(): void {
    this.#isStarted = false;
    this.#stopListening?.();
    this.#stopListening = null;
    this.#closeSocket();
    this.#reconnection.reset();
  }

  tryNow(): void {
    this.#reconnection.tryNow();
  }

  /** The handshake is done: from now on silence counts, with the heartbeat that the server keeps. */
  established(pingMs: number): void {
    this.#clear("attempt");
    this.#isEstablished = true;
    this.#silenceMsMax = pingMs + SILENCE_MARGIN_MS;
    this.#watchSilence();
    this.#reconnection.succeeded();
  }

  /** This connection is of no use; another is tried by the schedule, not before `floorMs`. */
  replace(floorMs = 0): void {
    if (!this.#isStarted) return;
    const wasEstablished = this.#isEstablished;
    this.#closeSocket();
    this.#options.lost();
    // Whoever was told may have stopped us.
    if (!this.#isStarted) return;
    if (wasEstablished) this.#reconnection.lost(floorMs);
    else this.#reconnection.failed(floorMs);
  }

  transmit(text: string): void {
    try {
      this.#socket?.send(text);
    } catch {
      // A socket that cannot take it is found dead by its own close or by the probe.
    }
  }

  /** Whether something waits for its acknowledgement, told after each change. */
  awaitAck(isAwaiting: boolean, hasProgressed: boolean): void {
    if (!isAwaiting || hasProgressed) this.#clear("ack");
    if (!isAwaiting || this.#timers.ack !== null || !this.#isEstablished) return;
    this.#set("ack", ACK_MS_MAX, () => this.#probe());
  }

  #attempt(): void {
    this.#generation += 1;
    const generation = this.#generation;
    const isCurrent = (): boolean => generation === this.#generation;
    this.#attemptedAt = this.#now();
    this.#set("attempt", ATTEMPT_MS_MAX, () => this.replace());
    try {
      this.#socket = this.#options.platform.openSocket(this.#options.url, SUBPROTOCOL, {
        opened: () => {
          if (isCurrent()) this.#options.opened();
        },
        received: (text) => {
          if (isCurrent()) this.#heard(text);
        },
        closed: () => {
          if (isCurrent()) this.replace();
        },
      });
    } catch {
      // A browser throws for an address that it will not even try; to the user it is a failure
      // like the others.
      if (isCurrent()) this.replace();
    }
  }

  #heard(text: string): void {
    this.#heardAt = this.#now();
    this.#clear("probe");
    this.#options.received(text);
  }

  #woken(wakeup: Wakeup): void {
    switch (this.#reconnection.state.kind) {
      case "idle":
        return this.#probe();
      case "attempting":
        if (wakeup === "offline" || this.#now() - this.#attemptedAt < ATTEMPT_STALE_MS) return;
        this.replace();
        return this.#reconnection.tryNow();
      case "waiting":
      case "given_up":
        if (wakeup !== "offline") this.#reconnection.tryNow();
    }
  }

  #probe(): void {
    if (!this.#isEstablished || this.#timers.probe !== null) return;
    this.#set("probe", PROBE_MS_MAX, () => this.replace());
    this.#options.ping();
  }

  #watchSilence(): void {
    this.#heardAt = this.#now();
    const look = (): void => {
      // Compared with the moment that was announced: a timer may come a little early.
      const leftMs = this.#heardAt + this.#silenceMsMax - this.#now();
      if (leftMs <= 0) this.replace();
      else this.#set("silence", leftMs, look);
    };
    look();
  }

  #closeSocket(): void {
    this.#generation += 1;
    this.#isEstablished = false;
    this.#clear("attempt");
    this.#clear("silence");
    this.#clear("ack");
    this.#clear("probe");
    this.#socket?.close();
    this.#socket = null;
  }

  #set(name: TimerName, delayMs: number, action: () => void): void {
    this.#clear(name);
    this.#timers[name] = this.#options.platform.timers.set(() => {
      this.#timers[name] = null;
      action();
    }, delayMs);
  }

  #clear(name: TimerName): void {
    const timer = this.#timers[name];
    if (timer !== null) this.#options.platform.timers.clear(timer);
    this.#timers[name] = null;
  }

  #now(): number {
    return this.#options.platform.monotonic();
  }
}
