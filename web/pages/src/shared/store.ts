/* Storage that may be denied or full: reading gives null then, and writing does nothing. */
type Area = "localStorage" | "sessionStorage";

export function readJson(key: string, area: Area = "localStorage"): unknown {
  try {
    const text = globalThis[area].getItem(key);
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

export function writeJson(key: string, value: unknown, area: Area = "localStorage"): void {
  try {
    globalThis[area].setItem(key, JSON.stringify(value));
  } catch {
    // Denied or full: cookies and the server still know.
  }
}

export function removeKey(key: string): void {
  try {
    globalThis.localStorage.removeItem(key);
  } catch {
    // As above.
  }
}

export function keysFrom(prefix: string): readonly string[] {
  try {
    return Object.keys(globalThis.localStorage).filter((key) => key.startsWith(prefix));
  } catch {
    return [];
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
