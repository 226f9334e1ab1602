import type { ReactNode } from "react";
import { bytes, count, duration, milliseconds } from "./format";
import type { AdminState, Connected } from "./types";

interface GaugesProps {
  readonly state: AdminState;
  readonly connected: Connected | null;
}

export function Gauges({ state, connected }: GaugesProps): ReactNode {
  const { figures, rates } = state;
  const sessions: readonly (readonly [string, string, string])[] = state.limits === null ? [] : [
    ["Connections", count(figures["holdfast_connections"]), `of ${count(state.limits.connections)} at most`],
    ["Away", count(connected?.states["absent"] ?? 0), "sessions that can come back"],
    ["Messages", `${count(rates["holdfast_messages_received_total"])}/s`, `${count(figures["holdfast_messages_received_total"])} since the start`],
    ["Delivered", `${count(rates["holdfast_deliveries_total"])}/s`, `${count(figures["holdfast_deliveries_total"])} since the start`],
    ["Commit", milliseconds(state.commits["1m"]?.["p95"]), "95 of 100 within, last minute"],
  ];
  const gauges: typeof sessions = [
    ...sessions,
    ["Errors", count(state.errors.total), "since the start"],
    ["Disk", bytes(figures["holdfast_disk_free_bytes"]), "free"],
    ["Up", duration(state.health.uptime_s), "since the start"],
  ];
  return (
    <dl className="gauges">
      {gauges.map(([name, value, note]) => (
        <div key={name} className="gauge">
          <dt>{name}</dt>
          <dd><strong>{value}</strong><span className="quiet">{note}</span></dd>
        </div>
      ))}
    </dl>
  );
}
