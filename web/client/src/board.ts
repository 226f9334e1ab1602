import type { SessionState } from "./state";

/**
 * The state that is shown, and those who look at it. Changes are collected and shown as one: while
 * something is being done (`during`), nobody sees a half of it.
 */
export class Board {
  #shown: SessionState;
  #next: SessionState;
  readonly #listeners = new Set<() => void>();
  readonly #complete: (next: SessionState) => SessionState;
  #depth = 0;

  /** `complete` fills in what follows from elsewhere, each time before the state is shown. */
  constructor(initial: SessionState, complete: (next: SessionState) => SessionState) {
    this.#shown = this.#next = initial;
    this.#complete = complete;
  }

  get shown(): SessionState {
    return this.#shown;
  }

  /** Like `shown`, with the changes that are not shown yet. */
  get next(): SessionState {
    return this.#next;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  change(part: Partial<SessionState>): void {
    this.#next = { ...this.#next, ...part };
  }

  changeChannel(channel: string, data: unknown): void {
    this.change({ channels: { ...this.#next.channels, [channel]: data } });
  }

  removeChannel(channel: string): void {
    const rest = Object.entries(this.#next.channels).filter(([name]) => name !== channel);
    this.change({ channels: Object.fromEntries(rest) });
  }

  during<T>(action: () => T): T {
    this.#depth += 1;
    try {
      return action();
    } finally {
      this.#depth -= 1;
      this.show();
    }
  }

  show(): void {
    if (this.#depth > 0) return;
    this.#next = this.#complete(this.#next);
    if (isSame(this.#shown, this.#next)) return;
    this.#shown = this.#next;
    for (const listener of [...this.#listeners]) listener();
  }
}

function isSame(a: SessionState, b: SessionState): boolean {
  return (Object.keys(b) as (keyof SessionState)[]).every((key) => a[key] === b[key]);
}
