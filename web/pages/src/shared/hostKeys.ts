import { takeHashKey } from "./seats";
import { readJson, writeJson } from "./store";

const PREFIX = "holdfast-host:";

export function writeHostKey(event: string, key: string): void {
  writeJson(PREFIX + event, key);
}

/** From the personal link, or from before; null: only the cookie knows. */
export function hostKey(event: string): string | null {
  const key = takeHashKey();
  if (key !== null) writeHostKey(event, key);
  const stored = key ?? readJson(PREFIX + event);
  return typeof stored === "string" ? stored : null;
}
