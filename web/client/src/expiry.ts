import type { Platform, TimerId } from "./platform";

/** Browsers count a timer's milliseconds in 32 bits; one that is longer would come at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Calls `expire` when the time of the next message is over. */
export class Expiry {
  readonly #platform: Pick<Platform, "timers" | "wall">;
  readonly #expire: () => void;
  #plannedFor = Infinity;
  #timer: TimerId | null = null;

  constructor(platform: Pick<Platform, "timers" | "wall">, expire: () => void) {
    this.#platform = platform;
    this.#expire = expire;
  }

  /** The time on the device's clock; Infinity: there is nothing to be done. */
  plan(at: number): void {
    if (at === this.#plannedFor) return;
    if (this.#timer !== null) this.#platform.timers.clear(this.#timer);
    this.#timer = null;
    this.#plannedFor = at;
    if (at === Infinity) return;
    const ms = Math.min(Math.max(0, at - this.#platform.wall()), TIMER_MS_MAX);
    this.#timer = this.#platform.timers.set(() => {
      this.#timer = null;
      // Planned anew by whoever is called, even for the same time: the clock may have been set.
      this.#plannedFor = Infinity;
      this.#expire();
    }, ms);
  }
}
