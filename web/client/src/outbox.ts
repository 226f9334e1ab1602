import { boundsOf, sizeOf } from "./bounds";
import { OutboxFullError } from "./errors";
import { Keeper } from "./keeper";
import { byStream, copyOf, entryFrom, keyOf, ownLast, publicView, textOf } from "./message";
import type { Entry, PendingMessage } from "./message";
import type { Platform } from "./platform";
import type { SafeStore } from "./store";

/*
 * Messages that the server has not acknowledged. Each is stored under its stream and number, so
 * that a later page load of this browser finds what an earlier one left (it *inherits* those
 * streams), and two tabs, which have different streams, never write the same key.
 *
 * The numbers of one stream are without holes, and messages are sent in their order. So what was
 * never sent is always at the end of its stream, and taking one out may close the hole.
 *
 * A number belongs to one session of the server. `renew` gives messages new numbers in a fresh
 * stream when the server cannot know the old ones.
 */

/** Messages of other page loads are dropped later than by these: both would close the same holes. */
const HEIR_MS = 1_000;

export interface OutboxOptions {
  readonly store: SafeStore;
  readonly name: string;
  readonly newStream: () => string;
  readonly wall: () => number;
  /** Left out: all is kept in `store`. */
  readonly platform?: Pick<Platform, "timers" | "openTable" | "watchStorage">;
  /** Something has changed by itself. `hasInherited`: messages of other page loads were found. */
  readonly changed?: (hasInherited: boolean) => void;
}

export class Outbox {
  readonly #keeper: Keeper;
  readonly #prefix: string;
  readonly #newStream: () => string;
  readonly #wall: () => number;
  /** In the order of their numbers within each stream. */
  #entries: Entry[] = [];
  #stream: string;
  #lastSeq = 0;
  #lastId = 0;
  /** Who wants to know whether a message is kept, by its id. */
  readonly #watchers = new Map<string, (isKept: boolean) => void>();

