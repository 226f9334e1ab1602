import { api } from "./api";
import { bounds } from "./types";

/*
 * An attachment goes to the program piece by piece. The file is kept in this browser's IndexedDB until the program has all
 * of it, so that a reload, or a program that was away, goes on where it was.
 */
export interface Upload {
  readonly id: string;
  readonly to: string;
  readonly file: File;
  /** Pieces that the program has, of how many; 0 of 0 before it has answered. */
  readonly done: number;
  readonly pieces: number;
  readonly error: string;
}

interface Kept {
  readonly id: string;
  readonly to: string;
  readonly file: File;
}

const AGAIN_MS = 1500;

export class Uploads {
  #uploads: readonly Upload[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #hand: (id: string, to: string) => Promise<unknown>;
  #isRunning = false;

  /** `hand` says to the program that an upload is whole, in a way that survives. */
  constructor(hand: (id: string, to: string) => Promise<unknown>) {
    this.#hand = hand;
  }

  get all(): readonly Upload[] {
    return this.#uploads;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Takes up what an earlier page load left. */
  async resume(): Promise<void> {
    const found = await table("readonly", (store) => store.getAll() as IDBRequest<Kept[]>).catch(() => []);
    for (const kept of found) this.#add(kept);
    this.#start();
  }

  add(file: File, to: string): string | null {
    if (file.size === 0) return `“${file.name}” is empty.`;
    if (file.size > bounds.fileBytes) return `“${file.name}” is larger than ${bounds.fileBytes / 1024 / 1024} MB.`;
    const kept = { id: newId(), to, file };
    this.#add(kept);
    // Where it can not be kept it is sent all the same, as long as this page is open.
    table("readwrite", (store) => store.put(kept)).catch(() => undefined);
    this.#start();
    return null;
  }

  cancel(id: string): void {
    this.#set(this.#uploads.filter((upload) => upload.id !== id));
    forget(id);
  }

  #add({ id, to, file }: Kept): void {
    if (this.#uploads.some((upload) => upload.id === id)) return;
    this.#set([...this.#uploads, { id, to, file, done: 0, pieces: 0, error: "" }]);
  }

  #set(uploads: readonly Upload[]): void {
    this.#uploads = uploads;
    for (const listener of [...this.#listeners]) listener();
  }

  #change(id: string, part: Partial<Upload>): void {
    this.#set(this.#uploads.map((upload) => (upload.id === id ? { ...upload, ...part } : upload)));
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run().finally(() => {
      this.#isRunning = false;
    });
  }

  async #run(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      try {
        await this.#send(next);
      } catch (error) {
        const code = (error as { code?: unknown }).code;
        const message = error instanceof Error ? error.message : "That did not work.";
        if (code === 0 || code === 12004 || code === 2001) {
          this.#change(next.id, { error: "" });
          await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        } else this.#change(next.id, { error: message });
      }
    }
  }

  #next(): Upload | undefined {
    return this.#uploads.find((upload) => upload.error === "");
  }

  async #send({ id, to, file }: Upload): Promise<void> {
    const whole = await file.arrayBuffer();
    const digest = [...new Uint8Array(await crypto.subtle.digest("SHA-256", whole))]
      .map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const name = [...file.name].slice(-100).join("") || "file";
    const begun = await api.beginUpload(to, { id, name, mime: file.type.slice(0, 100), size: file.size, digest });
    const kept = new Set(begun.kept);
    this.#change(id, { done: kept.size, pieces: begun.pieces });
    for (let number = 0; number < begun.pieces; number += 1) {
      if (kept.has(number)) continue;
      if (!this.#uploads.some((upload) => upload.id === id)) return;
      await api.addPiece(id, number, file.slice(number * begun.piece, (number + 1) * begun.piece));
      kept.add(number);
      this.#change(id, { done: kept.size });
    }
    await this.#hand(id, to);
    this.cancel(id);
  }
}

export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(15));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

function forget(id: string): void {
  table("readwrite", (store) => store.delete(id)).catch(() => undefined);
}

function table<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("holdfast-chat-uploads", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("upload", { keyPath: "id" });
    opening.onerror = () => reject(opening.error ?? new Error("IndexedDB is denied"));
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction("upload", mode);
      const request = work(transaction.objectStore("upload"));
      transaction.oncomplete = () => {
        database.close();
        resolve(request.result);
      };
      transaction.onabort = () => {
        database.close();
        reject(transaction.error ?? new Error("IndexedDB is full"));
      };
    };
  });
}
