import type { Table } from "../src/index";
import type { World } from "./world";

/*
 * A database as the browser has it, shared by the tabs of one test: each operation takes 2 ms of
 * the world's time, and operations are done one after the other, as overlapping transactions are.
 *
 * Recipes
 *   database.refusal = error    opening rejects
 *   database.isHanging = true   nothing is answered any more, also what was asked before
 *   database.rowsMax = 3        puts beyond so many rows are refused as over quota
 *   database.clear()            as "clear site data": rows are gone, connections are told
 */

type Row = readonly [string, string];

export class Database {
  readonly rows = new Map<string, string>();
  /** The changes of each transaction that was committed. */
  readonly commits: Record<string, string | null>[] = [];
  refusal: Error | null = null;
  isHanging = false;
  rowsMax = Infinity;
  opens = 0;
  #connections: (() => void)[] = [];
  #freeAt = 0;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async open(lost: () => void): Promise<Table> {
    this.opens += 1;
    await this.#turn(() => {
      if (this.refusal !== null) throw this.refusal;
    });
    this.#connections.push(lost);
    let isClosed = false;
    const whenOpen = <T>(action: () => T): Promise<T> => {
      if (isClosed) throw new DOMException("closed", "InvalidStateError");
      return this.#turn(action);
    };
    return {
      read: (prefix) => whenOpen(() => new Map([...this.rows].filter(([key]: Row) => key.startsWith(prefix)))),
      write: (changes) => whenOpen(() => this.#commit(changes)),
      close: () => {
        isClosed = true;
        this.#connections = this.#connections.filter((each) => each !== lost);
      },
    };
  }

  clear(): void {
    this.rows.clear();
    for (const lost of this.#connections.splice(0)) lost();
  }

  #commit(changes: ReadonlyMap<string, string | null>): void {
    const after = new Map(this.rows);
    for (const [key, value] of changes) {
      if (value === null) after.delete(key);
      else after.set(key, value);
    }
    // What a transaction removes makes room only after it, as on a disk.
    const added = [...changes].filter(([key, value]) => value !== null && !this.rows.has(key)).length;
    if (added > 0 && this.rows.size + added > this.rowsMax) throw new DOMException("full", "QuotaExceededError");
    this.rows.clear();
    for (const [key, value] of after) this.rows.set(key, value);
    this.commits.push(Object.fromEntries(changes));
  }

  #turn<T>(action: () => T): Promise<T> {
    this.#freeAt = Math.max(this.#world.now, this.#freeAt) + 2;
    return new Promise((resolve, reject) => {
      this.#world.timers.set(() => {
        if (this.isHanging) return;
        try {
          resolve(action());
        } catch (error) {
          reject(error as Error);
        }
      }, this.#freeAt - this.#world.now);
    });
  }
}