  constructor({ store, name, newStream, wall, platform, changed = () => undefined }: OutboxOptions) {
    this.#prefix = `holdfast:${name}:out:`;
    this.#newStream = newStream;
    this.#wall = wall;
    this.#stream = this.#newStream();
    this.#keeper = new Keeper({
      store, prefix: this.#prefix, platform: platform ?? null,
      loaded: () => changed(this.inherit()),
      written: () => {
        this.#review();
        changed(false);
      },
    });
    this.inherit();
  }

  /** This page load's own stream. */
  get stream(): string {
    return this.#stream;
  }

  /** The number of the last message added to the own stream; 0 when there was none. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Inherited ones first, in the order in which they will be sent. */
  get messages(): readonly PendingMessage[] {
    return ownLast(this.#entries, this.#stream).map(publicView);
  }

  /** Streams of other page loads with messages left, oldest first. */
  get inheritedStreams(): string[] {
    const others = this.#entries.filter((entry) => entry.stream !== this.#stream);
    return [...new Set(others.map((entry) => entry.stream))];
  }

  /** When `expire` has something to do. */
  get nextExpiryAt(): number {
    return this.#entries.reduce((first, entry) => Math.min(first, this.#dueAt(entry, false)), Infinity);
  }

  of(stream: string): readonly PendingMessage[] {
    return this.#entries.filter((entry) => entry.stream === stream).map(publicView);
  }

  find(stream: string, seq: number): PendingMessage | null {
    const entry = this.#entries.find((each) => each.stream === stream && each.seq === seq);
    return entry === undefined ? null : publicView(entry);
  }

  /** Looks at what other tabs have done; `inherit` and `takeVanished` go by it. Never rejects. */
  refresh(): Promise<void> {
    return this.#keeper.refresh();
  }

  /** Follows other tabs from now on; returns how to stop. */
  watch(): () => void {
    return this.#keeper.watch();
  }

  /** Keeps one message at the end of the own stream; throws OutboxFullError at the bounds. */
  add(body: unknown, ttlMs: number | null = null): PendingMessage {
    const bytes = sizeOf(body);
    const { messages } = boundsOf(this.#keeper.isRoomy);
    if (this.#entries.length >= messages) throw new OutboxFullError(`${messages} messages`);
    this.#makeRoom(bytes);
    this.#lastSeq += 1;
    this.#lastId += 1;
    const at = this.#wall();
    const entry: Entry = {
      id: `${this.#stream}.${this.#lastId}`, body: copyOf(body), bytes, at,
      expiresAt: ttlMs === null ? null : at + ttlMs,
      isInherited: false, stream: this.#stream, seq: this.#lastSeq, wasSent: false, isKept: null,
    };
    this.#entries.push(entry);
    this.#save(entry);
    entry.isKept = this.#keeper.isKept(this.#key(entry));
    return publicView(entry);
  }

  /** Whether the message survives the end of this page, as soon as that is known. */
  whenKept(id: string): Promise<boolean> {
    const isKept = this.#byId(id)?.isKept;
    // What is not there any more has been delivered, or nobody wants it.
    if (isKept !== null) return Promise.resolve(isKept ?? true);
    return new Promise((resolve) => this.#watchers.set(id, resolve));
  }

  /** Says that a message was handed to a connection; from now on it cannot be changed. */
  markSent(id: string): void {
    const entry = this.#byId(id);
    if (entry === undefined || entry.wasSent) return;
    entry.wasSent = true;
    this.#save(entry);
  }

  /** Forgets everything of a stream up to a number and returns it. */
  settle(stream: string, upTo: number): readonly PendingMessage[] {
    const settled = this.#entries.filter((entry) => entry.stream === stream && entry.seq <= upTo);
    for (const entry of settled) this.#drop(entry);
    return settled.map(publicView);
  }

  /** Forgets one message that the server has refused for good, or that nobody wants any more. */
  discard(id: string): void {
    const entry = this.#byId(id);
    if (entry !== undefined) this.#drop(entry);
  }

  /** Takes a message back that was never sent. False: too late, or unknown. */
  withdraw(id: string): boolean {
    const entry = this.#unsent(id);
    if (entry === null) return false;
    this.#drop(entry);
    for (const later of this.#entries.filter((e) => e.stream === entry.stream && e.seq > entry.seq)) {
      this.#keeper.remove(this.#key(later));
      later.seq -= 1;
      this.#save(later);
    }
    if (entry.stream === this.#stream) this.#lastSeq -= 1;
    return true;
  }

  /** Puts another body into a message that was never sent. False: too late, or unknown. */
  replace(id: string, body: unknown): boolean {
    const entry = this.#unsent(id);
    if (entry === null) return false;
    const bytes = sizeOf(body);
    this.#makeRoom(bytes - entry.bytes);
    const changed: Entry = { ...entry, body: copyOf(body), bytes };
    this.#entries[this.#entries.indexOf(entry)] = changed;
    this.#save(changed);
    changed.isKept = this.#keeper.isKept(this.#key(changed));
    return true;
  }

  /** Takes out what was never sent and whose time is over. `isAlone`: no other tab is at work. */
  expire(isAlone: boolean): readonly PendingMessage[] {
    const now = this.#wall();
    return this.#entries.filter((entry) => this.#dueAt(entry, isAlone) <= now).filter((entry) => {
      const isDone = this.withdraw(entry.id);
      // Another tab has sent or dropped it, and the next opening tells which: not ours to drop.
      if (!isDone) entry.wasSent = true;
      return isDone;
    }).map(publicView);
  }

  /** Takes up what other page loads have stored since; says whether there was anything. */
  inherit(): boolean {
    const before = this.#entries.length;
    const known = new Set(this.#entries.map(({ id }) => id));
    this.#entries.push(...this.#stored().filter(({ id, stream }) => stream !== this.#stream && !known.has(id)));
    this.#entries = byStream(this.#entries);
    return this.#entries.length > before;
  }

  /**
   * Takes over what other tabs have done to shared messages since: returns and forgets those that
   * they brought to an end or gave a number of their own.
   */
  takeVanished(): readonly PendingMessage[] {
    const stored = new Map(this.#stored().map((entry) => [entry.id, entry]));
    const vanished = this.#entries.filter((entry) => stored.get(entry.id)?.stream !== entry.stream);
    const left = this.#entries.filter((entry) => !vanished.includes(entry)).map((entry) =>
      ({ ...entry, ...stored.get(entry.id), isInherited: entry.isInherited, isKept: entry.isKept }));
    this.#entries = byStream(left);
    this.#review();
    return vanished.map(publicView);
  }

  /** Stores everything again, after the user has cleared the browser's storage under us. */
  saveAll(): void {
    for (const entry of this.#entries) this.#save(entry);
  }

  /** Begins a fresh stream; what `moves` selects gets new numbers in it, in its old order. */
  renew(moves: (message: PendingMessage) => boolean): void {
    const moving = ownLast(this.#entries, this.#stream).filter((entry) => moves(publicView(entry)));
    this.#stream = this.#newStream();
    this.#lastSeq = 0;
    for (const entry of moving) {
      this.#keeper.remove(this.#key(entry));
      this.#lastSeq += 1;
      entry.stream = this.#stream;
      entry.seq = this.#lastSeq;
      this.#save(entry);
    }
    this.#entries = byStream(this.#entries);
  }

  /** The entry, if neither we nor an heir in another tab has sent it. */
  #unsent(id: string): Entry | null {
    const entry = this.#byId(id);
    if (entry === undefined || entry.wasSent) return null;
    const stored = this.#load(this.#key(entry));
    return stored?.id === id && !stored.wasSent ? entry : null;
  }

  #dueAt({ wasSent, expiresAt, stream }: Entry, isAlone: boolean): number {
    if (wasSent || expiresAt === null) return Infinity;
    return expiresAt + (isAlone || stream === this.#stream ? 0 : HEIR_MS);
  }

  #byId(id: string): Entry | undefined {
    return this.#entries.find((entry) => entry.id === id);
  }

  #makeRoom(more: number): void {
    const { bytes } = boundsOf(this.#keeper.isRoomy);
    const used = this.#entries.reduce((sum, entry) => sum + entry.bytes, 0);
    if (more > 0 && used + more > bytes) throw new OutboxFullError(`${bytes} bytes`);
  }

  /** Learns what became of what was being written, and tells those who asked. */
  #review(): void {
    for (const entry of this.#entries) {
      if (entry.isKept !== true) entry.isKept = this.#keeper.isKept(this.#key(entry));
    }
    for (const [id, resolve] of this.#watchers) {
      const isKept = this.#byId(id)?.isKept;
      if (isKept === null) continue;
      this.#watchers.delete(id);
      resolve(isKept ?? true);
    }
  }

  #drop(entry: Entry): void {
    this.#entries = this.#entries.filter((each) => each !== entry);
    this.#keeper.remove(this.#key(entry));
    this.#watchers.get(entry.id)?.(true);
    this.#watchers.delete(entry.id);
  }

  #key(entry: Entry): string {
    return this.#prefix + keyOf(entry);
  }

  #save(entry: Entry): void {
    this.#keeper.set(this.#key(entry), textOf(entry));
  }

  #stored(): Entry[] {
    return this.#keeper.keys().map((key) => this.#load(key)).filter((entry) => entry !== null);
  }

  #load(key: string): Entry | null {
    const text = this.#keeper.get(key);
    return text === null ? null : entryFrom(key.slice(this.#prefix.length), text);
  }
}
