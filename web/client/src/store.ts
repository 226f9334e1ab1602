import type { KeyStore } from "./platform";

/**
 * The browser's storage, made harmless: what it refuses to keep (private mode, quota) is kept in
 * memory, so that the page goes on working until it is closed.
 */
export class SafeStore {
  readonly #durable: KeyStore | null;
  readonly #memory = new Map<string, string>();

  constructor(durable: KeyStore | null) {
    this.#durable = durable;
  }

  get(key: string): string | null {
    const inMemory = this.#memory.get(key);
    if (inMemory !== undefined) return inMemory;
    return this.#attempt((durable) => durable.getItem(key)) ?? null;
  }

  /** Whether the value survives a reload of the page. */
  set(key: string, value: string): boolean {
    const isDurable = this.#attempt((durable) => {
      durable.setItem(key, value);
      return true;
    });
    if (isDurable === true) this.#memory.delete(key);
    else this.#memory.set(key, value);
    return isDurable === true;
  }

  /** Whether it has a value that survives a reload of the page. */
  isDurable(key: string): boolean {
    return !this.#memory.has(key) && this.#attempt((durable) => durable.getItem(key)) != null;
  }

  remove(key: string): void {
    this.#memory.delete(key);
    this.#attempt((durable) => durable.removeItem(key));
  }

  keysFrom(prefix: string): string[] {
    const keys = new Set([...this.#memory.keys()].filter((key) => key.startsWith(prefix)));
    this.#attempt((durable) => {
      for (let index = 0; index < durable.length; index += 1) {
        const key = durable.key(index);
        if (key?.startsWith(prefix) === true) keys.add(key);
      }
    });
    return [...keys];
  }

  #attempt<T>(action: (durable: KeyStore) => T): T | undefined {
    if (this.#durable === null) return undefined;
    try {
      return action(this.#durable);
    } catch {
      return undefined;
    }
  }
}
