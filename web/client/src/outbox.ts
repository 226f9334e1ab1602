import { codes } from "./codes";
import { HoldfastError, OutboxFullError } from "./errors";
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

export interface PendingMessage {
  /** Stays the same while stream and number may change. */
  readonly id: string;
  readonly stream: string;
  readonly seq: number;
  readonly body: unknown;
  /** Handed to a live connection at least once: it may have been handled, so it stays as it is. */
  readonly wasSent: boolean;
  /** Left by an earlier page load or another tab. */
  readonly isInherited: boolean;
}

export const OUTBOX_MESSAGES_MAX = 100;
export const OUTBOX_BYTES_MAX = 256 * 1024;
/** The server takes frames of 64 KiB; the rest is room for the envelope. */
export const MESSAGE_BYTES_MAX = 63 * 1024;

interface Entry {
  readonly id: string;
  readonly body: unknown;
  readonly bytes: number;
  readonly at: number;
  readonly isInherited: boolean;
  stream: string;
  seq: number;
  wasSent: boolean;
}

export class Outbox {
  readonly #store: SafeStore;
  readonly #prefix: string;
  readonly #newStream: () => string;
  readonly #wall: () => number;
  /** In the order of their numbers within each stream. */
  #entries: Entry[] = [];
  #stream: string;
  #lastSeq = 0;
  #lastId = 0;

  constructor(options: { store: SafeStore; name: string; newStream: () => string; wall: () => number }) {
    this.#store = options.store;
    this.#prefix = `holdfast:${options.name}:out:`;
    this.#newStream = options.newStream;
    this.#wall = options.wall;
    this.#stream = this.#newStream();
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
    return this.#inOrder().map(publicView);
  }

  /** Streams of other page loads with messages left, oldest first. */
  get inheritedStreams(): string[] {
    const others = this.#inOrder().filter((entry) => entry.stream !== this.#stream);
    return [...new Set(others.map((entry) => entry.stream))];
  }

  of(stream: string): readonly PendingMessage[] {
    return this.#entries.filter((entry) => entry.stream === stream).map(publicView);
  }

  find(stream: string, seq: number): PendingMessage | null {
    const entry = this.#entries.find((each) => each.stream === stream && each.seq === seq);
    return entry === undefined ? null : publicView(entry);
  }

