import type { TimerId, Timers } from "./platform";

/** Things to be done some time later, unless all of them are called off before. */
export class Later {
  readonly #timers: Timers;
  readonly #running = new Set<TimerId>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  add(delayMs: number, action: () => void): void {
    const timer = this.#timers.set(() => {
      this.#running.delete(timer);
      action();
    }, delayMs);
    this.#running.add(timer);
  }

  clear(): void {
    for (const timer of this.#running) this.#timers.clear(timer);
    this.#running.clear();
  }
}

/** What the application's own functions throw is reported, but does not stop us. */
export function shielded(action: () => void): void {
  try {
    action();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
