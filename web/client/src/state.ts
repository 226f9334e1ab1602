import type { HoldfastError } from "./errors";
import type { MachinePhase } from "./machine";
import type { EndedMessage, PendingMessage } from "./message";
import type { ReconnectionState } from "./reconnection";

/**
 * `connecting`: the first attempt of this page load. `replaced`: the session is used elsewhere,
 * `takeBack` brings it here. `ended`: stopped, left or refused; `error` says why, if refused.
 */
export type SessionStatus = "connecting" | "open" | "reconnecting" | "given_up" | "replaced" | "ended";

/** All that a page shows of a session. Never changed: each change makes a new one. */
export interface SessionState {
  readonly status: SessionStatus;
  /** Attempts of this outage, without the quick ones that a schedule makes silently. */
  readonly attempt: number;
  /** On the device's clock (`Date.now`); null when nothing is planned. */
  readonly nextAttemptAt: number | null;
  /** Since when there is no connection, on the device's clock; null when there is one. */
  readonly lostAt: number | null;
  /** The server is reached and asked for the session; it has not answered yet. */
  readonly isRestoring: boolean;
  /** The last thing that the server said no to. */
  readonly error: HoldfastError | null;
  /** By channel: its snapshot with all events applied. Kept while the connection is away. */
  readonly channels: Readonly<Record<string, unknown>>;
  /** Number of messages that the server has not acknowledged. */
  readonly pending: number;
  /** Those messages, in the order in which they are sent. */
  readonly outbox: readonly PendingMessage[];
  /** The last messages that came to an end while this page was there, the latest at the end. */
  readonly ended: readonly EndedMessage[];
  /** How often a lost connection came back since this page was loaded. */
  readonly restoredCount: number;
  /** This browser knows a session of this name: what is going on is a return, not a first visit. */
  readonly hasSession: boolean;
}

/** Enough to say what became of something; not a log. */
const ENDED_MAX = 50;

export function initialState(outbox: readonly PendingMessage[], hasSession: boolean): SessionState {
  return {
    status: "connecting", attempt: 0, nextAttemptAt: null, lostAt: null,
    isRestoring: false, error: null, channels: {},
    pending: outbox.length, outbox, ended: [], restoredCount: 0, hasSession,
  };
}

/** With what the link does; `rest` says that it is meant to do nothing. */
export function withLink(
  state: SessionState,
  link: ReconnectionState,
  rest: "new" | "replaced" | "ended" | null,
  phase: MachinePhase,
): SessionState {
  const status = rest === null ? statusOf(link, phase === "open", state.lostAt !== null) : rest;
  return {
    ...state,
    status: status === "new" ? "connecting" : status,
    attempt: link.kind === "idle" ? 0 : link.attempt,
    nextAttemptAt: link.kind === "waiting" ? link.nextAttemptAt : null,
    isRestoring: phase === "opening",
  };
}

export function withEnded(state: SessionState, message: EndedMessage): Partial<SessionState> {
  return { ended: [...state.ended, message].slice(-ENDED_MAX) };
}

/** With these messages, as the same array when nothing about them changed. */
export function withOutbox(state: SessionState, messages: readonly PendingMessage[]): SessionState {
  const isSame = messages.length === state.outbox.length && messages.every((message, index) => {
    const before = state.outbox[index];
    return before?.id === message.id && before.wasSent === message.wasSent &&
      before.seq === message.seq && before.body === message.body && before.isKept === message.isKept;
  });
  return isSame ? state : { ...state, outbox: messages, pending: messages.length };
}

function statusOf(link: ReconnectionState, isOpen: boolean, wasLost: boolean): SessionStatus {
  switch (link.kind) {
    case "given_up":
      return "given_up";
    case "waiting":
      return "reconnecting";
    case "attempting":
      return wasLost ? "reconnecting" : "connecting";
    case "idle":
      return isOpen ? "open" : "connecting";
  }
}
