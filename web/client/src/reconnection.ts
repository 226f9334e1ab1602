import type { Schedule } from "./backoff";
import type { Platform, TimerId } from "./platform";

/*
 * Decides when to try again; shared by the link and by the React hook.
 *
 *   idle ──begin/lost──▶ attempting/waiting ──failed──▶ waiting … ──schedule says null──▶ given_up
 *     ▲                        │
 *     └──────succeeded─────────┘
 *
 * There is never more than one attempt: whoever wants one while one runs is ignored. There is at
 * most one timer, and only in `waiting`. An outage begins with the loss and ends with `succeeded`,
 * `reset`, or with being woken after giving up; the schedule sees the attempts and time of one
 * outage. What the server asked for (`retry_after`) binds the user's button as well.
 */

export type ReconnectionState =
  | { readonly kind: "idle" }
  | { readonly kind: "waiting"; readonly attempt: number; readonly nextAttemptAt: number }
  | { readonly kind: "attempting"; readonly attempt: number }
  | { readonly kind: "given_up"; readonly attempt: number };

export interface ReconnectionOptions {
  readonly schedule: Schedule;
  /** Starts one attempt; its end is told by `succeeded` or `failed`. */
  readonly attempt: () => void;
  readonly changed: (state: ReconnectionState) => void;
  readonly platform: Pick<Platform, "timers" | "monotonic" | "wall">;
}

// Who loses each connection within a second is in a crash loop of the server; such losses
// continue the outage instead of hammering with "first attempt at once".
const STABLE_MS = 1_000;

export class Reconnection {
  #state: ReconnectionState = { kind: "idle" };
  readonly #options: ReconnectionOptions;
  #timer: TimerId | null = null;
  /** All attempts of this outage, for the schedule. */
  #tries = 0;
  /** Those that are shown to the user. */
  #shown = 0;
  /** The attempt that was planned last is one to show. */
  #isShown = false;
  #outageSince = 0;
  #succeededAt = -Infinity;
  #notBefore = -Infinity;

  constructor(options: ReconnectionOptions) {
    this.#options = options;
  }

  /** `nextAttemptAt` is on the device's wall clock. */
  get state(): ReconnectionState {
    return this.#state;
  }

  /** The very first connection: made at once, and not counted as a return. */
  begin(): void {
    if (this.#state.kind !== "idle") return;
    this.#newOutage();
    this.#enter({ kind: "attempting", attempt: 0 });
    this.#options.attempt();
  }

  /** What was open is lost: waits as the schedule says, but at least `floorMs`. */
  lost(floorMs = 0): void {
    if (this.#state.kind !== "idle") return;
    const wasStable = this.#now() - this.#succeededAt >= STABLE_MS;
    const tries = this.#tries;
    this.#newOutage();
    if (!wasStable) this.#tries = tries;
    this.#plan(floorMs);
  }

  /** The running attempt did not succeed. */
  failed(floorMs = 0): void {
    if (this.#state.kind === "attempting") this.#plan(floorMs);
  }

  /** The running attempt succeeded. */
  succeeded(): void {
    if (this.#state.kind !== "attempting") return;
    this.#succeededAt = this.#now();
    this.#enter({ kind: "idle" });
  }

  /** Tries at once, also after giving up; does nothing when idle or while an attempt runs. */
  tryNow(): void {
    const { kind } = this.#state;
    if (kind === "idle" || kind === "attempting") return;
    if (kind === "given_up") this.#newOutage();
    const floorMs = this.#notBefore - this.#now();
    if (floorMs > 0) this.#wait(floorMs);
    else this.#attempt();
  }

  /** Forgets the outage and waits for nothing. An attempt that runs is no longer listened to. */
  reset(): void {
    this.#newOutage();
    this.#enter({ kind: "idle" });
  }

  #newOutage(): void {
    this.#tries = 0;
    this.#shown = 0;
    this.#isShown = (this.#options.schedule.quietMs ?? 0) === 0;
    this.#outageSince = this.#now();
  }

  #plan(floorMs: number): void {
    this.#notBefore = this.#now() + floorMs;
    const elapsed = this.#now() - this.#outageSince;
    this.#isShown = elapsed >= (this.#options.schedule.quietMs ?? 0);
    const delay = this.#options.schedule(this.#tries, elapsed);
    if (delay === null) this.#enter({ kind: "given_up", attempt: this.#shown });
    else this.#wait(Math.max(delay, floorMs));
  }

  #wait(delayMs: number): void {
    this.#enter({
      kind: "waiting",
      attempt: this.#shown,
      nextAttemptAt: this.#options.platform.wall() + delayMs,
    });
    // `changed` may have moved us on already; then this wait is nobody's any more.
    if (this.#state.kind !== "waiting" || this.#timer !== null) return;
    this.#timer = this.#options.platform.timers.set(() => {
      this.#timer = null;
      this.#attempt();
    }, delayMs);
  }

  #attempt(): void {
    this.#tries += 1;
    if (this.#isShown) this.#shown += 1;
    this.#enter({ kind: "attempting", attempt: this.#shown });
    if (this.#state.kind === "attempting") this.#options.attempt();
  }

  #enter(state: ReconnectionState): void {
    if (this.#timer !== null) this.#options.platform.timers.clear(this.#timer);
    this.#timer = null;
    this.#state = state;
    this.#options.changed(state);
  }

  #now(): number {
    return this.#options.platform.monotonic();
  }
}
