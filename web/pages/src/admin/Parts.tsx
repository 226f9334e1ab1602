import type { ReactNode } from "react";
import { count, detail, milliseconds, partName, spoken } from "./format";
import type { AdminState } from "./types";

const spans: Readonly<Record<string, string>> = { "1m": "last minute", "5m": "last 5 minutes", "60m": "last hour" };
const words = { healthy: "well", degraded: "not quite well", unhealthy: "not well" };

export function Parts({ state }: { readonly state: AdminState }): ReactNode {
  const closed = Object.entries(state.byLabel["holdfast_connections_closed_total"] ?? {});
  const refused = Object.entries(state.byLabel["holdfast_connections_refused_total"] ?? {});
  const failed = Object.entries(state.byLabel["holdfast_messages_failed_total"] ?? {});
  return (
    <section aria-labelledby="parts" className="stack">
      <h2 id="parts">Parts</h2>
      <ul className="parts">
        {Object.entries(state.health.components).map(([name, { status, message, ...rest }]) => (
          <li key={name} className={`part part--${status}`}>
            <h3>{partName(name)} <span className="badge">{words[status]}</span></h3>
            {message !== undefined && <p>{message}</p>}
            <p className="quiet">{Object.entries(rest).map(([key, value]) => `${spoken(key)}: ${detail(key, value)}`).join(" · ")}</p>
          </li>
        ))}
        {Object.entries(state.breakers).map(([name, figures]) => (
          <li key={`breaker ${name}`} className={`part part--${String(figures["state"]).toLowerCase() === "closed" ? "healthy" : "unhealthy"}`}>
            <h3>Circuit breaker of the {name} <span className="badge">{String(figures["state"]).toLowerCase()}</span></h3>
            <p className="quiet">{count(Number(figures["consecutive_failures"] ?? 0))} failures in a row</p>
          </li>
        ))}
        {Object.entries(state.tasks).filter(([, task]) => task.restarts > 0 || !task.isRunning).map(([name, task]) => (
          <li key={`task ${name}`} className="part part--degraded">
            <h3>Task {name} <span className="badge">{task.isRunning ? "restarted" : "not running"}</span></h3>
            <p className="quiet">{task.restarts} restarts · {task.lastError}</p>
          </li>
        ))}
      </ul>
      {state.limits !== null && <div className="reasons">
        <Reasons title="Connections ended by" found={closed} />
        <Reasons title="Handshakes refused" found={refused} />
        <Reasons title="Messages refused" found={failed} />
        <Reasons title="99 of 100 commits within" found={Object.entries(state.commits).map(([window, each]) => [spans[window] ?? window, each["p99"] ?? 0])} shown={milliseconds} />
      </div>}
    </section>
  );
}

interface ReasonsProps {
  readonly title: string;
  readonly found: readonly (readonly [string, number])[];
  readonly shown?: (value: number) => string;
}

function Reasons({ title, found, shown = count }: ReasonsProps): ReactNode {
  return (
    <div>
      <h3>{title}</h3>
      {found.length === 0
        ? <p className="quiet">none</p>
        : <dl className="pairs">{found.map(([name, value]) => <div key={name}><dt>{spoken(name)}</dt><dd>{shown(value)}</dd></div>)}</dl>}
    </div>
  );
}
