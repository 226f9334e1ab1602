import type { KeyStore, Platform, Socket, SocketEvents, StorageChange, Wakeup } from "../src/index";
import { Database } from "./table";

/** Storage as a browser has it, shared by the tabs of one test. */
export class MemoryStorage implements KeyStore {
  readonly items = new Map<string, string>();
  isBroken = false;
  /** Those who are told of changes that they have not made themselves. */
  readonly watchers = new Set<(change: StorageChange, by: unknown) => void>();

  /** The same storage, as one tab has it. */
  seenBy(tab: unknown): KeyStore {
    const change = (key: string, action: () => void): void => {
      const before = this.getItem(key);
      action();
      const after = this.getItem(key);
      if (before !== after) for (const tell of [...this.watchers]) tell({ key, before, after }, tab);
    };
    const items = this.items;
    return {
      get length() {
        return items.size;
      },
      key: (index) => this.key(index),
      getItem: (key) => this.getItem(key),
      setItem: (key, value) => change(key, () => this.setItem(key, value)),
      removeItem: (key) => change(key, () => this.removeItem(key)),
    };
  }

  get length(): number {
    return this.items.size;
  }

  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (this.isBroken) throw new Error("quota");
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}

interface Timer {
  readonly id: number;
  readonly at: number;
  readonly action: () => void;
}

/** Virtual time for all tabs and the server of one test. */
export class World {
  /** For test files that are run once more with it. */
  static hasDatabase = false;
  now = 0;
  #timers: Timer[] = [];
  #lastId = 0;
  #lastByte = 0;
  readonly storage = new MemoryStorage();
  /** Null: its tabs have only `storage`. */
  readonly database: Database | null;
  /** Who accepts connections; a test puts its server here. */
  accept: (protocol: string, events: SocketEvents) => Socket = () => {
    throw new Error("this world has no server");
  };

  constructor({ hasDatabase = World.hasDatabase } = {}) {
    this.database = hasDatabase ? new Database(this) : null;
  }

  readonly timers = {
    set: (action: () => void, delayMs: number): number => {
      this.#lastId += 1;
      this.#timers.push({ id: this.#lastId, at: this.now + Math.max(0, delayMs), action });
      return this.#lastId;
    },
    clear: (id: number): void => {
      this.#timers = this.#timers.filter((timer) => timer.id !== id);
    },
  };

  get timerCount(): number {
    return this.#timers.length;
  }

  /** Lets time pass; promises settle in between. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].sort((a, b) => a.at - b.at || a.id - b.id)[0];
      if (due === undefined || due.at > until) break;
      this.now = due.at;
      this.timers.clear(due.id);
      due.action();
      await settle();
    }
    this.now = until;
  }

  /** What one tab sees. `random` is 0.5: delays are exact. */
  tab(): Tab {
    return new Tab(this);
  }

  bytes(length: number): Uint8Array {
    // Not random, but never the same twice.
    return Uint8Array.from({ length }, (_, index) => {
      this.#lastByte += 1;
      return (this.#lastByte * 7 + index * 31) & 255;
    });
  }
}

export class Tab {
  readonly #listeners = new Set<(wakeup: Wakeup) => void>();
  readonly platform: Platform;

  constructor(world: World) {
    const storage = world.storage.seenBy(this);
    this.platform = {
      timers: world.timers,
      monotonic: () => world.now,
      wall: () => 1_000_000 + world.now,
      random: () => 0.5,
      randomBytes: (length) => world.bytes(length),
      openSocket: (_url, protocol, events) => world.accept(protocol, events),
      storage: () => storage,
      ...(world.database === null ? {} : { openTable: world.database.open.bind(world.database) }),
      watchStorage: (listener) => {
        // Events come a little later than what they tell of.
        const watcher = (change: StorageChange, by: unknown): void => {
          if (by !== this) world.timers.set(() => world.storage.watchers.has(watcher) && listener(change), 1);
        };
        world.storage.watchers.add(watcher);
        return () => world.storage.watchers.delete(watcher);
      },
      listen: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }

  wake(wakeup: Wakeup): void {
    for (const listener of [...this.#listeners]) listener(wakeup);
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}
