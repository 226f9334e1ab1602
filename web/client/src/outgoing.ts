import type { Board } from "./board";
import type { Effect } from "./effects";
import { HoldfastError, MessageExpiredError } from "./errors";
import { shielded } from "./later";
import type { EndedMessage, PendingMessage } from "./message";
import type { SendOptions, Sending, SessionEvents } from "./options";
import type { Outbox } from "./outbox";
import { withEnded } from "./state";
import { Waiters } from "./waiters";

export interface OutgoingOptions {
  readonly outbox: Outbox;
  readonly board: () => Board;
  readonly events: SessionEvents | undefined;
  readonly wall: () => number;
  /** Sends what may be sent. */
  readonly flush: () => void;
}

/** The user's side of the outbox: gives promises for messages, and tells what became of them. */
export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #waiters = new Waiters();

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  send(body: unknown, { ttlMs = null }: SendOptions): Sending {
    const { outbox, flush } = this.#options;
    let [id, kept]: [string | null, Promise<boolean>] = [null, Promise.resolve(false)];
    const answer = new Promise((resolve, reject) => {
      // What `add` throws rejects this promise: nothing was kept then.
      id = outbox.add(body, ttlMs).id;
      this.#waiters.add(id, { resolve, reject });
      kept = outbox.whenKept(id);
      flush();
    });
    return Object.assign(answer, { id, kept });
  }

  withdraw(id: string): boolean {
    const isDone = this.#options.outbox.withdraw(id);
    if (isDone) this.#waiters.settle(id, undefined);
    return isDone;
  }

  /** What the machine has found out about one of them. */
  learn(effect: Extract<Effect, { do: "settled" | "vanished" | "expired" | "refused" }>): void {
    const { message } = effect;
    switch (effect.do) {
      case "settled": {
        const { outcome } = effect;
        this.#ended(message, "delivered", outcome?.kind === "error" ? new HoldfastError(outcome.error) : null);
        if (this.#waiters.settle(message.id, outcome) || outcome === undefined) return;
        const { events } = this.#options;
        return shielded(() => events?.onReply?.(message.stream, message.seq, outcome, message.body));
      }
      case "vanished":
        // How it ended is known to the tab that brought it there.
        this.#waiters.settle(message.id, undefined);
        return;
      case "expired":
        return this.#failed(message, "expired", new MessageExpiredError());
      case "refused":
        return this.#failed(message, "failed", new HoldfastError(effect.error));
    }
  }

  discardAll(reason: HoldfastError): void {
    const { outbox } = this.#options;
    for (const message of outbox.messages) {
      outbox.discard(message.id);
      this.#failed(message, "failed", reason);
    }
    this.rejectAll(reason);
  }

  /** The messages stay; but in this page load nobody will hear of them. */
  rejectAll(reason: HoldfastError): void {
    this.#waiters.rejectAll(reason);
  }

  #failed(message: PendingMessage, state: "expired" | "failed", error: HoldfastError): void {
    this.#ended(message, state, error);
    this.#waiters.reject(message.id, error);
  }

  #ended({ id, body }: PendingMessage, state: EndedMessage["state"], error: HoldfastError | null): void {
    const { board, events, wall } = this.#options;
    const ended = { id, body, state, error, endedAt: wall() };
    board().change(withEnded(board().next, ended));
    shielded(() => events?.onEnded?.(ended));
  }
}
