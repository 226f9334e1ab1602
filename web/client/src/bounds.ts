import { codes } from "./codes";
import { HoldfastError } from "./errors";

/** The server takes frames of 64 KiB; the rest is room for the envelope. */
export const MESSAGE_BYTES_MAX = 63 * 1024;
export const OUTBOX_MESSAGES_MAX = 1_000;
export const OUTBOX_BYTES_MAX = 4 * 1024 * 1024;
/** Where there is only localStorage: others of this origin need their part of it. */
export const NARROW_MESSAGES_MAX = 100;
export const NARROW_BYTES_MAX = 256 * 1024;

export interface Bounds {
  readonly messages: number;
  readonly bytes: number;
}

export function boundsOf(isRoomy: boolean): Bounds {
  return isRoomy
    ? { messages: OUTBOX_MESSAGES_MAX, bytes: OUTBOX_BYTES_MAX }
    : { messages: NARROW_MESSAGES_MAX, bytes: NARROW_BYTES_MAX };
}

/** The bytes of a message on the wire; throws when it cannot be one. */
export function sizeOf(body: unknown): number {
  const json: unknown = JSON.stringify(body);
  if (typeof json !== "string") throw new TypeError("A message must be a JSON value.");
  const bytes = new TextEncoder().encode(json).length;
  if (bytes > MESSAGE_BYTES_MAX) {
    throw new HoldfastError({
      code: codes.FRAME_TOO_LARGE, name: "FRAME_TOO_LARGE",
      message: `The message was not kept: it has ${bytes} bytes, and ${MESSAGE_BYTES_MAX} are allowed.`,
    });
  }
  return bytes;
}
