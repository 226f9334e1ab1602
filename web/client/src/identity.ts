import { chooseCredentials } from "./credentials";
import type { Credentials, CredentialStore } from "./credentials";

/** Remembers between two attempts what the last one taught about our credentials. */
export class Identity {
  readonly #store: CredentialStore;
  #rejected: Credentials | null = null;
  #prefersStored = false;
  #rejections = 0;

  constructor(store: CredentialStore) {
    this.#store = store;
  }

  get isKnown(): boolean {
    return this.#store.read() !== null;
  }

  /** What to come back with, given what this page load was using; null means a new session. */
  choose(mine: Credentials | null): Credentials | null {
    return chooseCredentials({
      stored: this.#store.read(), mine, rejected: this.#rejected, prefersStored: this.#prefersStored,
    });
  }

  /** The user cleared the browser's storage while we hold a session that is still good. */
  wasCleared(mine: Credentials | null): boolean {
    return mine !== null && this.#rejected === null && !this.isKnown;
  }

  /** The server has let us in with these: store them. */
  accepted(credentials: Credentials): void {
    this.#rejected = null;
    this.#prefersStored = false;
    this.#rejections = 0;
    this.#store.write(credentials);
  }

  /** The server calls these wrong or expired. Returns how often in a row that was. */
  rejected(tried: Credentials | null): number {
    this.#rejected = tried;
    this.#rejections += 1;
    return this.#rejections;
  }

  forget(credentials: Credentials | null): void {
    const gone = credentials ?? this.#store.read();
    if (gone !== null) this.#store.forget(gone);
  }

  /** The user wants the session back, even if another tab has begun a new one. */
  preferStored(): void {
    this.#prefersStored = true;
  }
}
