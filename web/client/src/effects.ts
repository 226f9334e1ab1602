import type { Credentials } from "./credentials";
import type { ErrorShape } from "./errors";
import type { PendingMessage } from "./message";
import type { ClientFrame, Reply } from "./wire";

/** What a message came to: the application's answer, or undefined when there was none. */
export type Outcome = Reply["result"] | undefined;

/** What the machine wants done, in this order. */
export type Effect =
  | { readonly do: "transmit"; readonly frame: ClientFrame }
  /** Store these before the `confirm` that follows. */
  | { readonly do: "keep"; readonly credentials: Credentials }
  | { readonly do: "forget"; readonly credentials: Credentials }
  | { readonly do: "opened"; readonly isRestored: boolean; readonly now: number; readonly pingMs: number; readonly graceMs: number }
  | { readonly do: "snapshot"; readonly channel: string; readonly data: unknown; readonly reset: "epoch" | "gap" | null }
  | { readonly do: "event"; readonly channel: string; readonly offset: number; readonly data: unknown }
  | { readonly do: "left"; readonly channel: string }
  /** Committed; `outcome` is the answer if one was seen. */
  | { readonly do: "settled"; readonly message: PendingMessage; readonly outcome: Outcome }
  /** Another tab has brought it to its end, or has taken it over. */
  | { readonly do: "vanished"; readonly message: PendingMessage }
  /** Its time was over before it was ever sent. */
  | { readonly do: "expired"; readonly message: PendingMessage }
  /** Will never be handled. */
  | { readonly do: "refused"; readonly message: PendingMessage; readonly error: ErrorShape }
  /** Call `resend` after this time. */
  | { readonly do: "resend_later"; readonly afterMs: number }
  | { readonly do: "heartbeat" }
  | { readonly do: "pong"; readonly n: number; readonly now: number }
  | { readonly do: "notice"; readonly error: ErrorShape }
  /** This connection is over. `next` says what the client does: see `machine.ts`. */
  | { readonly do: "close"; readonly next: "reread" | "retry" | "replaced" | "ended"; readonly error: ErrorShape; readonly retryAfterMs: number };
