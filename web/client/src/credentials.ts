import type { SafeStore } from "./store";

/** What a client needs to come back to its session. */
export interface Credentials {
  readonly session: string;
  readonly token: string;
}

/** The stored credentials of one session name, shared by all tabs of this browser. */
export class CredentialStore {
  readonly #store: SafeStore;
  readonly #key: string;

  constructor(store: SafeStore, name: string) {
    this.#store = store;
    this.#key = `holdfast:${name}`;
  }

  read(): Credentials | null {
    const text = this.#store.get(this.#key);
    if (text === null) return null;
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value !== "object" || value === null) return null;
      const { session, token } = value as Partial<Record<keyof Credentials, unknown>>;
      return typeof session === "string" && typeof token === "string" ? { session, token } : null;
    } catch {
      return null;
    }
  }

  write(credentials: Credentials): void {
    this.#store.set(this.#key, JSON.stringify(credentials));
  }

  /** Removes these credentials, but never newer ones that another tab has stored meanwhile. */
  forget(credentials: Credentials): void {
    const stored = this.read();
    if (stored?.session === credentials.session && stored.token === credentials.token) {
      this.#store.remove(this.#key);
    }
  }
}

/** Which credentials to come back with; null means a new session. */
export function chooseCredentials(known: {
  readonly stored: Credentials | null;
  /** Of the session that this page load was in. */
  readonly mine: Credentials | null;
  /** What the server has just called expired or wrong. */
  readonly rejected: Credentials | null;
  /** The user asked for the session back, whichever it is by now. */
  readonly prefersStored: boolean;
}): Credentials | null {
  const { stored, mine, rejected, prefersStored } = known;
  if (rejected !== null) return stored?.token === rejected.token ? null : stored;
  // Within one session storage wins: another tab may have a newer token. But a tab that has opened
  // a session of its own does not pull this one over.
  if (mine === null || stored?.session === mine.session) return stored;
  return prefersStored ? stored ?? mine : mine;
}
