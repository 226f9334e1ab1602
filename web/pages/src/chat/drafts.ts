import { keysFrom, readJson, removeKey, writeJson } from "../shared/store";

const PREFIX = "holdfast-draft:";
const DRAFTS_MAX = 100;

/** What was half written, by conversation; it survives a reload. */
export function draftOf(talk: string): string {
  const value = readJson(PREFIX + talk);
  return typeof value === "string" ? value : "";
}

export function keepDraft(talk: string, text: string): void {
  if (text === "") return removeKey(PREFIX + talk);
  const others = keysFrom(PREFIX);
  if (others.length >= DRAFTS_MAX && others[0] !== undefined) removeKey(others[0]);
  writeJson(PREFIX + talk, text);
}
