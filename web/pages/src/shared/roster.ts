import type { Roster, RosterEntry } from "./types";

export interface Presence {
  readonly kind: "here" | "away" | "gone" | "new";
  readonly word: string;
}

export function presenceOf(entry: RosterEntry, now: number): Presence {
  switch (entry.state) {
    case "connected":
      return { kind: "here", word: "here" };
    case "temporarily_disconnected":
      return { kind: "away", word: `away ${Math.max(0, Math.round((now - entry.since) / 1_000))} s` };
    case "disconnected":
      return { kind: "gone", word: "gone" };
    case "new":
      return { kind: "new", word: "not here yet" };
  }
}

export interface Counts {
  readonly here: number;
  readonly away: number;
  readonly gone: number;
  readonly answered: number;
}

export function countsOf(roster: Roster): Counts {
  const all = Object.values(roster);
  const count = (...states: readonly RosterEntry["state"][]): number =>
    all.filter((entry) => states.includes(entry.state)).length;
  return {
    here: count("connected"),
    away: count("temporarily_disconnected"),
    gone: count("disconnected", "new"),
    answered: all.filter((entry) => entry.answered).length,
  };
}

/** Who needs looking after first: away, gone, then the others, by name. */
export function ordered(roster: Roster): readonly (readonly [string, RosterEntry])[] {
  const weight = { temporarily_disconnected: 0, disconnected: 1, new: 2, connected: 3 } as const;
  return Object.entries(roster).sort(([, one], [, other]) =>
    weight[one.state] - weight[other.state] || one.name.localeCompare(other.name));
}
