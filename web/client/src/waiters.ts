import { HoldfastError } from "./errors";
import type { Outcome } from "./effects";

interface Waiter {
  readonly resolve: (data: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The promises of `send`, by message id. */
export class Waiters {
  readonly #waiters = new Map<string, Waiter>();

  add(id: string, waiter: Waiter): void {
    this.#waiters.set(id, waiter);
  }

  /** False: nobody waits for this message. */
  settle(id: string, outcome: Outcome): boolean {
    const waiter = this.#take(id);
    if (outcome?.kind === "error") waiter?.reject(new HoldfastError(outcome.error));
    else waiter?.resolve(outcome?.data);
    return waiter !== undefined;
  }

  reject(id: string, error: HoldfastError): void {
    this.#take(id)?.reject(error);
  }

  rejectAll(error: HoldfastError): void {
    for (const id of [...this.#waiters.keys()]) this.reject(id, error);
  }

  #take(id: string): Waiter | undefined {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    return waiter;
  }
}
