import type { Position, Positions, Replays } from "./wire";

/*
 * Where this client is in each channel. An event is applied only if it is the very next one; a
 * repeated one is dropped, and after a gap the channel waits for `synced`: events that come
 * meanwhile are dropped as well, since the answer contains them.
 */

export type Verdict = "apply" | "repeated" | "gap" | "waiting" | "unknown";

interface Place {
  epoch: string;
  offset: number;
  isWaiting: boolean;
}

export class ChannelPositions {
  readonly #places = new Map<string, Place>();

  get channels(): string[] {
    return [...this.#places.keys()];
  }

  /** For `resume` and `sync`. */
  all(): Positions {
    return this.of(this.channels);
  }

  of(channels: readonly string[]): Positions {
    const positions: [string, Position][] = [];
    for (const channel of channels) {
      const place = this.#places.get(channel);
      if (place !== undefined) positions.push([channel, [place.epoch, place.offset]]);
    }
    return Object.fromEntries(positions);
  }

  isWaiting(channel: string): boolean {
    return this.#places.get(channel)?.isWaiting ?? false;
  }

  set(channel: string, epoch: string, offset: number): void {
    this.#places.set(channel, { epoch, offset, isWaiting: false });
  }

  forget(channel: string): void {
    this.#places.delete(channel);
  }

  forgetAll(): void {
    this.#places.clear();
  }

  /** Every channel's events are to be asked for again. */
  wait(channels: readonly string[]): void {
    for (const channel of channels) {
      const place = this.#places.get(channel);
      if (place !== undefined) place.isWaiting = true;
    }
  }

  /** A new connection starts without questions that nobody will answer any more. */
  waitForNothing(): void {
    for (const place of this.#places.values()) place.isWaiting = false;
  }

  /** Judges a live event and moves on if it is to be applied. */
  live(channel: string, offset: number): Verdict {
    const place = this.#places.get(channel);
    if (place === undefined) return "unknown";
    if (place.isWaiting) return "waiting";
    return this.#advance(place, offset);
  }

  /** The same for an event inside `restored` or `synced`, which are what was waited for. */
  replayed(channel: string, offset: number): Verdict {
    const place = this.#places.get(channel);
    return place === undefined ? "unknown" : this.#advance(place, offset);
  }

  /** Channels that we hold and that are not in this answer: the session is no longer in them. */
  missingFrom(replays: Replays, asked: readonly string[]): string[] {
    return asked.filter((channel) => this.#places.has(channel) && !(channel in replays));
  }

  #advance(place: Place, offset: number): Verdict {
    if (offset <= place.offset) return "repeated";
    if (offset > place.offset + 1) return "gap";
    place.offset = offset;
    return "apply";
  }
}