  /** Keeps one message at the end of the own stream; throws OutboxFullError at the bounds. */
  add(body: unknown): PendingMessage {
    const bytes = sizeOf(body);
    if (this.#entries.length >= OUTBOX_MESSAGES_MAX) {
      throw new OutboxFullError(`${OUTBOX_MESSAGES_MAX} messages`);
    }
    if (this.#bytes() + bytes > OUTBOX_BYTES_MAX) throw new OutboxFullError(`${OUTBOX_BYTES_MAX} bytes`);
    this.#lastSeq += 1;
    this.#lastId += 1;
    const entry: Entry = {
      id: `${this.#stream}.${this.#lastId}`, body: copyOf(body), bytes, at: this.#wall(),
      isInherited: false, stream: this.#stream, seq: this.#lastSeq, wasSent: false,
    };
    this.#entries.push(entry);
    this.#save(entry);
    return publicView(entry);
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
      this.#store.remove(this.#key(later));
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
    if (this.#bytes() - entry.bytes + bytes > OUTBOX_BYTES_MAX) {
      throw new OutboxFullError(`${OUTBOX_BYTES_MAX} bytes`);
    }
    const changed: Entry = { ...entry, body: copyOf(body), bytes };
    this.#entries[this.#entries.indexOf(entry)] = changed;
    this.#save(changed);
    return true;
  }

  /** Takes up what other page loads have stored since. */
  inherit(): void {
    for (const key of this.#store.keysFrom(this.#prefix)) {
      const entry = this.#load(key);
      if (entry === null || entry.stream === this.#stream) continue;
      if (this.#byId(entry.id) === undefined) this.#entries.push(entry);
    }
    this.#sort();
  }

  /**
   * Takes over what other tabs have done to shared messages since: returns and forgets those that
   * they brought to an end or gave a number of their own.
   */
  takeVanished(): readonly PendingMessage[] {
    const stored = new Map<string, Entry>();
    for (const key of this.#store.keysFrom(this.#prefix)) {
      const entry = this.#load(key);
      if (entry !== null) stored.set(entry.id, entry);
    }
    const vanished = this.#entries.filter((entry) => stored.get(entry.id)?.stream !== entry.stream);
    this.#entries = this.#entries
      .filter((entry) => !vanished.includes(entry))
      .map((entry) => ({ ...entry, ...stored.get(entry.id), isInherited: entry.isInherited }));
    this.#sort();
    return vanished.map(publicView);
  }

  /** Stores everything again, after the user has cleared the browser's storage under us. */
  saveAll(): void {
    for (const entry of this.#entries) this.#save(entry);
  }

  /** Begins a fresh stream; what `moves` selects gets new numbers in it, in its old order. */
  renew(moves: (message: PendingMessage) => boolean): void {
    const moving = this.#inOrder().filter((entry) => moves(publicView(entry)));
    this.#stream = this.#newStream();
    this.#lastSeq = 0;
    for (const entry of moving) {
      this.#store.remove(this.#key(entry));
      this.#lastSeq += 1;
      entry.stream = this.#stream;
      entry.seq = this.#lastSeq;
      this.#save(entry);
    }
    this.#sort();
  }

  /** The entry, if neither we nor an heir in another tab has sent it. */
  #unsent(id: string): Entry | null {
    const entry = this.#byId(id);
    if (entry === undefined || entry.wasSent) return null;
    return this.#load(this.#key(entry))?.wasSent === false ? entry : null;
  }

  #byId(id: string): Entry | undefined {
    return this.#entries.find((entry) => entry.id === id);
  }

  #inOrder(): Entry[] {
    const own = (entry: Entry): number => (entry.stream === this.#stream ? 1 : 0);
    return [...this.#entries].sort((a, b) => own(a) - own(b));
  }

  #sort(): void {
    const bornAt = new Map<string, number>();
    for (const { stream, at } of this.#entries) {
      bornAt.set(stream, Math.min(at, bornAt.get(stream) ?? Infinity));
    }
    const born = (entry: Entry): number => bornAt.get(entry.stream) ?? 0;
    this.#entries.sort((a, b) =>
      a.stream === b.stream ? a.seq - b.seq : born(a) - born(b) || (a.stream < b.stream ? -1 : 1));
  }

  #bytes(): number {
    return this.#entries.reduce((sum, entry) => sum + entry.bytes, 0);
  }

  #drop(entry: Entry): void {
    this.#entries = this.#entries.filter((each) => each !== entry);
    this.#store.remove(this.#key(entry));
  }

  #key({ stream, seq }: Entry): string {
    return `${this.#prefix}${stream}:${seq}`;
  }

  #save({ id, body, at, wasSent, ...rest }: Entry): void {
    this.#store.set(this.#key({ id, body, at, wasSent, ...rest }), JSON.stringify({ id, body, at, wasSent }));
  }

  #load(key: string): Entry | null {
    const match = /^([A-Za-z0-9_-]{8,32}):([1-9]\d{0,14})$/.exec(key.slice(this.#prefix.length));
    const text = this.#store.get(key);
    const [stream, seq] = [match?.[1], Number(match?.[2])];
    if (stream === undefined || text === null) return null;
    try {
      const { id, body, at, wasSent } = JSON.parse(text) as Record<string, unknown>;
      if (typeof id !== "string" || typeof at !== "number" || typeof wasSent !== "boolean") return null;
      return { id, body, at, wasSent, stream, seq, bytes: sizeOf(body), isInherited: true };
    } catch {
      // Damaged by hand or by another program: not ours to send.
      return null;
    }
  }
}

function publicView({ id, stream, seq, body, wasSent, isInherited }: Entry): PendingMessage {
  return { id, stream, seq, body, wasSent, isInherited };
}

function copyOf(body: unknown): unknown {
  return JSON.parse(JSON.stringify(body)) as unknown;
}

function sizeOf(body: unknown): number {
  const json: unknown = JSON.stringify(body);
  if (typeof json !== "string") throw new TypeError("A message must be a JSON value.");
  const bytes = new TextEncoder().encode(json).length;
  if (bytes > MESSAGE_BYTES_MAX) {
    throw new HoldfastError({
      code: codes.FRAME_TOO_LARGE, name: "FRAME_TOO_LARGE",
      message: `The message was not kept: it has ${bytes} bytes, and ${MESSAGE_BYTES_MAX} are allowed.`,
    });
  }
  return bytes;
}
