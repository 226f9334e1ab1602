import { partName } from "./format";
import type { AdminState, Connected, Status } from "./types";

export interface Verdict {
  readonly status: Status;
  readonly title: string;
  readonly reasons: readonly string[];
}

/** Says in words how the server is, so that somebody who has never seen it knows what is wrong. */
export function verdictOf(state: AdminState, connected: Connected | null, lostFor: number): Verdict {
  if (lostFor > 0) {
    return {
      status: "unhealthy", title: "The server does not answer",
      reasons: [`What is shown is ${lostFor} s old. It tries again by itself.`],
    };
  }
  const reasons = [...partsInTrouble(state), ...alertReasons(state), ...peopleInTrouble(connected)];
  if (state.shutdown.phase !== "running") {
    return { status: "degraded", title: "The server is being stopped", reasons: [`${state.shutdown.phase}: ${state.shutdown.reason}`, ...reasons] };
  }
  const isCritical = state.health.status === "unhealthy" || state.alerts.some(({ severity }) => severity === "critical");
  if (isCritical) return { status: "unhealthy", title: "In trouble", reasons };
  const isNoted = state.health.status === "degraded" || state.alerts.length > 0 || reasons.length > 0;
  if (isNoted) return { status: "degraded", title: "Working, but something is wrong", reasons };
  return { status: "healthy", title: "All is well", reasons: [] };
}

function partsInTrouble(state: AdminState): string[] {
  return Object.entries(state.health.components)
    .filter(([, part]) => part.status !== "healthy")
    .map(([name, part]) => `${partName(name)}: ${part.message ?? part.status}.`);
}

function alertReasons(state: AdminState): string[] {
  return state.alerts.map(({ name, advice }) => `${name.replace(/([a-z])([A-Z])/g, "$1 $2")}. ${advice}`);
}

function peopleInTrouble(connected: Connected | null): string[] {
  if (connected === null) return [];
  const { open = 0, silent = 0, absent = 0 } = connected.states;
  const slow = connected.states["slow reader"] ?? 0;
  const reasons: string[] = [];
  if (silent > 0) reasons.push(`${silent} of ${open + silent + slow} connections do not answer.`);
  if (slow > 0) reasons.push(`${slow} ${slow === 1 ? "connection reads" : "connections read"} more slowly than we send.`);
  if (absent >= 5 && absent > open / 5) reasons.push(`${absent} sessions have lost their connection and can still come back.`);
  return reasons;
}
