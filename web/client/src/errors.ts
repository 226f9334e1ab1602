import { codes } from "./codes";

/** What an error looks like on the wire, in a `bye`, an `error` frame or a reply. */
export interface ErrorShape {
  readonly code: number;
  readonly name: string;
  readonly message: string;
  readonly retryAfter?: number | null;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Something was refused, by the server or by this client. `code` is what a program decides by. */
export class HoldfastError extends Error {
  readonly code: number;
  /** Seconds until it makes sense to try again, or null when the server did not say. */
  readonly retryAfter: number | null;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(shape: ErrorShape) {
    super(shape.message);
    this.name = shape.name;
    this.code = shape.code;
    this.retryAfter = shape.retryAfter ?? null;
    this.details = shape.details ?? {};
  }
}

/** The outbox is at one of its bounds; the message was not accepted and nothing was stored. */
export class OutboxFullError extends HoldfastError {
  constructor(bound: string) {
    super({
      code: codes.OUTBOX_FULL,
      name: "OUTBOX_FULL",
      message: `The message was not kept: the outbox already holds ${bound} that the server has not acknowledged.`,
    });
  }
}

/** The message's time was over before it could be sent. Nothing of it was done. */
export class MessageExpiredError extends HoldfastError {
  constructor() {
    super({
      code: codes.DELIVERY_FAILED,
      name: "DELIVERY_FAILED",
      message: "The message was dropped: its time was over before it could be sent.",
      details: { state: "expired" },
    });
  }
}

/** The user left the session; the server may or may not have handled the message. */
export class SessionLeftError extends HoldfastError {
  constructor() {
    super({
      code: codes.SESSION_ENDED,
      name: "SESSION_ENDED",
      message: "The session was left before the server acknowledged this message.",
    });
  }
}
