import type { Notice } from "./link";

/** What became of a line that was written here. */
export type Fate = "sending" | "sent" | "queued" | "failed";

export interface Line {
  readonly id: string;
  /** The channel, or ``user@mud`` of a tell. */
  readonly talk: string;
  readonly from: string;
  readonly mud: string;
  readonly text: string;
  readonly isGesture: boolean;
  readonly isMine: boolean;
  readonly at: number;
  readonly fate?: Fate;
  /** What the gateway calls it, once it has taken it. */
  readonly messageId?: string;
  readonly trouble?: string;
}

export const LINES_MAX = 500;

/** Names of people on MUDs: their case does not matter. */
export function talkOf(user: string, mud: string): string {
  return `${user.toLowerCase()}@${mud}`;
}

export function parseTalk(talk: string): { readonly user: string; readonly mud: string } | null {
  const at = talk.indexOf("@");
  return at < 0 ? null : { user: talk.slice(0, at), mud: talk.slice(at + 1) };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Makes a line of an event; null when it is none, or is for somebody else here. */
export function lineOf({ method, params }: Notice, me: string, mud: string): Line | null {
  const from = text(params["visname"]) || text(params["from_user"]);
  const { line_id: place } = params;
  const base = {
    id: typeof place === "number" && place > 0 ? `line-${String(place)}` : `event-${String(params["event_id"])}`, from, mud: text(params["from_mud"]), text: text(params["message"]),
    at: Date.parse(text(params["timestamp"])) || Date.now(),
  };
  switch (method) {
    case "channel_message":
    case "channel_emote": {
      const isMine = base.mud === mud && text(params["from_user"]) === me.toLowerCase();
      return { ...base, talk: text(params["channel"]), isGesture: method === "channel_emote", isMine };
    }
    case "tell_received":
    case "emoteto_received":
      if (text(params["to_user"]).toLowerCase() !== me.toLowerCase()) return null;
      return {
        ...base, talk: talkOf(text(params["from_user"]), base.mud), isGesture: method === "emoteto_received", isMine: false,
      };
    default:
      return null;
  }
}

/** Puts a line where it belongs; one that is there already is not shown again. */
export function withLine(lines: readonly Line[], line: Line): readonly Line[] {
  if (lines.some((each) => each.id === line.id)) return lines;
  // One's own line on a channel comes back as an event: it is the one that was written here.
  const mine = line.isMine ? lines.findIndex((each) => isSame(each, line)) : -1;
  if (mine >= 0) return lines.map((each, place) => (place === mine ? { ...each, id: line.id, fate: "sent" } : each));
  return [...lines, line].slice(-LINES_MAX);
}

function isSame(each: Line, line: Line): boolean {
  if (!each.isMine || each.fate === undefined || each.id.startsWith("line-") || each.talk !== line.talk) return false;
  return each.isGesture ? line.text.endsWith(each.text) : each.text === line.text;
}

const KEPT = "holdfast-bridge-tells";

/** Tells are nowhere else: this tab keeps them over a reload. */
export function keepTells(lines: readonly Line[]): void {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(lines.filter((line) => parseTalk(line.talk) !== null)));
  } catch {
    // Denied or full: they are shown until the tab is closed.
  }
}

export function keptTells(): readonly Line[] {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "[]") as Line[];
  } catch {
    return [];
  }
}
