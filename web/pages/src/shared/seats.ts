import { isRecord, keysFrom, readJson, removeKey, writeJson } from "./store";

/** This browser's place in an event. Without `seat` the server has not confirmed it yet. */
export interface SeatRecord {
  /** Null: only the cookie knows the key. */
  readonly key: string | null;
  readonly event: string | null;
  readonly seat: string | null;
  readonly name: string | null;
}

const PREFIX = "holdfast-seat:";
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => ALPHABET.charAt(byte & 63)).join("");
}

export function isKey(text: string): boolean {
  return /^[A-Za-z0-9_-]{16,64}$/.test(text);
}

export function readSeat(code: string): SeatRecord | null {
  const value = readJson(PREFIX + code);
  if (!isRecord(value)) return null;
  const text = (name: string): string | null => (typeof value[name] === "string" ? value[name] : null);
  return { key: text("key"), event: text("event"), seat: text("seat"), name: text("name") };
}

export function writeSeat(code: string, record: SeatRecord): void {
  writeJson(PREFIX + code, record);
}

export function forgetSeat(code: string): void {
  removeKey(PREFIX + code);
}

export function seatCodes(): readonly string[] {
  return keysFrom(PREFIX).map((key) => key.slice(PREFIX.length));
}

/** The key for joining under `name`: the one that this device has for it, so that a repeat is harmless. */
export function keyFor(record: SeatRecord | null, name: string): string {
  const isSame = record?.key != null && (record.name === null || sameName(record.name, name));
  return isSame && record.key !== null ? record.key : newKey();
}

export function sameName(one: string, other: string): boolean {
  const folded = (name: string): string => name.normalize("NFKC").toLowerCase().trim().replace(/\s+/gu, " ");
  return folded(one) === folded(other);
}

/** A personal link that is opened over the page it leads to changes nothing but the hash: then the page begins anew. */
export function followPersonalLinks(): void {
  window.addEventListener("hashchange", () => {
    if (location.hash.startsWith("#key=")) location.reload();
  });
}

/** Takes `#key=…` out of the address, so that it is neither shown nor bookmarked. */
export function takeHashKey(): string | null {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key === null || !isKey(key)) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return key;
}
