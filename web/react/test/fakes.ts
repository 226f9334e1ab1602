import type { Platform, Wakeup } from "../../client/src/index";

/** Vitest's fake timers, chance in the middle, and wake-ups on demand. */
export function fakePlatform(): { platform: Platform; wake: (wakeup: Wakeup) => void } {
  const listeners = new Set<(wakeup: Wakeup) => void>();
  const platform: Platform = {
    timers: {
      set: (action, delayMs) => setTimeout(action, delayMs) as unknown as number,
      clear: (id) => clearTimeout(id),
    },
    monotonic: () => performance.now(),
    wall: () => Date.now(),
    random: () => 0.5,
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    openSocket: () => {
      throw new Error("no network here");
    },
    storage: () => null,
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return { platform, wake: (wakeup) => listeners.forEach((listener) => listener(wakeup)) };
}
