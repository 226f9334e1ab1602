import type { Schedule } from "./backoff";
import type { HoldfastError } from "./errors";
import type { EndedMessage } from "./message";
import type { Reduce } from "./patch";
import type { Platform } from "./platform";
import type { Reply } from "./wire";

export interface SessionOptions {
  /** `ws:` or `wss:` address of the hub. */
  readonly url: string;
  /** Under this name the session is kept in this browser; tabs with the same name share it. */
  readonly name: string;
  /** What the application asks for to open a session; called for each `hello`. */
  readonly auth: () => unknown;
  readonly schedule?: Schedule;
  readonly reduce?: Reduce;
  readonly events?: SessionEvents;
  readonly platform?: Platform;
}

export interface SendOptions {
  /** Dropped if it was not sent until then, in milliseconds; one that was sent stays. */
  readonly ttlMs?: number | null;
}

/** The promise of an answer, and before that of the message's safety. */
export interface Sending extends Promise<unknown> {
  /** Null when the message was not accepted. */
  readonly id: string | null;
  /**
   * Whether the message survives the end of this page; known some milliseconds later. False: it
   * stays in memory, or was not accepted at all.
   */
  readonly kept: Promise<boolean>;
}

export interface SessionEvents {
  /** An answer to a message of an earlier page load; there is no promise to give it to. */
  readonly onReply?: (stream: string, seq: number, reply: Reply["result"], body: unknown) => void;
  /** A message was delivered, has expired or failed. */
  readonly onEnded?: (message: EndedMessage) => void;
  /** A live or replayed event, after it was reduced into `state.channels`. */
  readonly onEvent?: (channel: string, data: unknown, offset: number) => void;
  /** The server refused something that was not a message. */
  readonly onNotice?: (error: HoldfastError) => void;
}
