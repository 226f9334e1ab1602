import type { Platform, StorageChange, Table, TimerId, Timers } from "./platform";
import type { SafeStore } from "./store";

/*
 * Texts by key, in three places:
 *
 *   memory        at once; this is what is read
 *   localStorage  within the same turn: the *log*. It survives a tab that is killed right after
 *                 the user's tap, which no asynchronous database can promise
 *   IndexedDB     a moment later, one transaction for all of a turn: the *table*. It has room, and
 *                 it is on the disk when it says so, while browsers write localStorage out some
 *                 seconds later. What it has is then taken out of the log
 *
 * In the log an empty text means that the key is gone from the table as soon as it can be. So what
 * holds is the log over the table, for every tab; what a killed tab leaves in the log is moved by
 * the next page load, and so is what an earlier version kept there. Tabs tell each other of changes
 * by the log's `storage` events, and look into the table again before they use it (`refresh`).
 *
 * Where there is no table, or none any more, the log is all there is, and nothing is taken out.
 */

const GONE = "";
const OPENING_MS_MAX = 2_000;
const READING_MS_MAX = 2_000;
/** A slow disk may take its time; a database that hangs (a known fault of browsers) takes for ever. */
const WRITING_MS_MAX = 10_000;

type Changes = Map<string, string | null>;

