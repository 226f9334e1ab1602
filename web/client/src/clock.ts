/*
 * The server's clock, as seen from here. A sample is one ping: with the send and the arrival at
 * hand, the server's time belongs somewhere in between, so a short round trip bounds the error
 * well. The best of the last samples counts. Local time is the monotonic one: a device whose
 * clock is set meanwhile does not move the quiz.
 */

interface Sample {
  /** Server time minus local monotonic time. */
  readonly offset: number;
  readonly rtt: number;
}

const SAMPLES_MAX = 8;
const UNANSWERED_MAX = 16;
/** Two samples that disagree by more than their round trips explain: one clock was moved. */
const TOLERANCE_MS = 20;

export class ServerClock {
  readonly #monotonic: () => number;
  readonly #wall: () => number;
  readonly #sentAt = new Map<number, number>();
  #samples: Sample[] = [];
  #lastPing = 0;

  constructor(local: { monotonic: () => number; wall: () => number }) {
    this.#monotonic = local.monotonic;
    this.#wall = local.wall;
  }

  /** The server's time in milliseconds; the device's own as long as nothing is known. */
  now(): number {
    const best = this.#best();
    return best === null ? this.#wall() : this.#monotonic() + best.offset;
  }

  /** Round trip of the best sample in milliseconds, or null. */
  get rtt(): number | null {
    return this.#best()?.rtt ?? null;
  }

  /** The number for a ping that is being sent right now. */
  ping(): number {
    this.#lastPing += 1;
    this.#sentAt.set(this.#lastPing, this.#monotonic());
    for (const n of this.#sentAt.keys()) if (n <= this.#lastPing - UNANSWERED_MAX) this.#sentAt.delete(n);
    return this.#lastPing;
  }

  /** The answer to one of our pings. */
  pong(n: number, serverNow: number): void {
    const sentAt = this.#sentAt.get(n);
    this.#sentAt.delete(n);
    if (sentAt !== undefined) this.learn(sentAt, serverNow);
  }

  /** The server said that it was `serverNow` somewhere between `sentAt` and this moment. */
  learn(sentAt: number, serverNow: number): void {
    const receivedAt = this.#monotonic();
    const sample = { offset: serverNow - (sentAt + receivedAt) / 2, rtt: receivedAt - sentAt };
    const agrees = (old: Sample): boolean =>
      Math.abs(old.offset - sample.offset) <= (old.rtt + sample.rtt) / 2 + TOLERANCE_MS;
    this.#samples = [...this.#samples.filter(agrees), sample].slice(-SAMPLES_MAX);
  }

  #best(): Sample | null {
    let best: Sample | null = null;
    for (const sample of this.#samples) if (best === null || sample.rtt < best.rtt) best = sample;
    return best;
  }
}
