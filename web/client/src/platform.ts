import { openIndexed } from "./indexed";

/*
 * What the client takes from outside, in one value: time, chance, sockets, storage and the news
 * that the page or its network came back. Tests give their own; browsers use `browserPlatform`.
 */

export type TimerId = number;

export interface Timers {
  set(action: () => void, delayMs: number): TimerId;
  clear(id: TimerId): void;
}

/** One WebSocket, reduced to what is needed. No callback is called after `close()`. */
export interface Socket {
  send(text: string): void;
  close(): void;
}

export interface SocketEvents {
  opened(): void;
  received(text: string): void;
  closed(): void;
}

/** The part of `Storage` that is used; each call may throw (private mode, quota). */
export type KeyStore = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

/** Texts by key in a database of the browser. Each call may reject, and may hang. */
export interface Table {
  /** All rows whose key begins with `prefix`. Sees every write that was begun before. */
  read(prefix: string): Promise<ReadonlyMap<string, string>>;
  /** Puts these texts, and removes what is null, all or nothing; resolves when it is on the disk. */
  write(changes: ReadonlyMap<string, string | null>): Promise<void>;
  close(): void;
}

export interface StorageChange {
  readonly key: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** `restored` is `pageshow` out of the back/forward cache, which closes sockets silently. */
export type Wakeup = "online" | "offline" | "visible" | "restored";

export interface Platform {
  readonly timers: Timers;
  /** Milliseconds that never jump; only differences mean something. */
  monotonic(): number;
  /** Milliseconds since 1970 by the device's clock. */
  wall(): number;
  /** From 0 to just below 1, for jitter. */
  random(): number;
  /** Unpredictable bytes, for names that nobody may guess or repeat. */
  randomBytes(length: number): Uint8Array;
  openSocket(url: string, protocol: string, events: SocketEvents): Socket;
  /** Null when the browser has none or denies it. */
  storage(): KeyStore | null;
  /**
   * Opens the table for messages; without it they stay in `storage`. Rejects when it is refused.
   * `lost` is called if it is of no use any more later.
   */
  openTable?(lost: () => void): Promise<Table>;
  /** Tells of what other tabs change in `storage`, until the returned function is called. */
  watchStorage?(listener: (change: StorageChange) => void): () => void;
  /** Calls `listener` on each wake-up until the returned function is called. */
  listen(listener: (wakeup: Wakeup) => void): () => void;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A random name of 16 characters (96 bits), as the protocol wants for streams. */
export function randomName(platform: Pick<Platform, "randomBytes">): string {
  return Array.from(platform.randomBytes(16), (byte) => ALPHABET.charAt(byte & 63)).join("");
}

/** The browser's own. Safe to build where there is no window: listening then does nothing. */
export function browserPlatform(): Platform {
  return {
    timers: {
      set: (action, delayMs) => globalThis.setTimeout(action, delayMs) as unknown as TimerId,
      clear: (id) => globalThis.clearTimeout(id),
    },
    monotonic: () => performance.now(),
    wall: () => Date.now(),
    random: () => Math.random(),
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    openSocket: openWebSocket,
    storage: () => {
      try {
        return globalThis.localStorage ?? null;
      } catch {
        // Reading the property itself throws when the user blocked site data.
        return null;
      }
    },
    openTable: (lost) => {
      try {
        // Null or undefined where there is none; reading it throws where site data are blocked.
        const factory = globalThis.indexedDB as IDBFactory | null | undefined;
        return factory == null ? Promise.reject(new Error("No IndexedDB.")) : openIndexed(factory, lost);
      } catch (error) {
        return Promise.reject(error instanceof Error ? error : new Error("No IndexedDB."));
      }
    },
    watchStorage: watchLocalStorage,
    listen: listenToPage,
  };
}

function openWebSocket(url: string, protocol: string, events: SocketEvents): Socket {
  const socket = new WebSocket(url, protocol);
  let isOver = false;
  socket.onopen = () => events.opened();
  socket.onmessage = (message: MessageEvent<unknown>) => {
    if (typeof message.data === "string") events.received(message.data);
  };
  socket.onclose = () => {
    if (!isOver) events.closed();
    isOver = true;
  };
  return {
    send: (text) => {
      // A socket that is closing drops what it is given; the outbox still has it.
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: () => {
      isOver = true;
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    },
  };
}

function watchLocalStorage(listener: (change: StorageChange) => void): () => void {
  if (typeof window === "undefined") return () => undefined;
  const changed = ({ key, oldValue, newValue }: StorageEvent): void => {
    // Without a key all was cleared, which is not the removal of a message.
    if (key !== null) listener({ key, before: oldValue, after: newValue });
  };
  window.addEventListener("storage", changed);
  return () => window.removeEventListener("storage", changed);
}

function listenToPage(listener: (wakeup: Wakeup) => void): () => void {
  if (typeof window === "undefined") return () => undefined;
  const online = (): void => listener("online");
  const offline = (): void => listener("offline");
  const pageshow = (): void => listener("restored");
  const visibility = (): void => {
    if (document.visibilityState === "visible") listener("visible");
  };
  window.addEventListener("online", online);
  window.addEventListener("offline", offline);
  window.addEventListener("pageshow", pageshow);
  document.addEventListener("visibilitychange", visibility);
  return () => {
    window.removeEventListener("online", online);
    window.removeEventListener("offline", offline);
    window.removeEventListener("pageshow", pageshow);
    document.removeEventListener("visibilitychange", visibility);
  };
}
