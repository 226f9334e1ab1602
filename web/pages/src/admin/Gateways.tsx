import type { ReactNode } from "react";
import { count, duration, milliseconds } from "./format";
import type { AdminState } from "./types";

/** Connections that the server itself keeps, and what waits for them. */
export function Gateways({ state }: { readonly state: AdminState }): ReactNode {
  const lines = state.gateways.flatMap(({ connections }) => Object.entries(connections));
  if (lines.length === 0 && state.outboxes.length === 0) return null;
  return (
    <section aria-labelledby="gateways" className="stack">
      <h2 id="gateways">Gateways</h2>
      {lines.length > 0 && (
        <ul className="parts">
          {lines.map(([name, line]) => (
            <li key={name} className={`part part--${line.state === "connected" ? (line.grade === "poor" ? "degraded" : "healthy") : "unhealthy"}`}>
              <h3>{name} <span className="badge">{line.state}</span></h3>
              <p className="quiet">
                {line.grade ?? "not measured"} · round trip {milliseconds(line.latency)} · {count(line.messages_out)} sent · {count(line.messages_in)} received
                {line.uptime === null ? ` · ${line.attempts} attempts in vain` : ` · up ${duration(line.uptime)}`}
              </p>
            </li>
          ))}
        </ul>
      )}
      {state.outboxes.map((outbox, index) => (
        <p key={index}>
          <strong>Outbox:</strong> {count(outbox["queued"])} wait, {count(outbox["sending"])} under way, {count(outbox["delivered"])} delivered,{" "}
          {count(outbox["dead_letters"])} dead letters; the oldest waits since {duration(outbox["oldest_age"] ?? 0)}.
        </p>
      ))}
    </section>
  );
}
