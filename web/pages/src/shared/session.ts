import { applyPatch, quickSchedule, Session } from "@holdfast/client";
import type { SessionEvents } from "@holdfast/client";
import { isRecord, readJson, removeKey, writeJson } from "./store";
import type { Me, Roster, Stage } from "./types";

export type Role = "player" | "host" | "screen";

interface Kept {
  readonly channels: Readonly<Record<string, unknown>>;
  /** Server's clock minus the device's. */
  readonly offset: number;
}

/** A session of an event, and what was last seen of it: a reload without a network shows that. */
export interface Desk {
  readonly session: Session;
  readonly event: string;
  /** The server's time; before the first connection as well as it is known from before. */
  readonly now: () => number;
  readonly channel: (name: string) => unknown;
  /** Follows the session's channels into storage; returns how to stop. */
  readonly run: () => () => void;
}

export function sessionName(event: string, role: Role): string {
  return `quiz-${event}-${role}`;
}

/** For a seat that is not the one of the session in this browser. */
export function forgetSession(event: string, role: Role): void {
  removeKey(`holdfast:${sessionName(event, role)}`);
  removeKey(keptKey(event, role));
}

export function openDesk(event: string, role: Role, key: string | null, events: SessionEvents = {}): Desk {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const session = new Session({
    url: `${scheme}://${location.host}/ws`,
    name: sessionName(event, role),
    auth: () => (role === "screen" ? { as: role, event } : { as: role, event, key }),
    schedule: quickSchedule(),
    reduce: applyPatch,
    events,
  });
  const kept = readKept(event, role);
  let hasBeenOpen = false;
  return {
    session,
    event,
    now: () => (hasBeenOpen || kept === null ? session.now() : Date.now() + kept.offset),
    channel: (name) => session.state.channels[name] ?? kept?.channels[name],
    run: () => {
      let last = session.state.channels;
      const unsubscribe = session.subscribe(() => {
        const { channels, status } = session.state;
        if (status === "open") hasBeenOpen = true;
        if (channels === last) return;
        last = channels;
        if (Object.keys(channels).length === 0) return;
        writeJson(keptKey(event, role), { channels, offset: session.now() - Date.now() } satisfies Kept);
      });
      session.start();
      return () => {
        unsubscribe();
        session.stop();
      };
    },
  };
}

export function stageOf(desk: Desk): Stage | null {
  const value = desk.channel(`quiz/${desk.event}`);
  return isRecord(value) && typeof value["phase"] === "string" ? (value as unknown as Stage) : null;
}

export function meOf(desk: Desk): Me | null {
  const value = desk.channel("@me");
  return isRecord(value) && typeof value["seat"] === "string" ? (value as unknown as Me) : null;
}

export function rosterOf(desk: Desk): Roster {
  const value = desk.channel(`quiz/${desk.event}/host`);
  return isRecord(value) && isRecord(value["roster"]) ? (value["roster"] as unknown as Roster) : {};
}

function keptKey(event: string, role: Role): string {
  return `holdfast-last:${event}:${role}`;
}

function readKept(event: string, role: Role): Kept | null {
  const value = readJson(keptKey(event, role));
  if (!isRecord(value) || !isRecord(value["channels"]) || typeof value["offset"] !== "number") return null;
  return { channels: value["channels"], offset: value["offset"] };
}
