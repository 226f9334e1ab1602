import type { ReactNode } from "react";
import { clock } from "./format";
import type { Happened } from "./types";
import { usePolled } from "./usePolled";

const SHOWN = 20;

export function Events(): ReactNode {
  const { value } = usePolled<Happened>("/api/admin/events", 2000);
  const alerts = (value?.alerts ?? []).map(({ at, alert, state, severity, advice }) => ({
    at, level: state === "cleared" ? "info" : severity === "critical" ? "error" : "warning",
    text: `${alert} ${state === "cleared" ? "is over" : `was raised. ${advice}`}`,
  }));
  const errors = (value?.errors ?? []).map(({ at, category, severity, code, message }) => ({
    at, level: severity === "low" ? "info" : severity === "medium" ? "warning" : "error",
    text: `${category} ${code}: ${message}`,
  }));
  const all = [...alerts, ...errors].sort((a, b) => b.at - a.at).slice(0, SHOWN);
  return (
    <section aria-labelledby="events" className="stack">
      <h2 id="events">Alerts and errors</h2>
      {all.length === 0
        ? <p className="quiet">None since the start.</p>
        : <ol className="lines" tabIndex={0} aria-label="Alerts and errors, newest first">{all.map(({ at, level, text }, index) => (
            <li key={`${at} ${index}`} data-level={level}><time>{clock(at)}</time> <span>{text}</span></li>
          ))}</ol>}
    </section>
  );
}
