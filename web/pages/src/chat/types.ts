/** Where a message of ours stands; what came is `received`. `waiting`: this page has it, the program not yet. */
export type LineState =
  | "waiting" | "uploading" | "queued" | "at_gateway" | "delivered" | "read" | "expired" | "failed" | "received";

export interface FileInfo {
  readonly id: string;
  readonly name: string;
  readonly mime: string;
  readonly size: number;
  readonly pieces: number;
  /** Pieces that are at their receiver; null: not counted. */
  readonly there: number | null;
}

export interface Line {
  readonly id: string;
  /** Its place in the history; grows. */
  readonly number: number;
  /** A contact's id, empty when it is ours. */
  readonly from: string;
  readonly text: string;
  /** Null: an attachment whose announcement can not be read. */
  readonly file?: FileInfo | null;
  readonly sent: number;
  readonly received: number;
  readonly state: LineState;
  readonly error: string;
}

export interface FoundLine extends Line {
  readonly in: string;
}

export interface LastLine {
  readonly id: string;
  readonly from: string;
  readonly text: string;
  /** It is an attachment; the text is its name. */
  readonly file: boolean;
  readonly at: number;
  readonly state: LineState;
}

interface TalkBase {
  readonly id: string;
  readonly identity: string;
  readonly name: string;
  readonly unread: number;
  readonly last: LastLine | null;
  readonly revision: number;
}

export interface Contact extends TalkBase {
  readonly kind: "contact";
  /** The name that he gave himself. */
  readonly told: string;
  readonly state: "invited" | "joining" | "ready";
  readonly verified: boolean;
  readonly reads: boolean;
}

export interface Room extends TalkBase {
  readonly kind: "room";
  /** Empty: we opened it. */
  readonly owner: string;
  readonly members: readonly string[];
  readonly open: boolean;
}

export type Talk = Contact | Room;

export interface Identity {
  readonly id: string;
  readonly name: string;
  readonly shown: string;
  readonly fingerprint: string;
}

export interface Gateway {
  readonly name: string;
  readonly state: string;
  readonly grade: string;
  readonly score: number;
  readonly usual_ms: number | null;
  readonly breaker: string;
  readonly ours: boolean;
  /** Minutes since a test envelope came back through it. */
  readonly proven: number | null;
  readonly deposits: number;
  readonly failures: number;
  /** Why it is not connected, such as that Tor's proxy is not there; empty when it is. */
  readonly trouble: string;
}

export interface Queue {
  readonly waiting: number;
  readonly by_priority: Readonly<Record<string, number>>;
  readonly at_gateway: number;
  /** Things that no gateway has taken, though it was tried several times. */
  readonly failing: number;
  /** When the next attempt is made, on the program's clock. */
  readonly next: number | null;
  readonly oldest: number | null;
}

/** What all pages see of the node. */
export interface Board {
  /** Another one means another board. */
  readonly revision: number;
  readonly me: readonly Identity[];
  readonly hidden: Readonly<Record<string, string>>;
  readonly roster: Readonly<Record<string, Talk>>;
  readonly gateways: readonly Gateway[];
  readonly queue: Queue;
  readonly errors: { readonly total: number; readonly by: Readonly<Record<string, number>> };
  readonly plain: { readonly on: boolean; readonly reason: string };
  readonly mode: string;
  readonly demo: boolean;
}

export interface NotedError {
  readonly at: number;
  readonly category: string;
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly recovered: boolean;
}

/** What a page says to the program. */
export type Wish =
  | { readonly do: "say"; readonly id: string; readonly to: string; readonly text: string }
  | { readonly do: "hand"; readonly id: string; readonly to: string }
  | { readonly do: "read"; readonly to: string; readonly through: number };

export const bounds = { text: 8000, name: 60, fileBytes: 8 * 1024 * 1024, pictureBytes: 2 * 1024 * 1024 } as const;
