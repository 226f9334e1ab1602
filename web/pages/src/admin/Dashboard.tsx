import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { callAt } from "../shared/api";
import { Connections } from "./Connections";
import { Events } from "./Events";
import { Gateways } from "./Gateways";
import { Gauges } from "./Gauges";
import { LogLines } from "./LogLines";
import { Panels } from "./Panels";
import { Parts } from "./Parts";
import { Plots } from "./Plots";
import type { AdminState, Connected } from "./types";
import { usePolled } from "./usePolled";
import type { Polled } from "./usePolled";
import { verdictOf } from "./verdict";

/** An answer that is older than this is no longer "now". */
const STALE_MS = 4_000;

export function Dashboard({ polled, onSignedOut }: { readonly polled: Polled<AdminState>; readonly onSignedOut: () => void }): ReactNode {
  const connections = usePolled<Connected>("/api/admin/connections", 1000);
  const lostFor = useLostFor(polled.answeredAt);
  const state = polled.value;
  if (state === null) return <main className="page centre"><p role="status">One moment…</p></main>;
  const verdict = verdictOf(state, connections.value, lostFor);
  const signOut = (): void => {
    callAt("POST", "/api/admin/sign-out").finally(onSignedOut);
  };
  return (
    <div className="page">
      <header className="head">
        <a className="brand" href="/">Holdfast</a>
        <button type="button" className="button button--plain" onClick={signOut}>Sign out</button>
      </header>
      <main className="stack admin">
        <section className={`verdict verdict--${verdict.status}`} role="status">
          <h1 data-size="medium">{verdict.title}</h1>
          {verdict.reasons.length > 0 && <ul>{verdict.reasons.map((reason) => <li key={reason}>{reason}</li>)}</ul>}
        </section>
        <Gauges state={state} connected={connections.value} />
        <Plots />
        <Parts state={state} />
        <Panels panels={state.panels} />
        <Gateways state={state} />
        {state.limits !== null && <Connections connected={connections.value} isDemo={state.isDemo} again={connections.again} />}
        <Events />
        <LogLines />
      </main>
    </div>
  );
}

function useLostFor(answeredAt: number): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const age = now - answeredAt;
  return answeredAt > 0 && age > STALE_MS ? Math.round(age / 1000) : 0;
}