export interface KeeperOptions {
  readonly store: SafeStore;
  readonly prefix: string;
  /** Null: there is no table. */
  readonly platform: Pick<Platform, "timers" | "openTable" | "watchStorage"> | null;
  /** The table is there for the first time, or again; keys may have come with it. */
  readonly loaded: () => void;
  /** `isKept` may have become something else. */
  readonly written: () => void;
}

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #platform: KeeperOptions["platform"];
  readonly #store: SafeStore;
  #table: Table | null = null;
  /** While it is being opened; resolves when that is over, or has taken too long to wait for it. */
  #opening: Promise<void> | null = null;
  /** It took too long; it may come after all. */
  #isLate = false;
  #mayReopen = false;
  /** Which connection to the table is meant: news of an earlier one are told apart by it. */
  #generation = 0;
  /** What the table holds, as far as it is known here. */
  #saved = new Map<string, string>();
  /** To be written with the next transaction, and what the running one writes. */
  #next: Changes = new Map();
  #running: Changes | null = null;
  /** Of `#next`: was refused once, and waits for something else to change. */
  readonly #refused = new Set<string>();
  #isFlushPlanned = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#platform = options.platform;
    this.#store = options.store;
    this.#open();
  }

  /** Whether there is more room than localStorage has. */
  get isRoomy(): boolean {
    return this.#table !== null || (this.#opening !== null && !this.#isLate);
  }

  get(key: string): string | null {
    const logged = this.#store.get(key);
    if (logged !== null) return logged === GONE ? null : logged;
    for (const changes of [this.#next, this.#running]) {
      const change = changes?.get(key);
      if (change !== undefined) return change;
    }
    return this.#saved.get(key) ?? null;
  }

  keys(): string[] {
    const known = [
      ...this.#saved.keys(), ...(this.#running?.keys() ?? []), ...this.#next.keys(),
      ...this.#store.keysFrom(this.#options.prefix),
    ];
    return [...new Set(known)].filter((key) => this.get(key) !== null);
  }

  set(key: string, text: string): void {
    this.#store.set(key, text);
    this.#change(key, text);
  }

  remove(key: string): void {
    // Removed first: a full storage may refuse even the empty text.
    this.#store.remove(key);
    this.#store.set(key, GONE);
    if (this.isRoomy || this.#saved.has(key)) return this.#change(key, null);
    // There is nothing to be undone in the table. The empty text was for the other tabs; left
    // there, such texts would become ever more where no database ever opens.
    this.#next.delete(key);
    this.#store.remove(key);
  }

  /** Whether this text survives the end of the page; null while it is being written. */
  isKept(key: string): boolean | null {
    const isWriting = this.#next.has(key) || this.#running?.has(key) === true;
    if (isWriting && this.isRoomy && !this.#refused.has(key)) return null;
    return this.#saved.get(key) === this.get(key) || this.#store.isDurable(key);
  }

  /** Looks at what other tabs have done. Never rejects, and takes two seconds at most. */
  async refresh(): Promise<void> {
    if (this.#mayReopen) this.#open();
    if (this.#opening !== null) return this.#opening;
    const [table, platform] = [this.#table, this.#platform];
    if (table === null || platform === null) return;
    try {
      const reading = attempt(() => table.read(this.#options.prefix));
      const rows = await within(platform.timers, READING_MS_MAX, reading);
      if (table === this.#table) this.#saved = new Map(rows);
    } catch {
      if (table === this.#table) this.#lose();
    }
  }

  /** Follows what other tabs do; returns how to stop. */
  watch(): () => void {
    return this.#platform?.watchStorage?.((change) => this.#changedElsewhere(change)) ?? (() => undefined);
  }

  #open(): void {
    const platform = this.#platform;
    const isAgain = this.#mayReopen;
    this.#mayReopen = false;
    if (platform?.openTable === undefined) return;
    this.#generation += 1;
    const generation = this.#generation;
    const ifCurrent = (action: () => void): void => {
      if (generation === this.#generation) action();
    };
    const opening = platform.openTable(() => ifCurrent(() => this.#lose(true))).then(async (table) => {
      const rows = await table.read(this.#options.prefix);
      ifCurrent(() => this.#loaded(table, rows, isAgain));
    }).catch(() => ifCurrent(() => this.#lose()));
    // One that comes late is taken up then; but nobody waits for it any longer.
    this.#isLate = false;
    this.#opening = within(platform.timers, OPENING_MS_MAX, opening).catch(() => ifCurrent(() => this.#late()));
  }

  #late(): void {
    this.#isLate = true;
    for (const [key, change] of [...this.#next]) if (change === null) this.remove(key);
    this.#options.written();
  }

  #loaded(table: Table, rows: ReadonlyMap<string, string>, isAgain: boolean): void {
    const before = this.#saved;
    this.#table = table;
    this.#opening = null;
    this.#saved = new Map(rows);
    for (const key of this.#store.keysFrom(this.#options.prefix)) {
      if (!this.#next.has(key)) this.#next.set(key, unlogged(this.#store.get(key)));
    }
    if (isAgain) {
      // It was cleared under us. Whether another tab has settled one of these meanwhile cannot be
      // known; sent again, the server recognizes it.
      for (const [key, text] of before) if (this.get(key) === null && !this.#next.has(key)) this.set(key, text);
    }
    this.#options.loaded();
    this.#flush();
  }

  #change(key: string, change: string | null): void {
    if (this.#table === null && this.#opening === null) return;
    this.#next.set(key, change);
    this.#refused.delete(key);
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    void Promise.resolve().then(() => {
      this.#isFlushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    const [table, platform] = [this.#table, this.#platform];
    if (table === null || platform === null || this.#running !== null || this.#next.size === 0) return;
    const changes: Changes = new Map();
    // After a refusal removals go first and alone: they make the room that the others need.
    const isRemoving = this.#refused.size > 0 && [...this.#next.values()].includes(null);
    for (const [key, change] of this.#next) {
      // What another tab has logged since is newer. This is read, and the transaction begun, in one
      // turn, so that transactions come in the order of the log.
      const logged = this.#store.get(key);
      const latest = logged === null ? change : unlogged(logged);
      if (isRemoving && latest !== null) continue;
      changes.set(key, latest);
    }
    if (changes.size === 0) return;
    for (const key of changes.keys()) this.#next.delete(key);
    this.#running = changes;
    within(platform.timers, WRITING_MS_MAX, attempt(() => table.write(changes))).then(
      () => this.#wrote(table, changes),
      (error: unknown) => this.#failed(table, changes, error),
    );
  }

  #wrote(table: Table, changes: Changes): void {
    if (table !== this.#table) return;
    this.#running = null;
    for (const [key, change] of changes) {
      this.#refused.delete(key);
      if (change === null) this.#saved.delete(key);
      else this.#saved.set(key, change);
      // Unless it has changed since, here or in another tab.
      if (this.#store.get(key) === (change ?? GONE)) this.#store.remove(key);
    }
    this.#options.written();
    this.#flush();
  }

  #failed(table: Table, changes: Changes, error: unknown): void {
    if (table !== this.#table) return;
    const hasPuts = [...changes.values()].some((change) => change !== null);
    if (!hasPuts || (error as { name?: unknown } | null)?.name !== "QuotaExceededError") return this.#lose();
    this.#running = null;
    for (const [key, change] of changes) {
      // What came meanwhile is newer, and nobody has refused it yet: a removal never is.
      if (this.#next.has(key)) continue;
      this.#next.set(key, change);
      if (change !== null) this.#refused.add(key);
    }
    this.#options.written();
    // The same once more would be refused once more.
    if ([...this.#next.keys()].some((key) => !this.#refused.has(key))) this.#flush();
  }

  /** From now on the log is all there is. */
  #lose(mayReopen = false): void {
    const [table, running, next] = [this.#table, this.#running, this.#next];
    for (const [key, change] of [...(running ?? []), ...next]) {
      if (change === null) {
        const mayBeInTable = this.#saved.has(key) || running?.has(key) === true;
        if (!mayBeInTable && this.#store.get(key) === GONE) this.#store.remove(key);
      } else if (this.#store.get(key) === null && (next.get(key) ?? change) === change) {
        // Another tab had taken it out of the log, for a table that we no longer see.
        this.#store.set(key, change);
      }
    }
    this.#generation += 1;
    this.#table = this.#opening = this.#running = null;
    this.#mayReopen = mayReopen;
    this.#next = new Map();
    this.#refused.clear();
    table?.close();
    this.#options.written();
  }

  #changedElsewhere({ key, before, after }: StorageChange): void {
    if (!key.startsWith(this.#options.prefix) || this.#table === null) return;
    // Taken out of the log: the table has it now.
    const now = after ?? before;
    if (now === GONE) this.#saved.delete(key);
    else if (now !== null) this.#saved.set(key, now);
  }
}

class TooSlowError extends Error {}

function unlogged(text: string | null): string | null {
  return text === GONE ? null : text;
}

/** A call that throws instead of rejecting, as those of a closed database do. */
function attempt<T>(action: () => Promise<T>): Promise<T> {
  return new Promise((resolve) => resolve(action()));
}

/** The promise's outcome, or TooSlowError after that time. */
function within<T>(timers: Timers, ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer: TimerId = timers.set(() => reject(new TooSlowError()), ms);
    promise.then(resolve, reject).finally(() => timers.clear(timer));
  });
}
