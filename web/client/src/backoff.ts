/**
 * When to try next: milliseconds to wait, given how many attempts this outage has already had and
 * how long it has lasted, or null to give up.
 */
export interface Schedule {
  (attempt: number, elapsedMs: number): number | null;
  /** Attempts planned within this first part of an outage are not shown to the user as attempts. */
  readonly quietMs?: number;
}

export interface ExponentialOptions {
  /** Attempts before giving up. */
  readonly maxAttempts?: number;
  /** Milliseconds before the first attempt. */
  readonly initialDelay?: number;
  /** Upper bound of a delay in milliseconds, before jitter. */
  readonly maxDelay?: number;
  readonly backoffMultiplier?: number;
  /** Spread each delay by ±25 %, so that clients of one outage do not all return at once. */
  readonly jitter?: boolean;
  readonly random?: () => number;
}

// A wider spread would grow a tail of half a minute, and would make the countdown on screen a lie.
const JITTER_SHARE = 0.25;

/** Spreads a delay over ±25 %; a `random` of 0.5 leaves it as it is. */
export function withJitter(delayMs: number, random: () => number): number {
  return delayMs * (1 - JITTER_SHARE + 2 * JITTER_SHARE * random());
}

/** 1, 2, 4, 8, 16, 30, 30 … seconds by default, ten attempts. */
export function exponentialSchedule(options: ExponentialOptions = {}): Schedule {
  const {
    maxAttempts = 10, initialDelay = 1_000, maxDelay = 30_000, backoffMultiplier = 2,
    jitter = true, random = Math.random,
  } = options;
  return (attempt) => {
    if (attempt >= maxAttempts) return null;
    const delay = Math.min(maxDelay, initialDelay * backoffMultiplier ** attempt);
    return jitter ? withJitter(delay, random) : delay;
  };
}

const QUICK_PHASE_MS = 60_000;
const QUICK_FIRST_MS = 500;
const QUICK_GROWTH = 1.6;
const QUICK_DELAY_MAX_MS = 3_000;
const SLOW_DELAY_MS = 30_000;
const SLOW_ATTEMPTS_MAX = 10;

/**
 * For people who wait in front of the screen: at once (0 to 250 ms), then every half to three
 * seconds for a minute, then up to ten times half a minute apart. Gives up by time, so that slow
 * attempts do not stretch the wait.
 */
export function quickSchedule(options: { readonly random?: () => number } = {}): Schedule {
  const random = options.random ?? Math.random;
  const schedule = (attempt: number, elapsedMs: number): number | null => {
    if (elapsedMs < QUICK_PHASE_MS) {
      if (attempt === 0) return random() * 250;
      const delay = Math.min(QUICK_DELAY_MAX_MS, QUICK_FIRST_MS * QUICK_GROWTH ** (attempt - 1));
      return withJitter(delay, random);
    }
    // One attempt in the first quarter of each half minute, so that jitter cannot add an eleventh.
    const slot = Math.floor((elapsedMs - QUICK_PHASE_MS) / SLOW_DELAY_MS) + 1;
    if (slot > SLOW_ATTEMPTS_MAX) return null;
    const startsAt = QUICK_PHASE_MS + slot * SLOW_DELAY_MS;
    return startsAt - elapsedMs + random() * JITTER_SHARE * SLOW_DELAY_MS;
  };
  return Object.assign(schedule, { quietMs: QUICK_PHASE_MS });
}
