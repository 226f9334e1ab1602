import { useState } from "react";
import type { ReactNode } from "react";
import { bytes, count, milliseconds } from "./format";
import { Plot } from "./Plot";
import type { Trends, Window } from "./types";
import { usePolled } from "./usePolled";

const perSecond = (value: number): string => `${count(value)}/s`;
const percent = (value: number): string => `${Math.round(value * 100)} %`;

const shownPlots: readonly { readonly name: string; readonly least: number; readonly title: string; readonly shown: (value: number) => string }[] = [
  { name: "holdfast_connections", least: 5, title: "Connections", shown: count },
  { name: "holdfast_messages_received_total", least: 5, title: "Messages from clients", shown: perSecond },
  { name: "holdfast_deliveries_total", least: 5, title: "Events delivered", shown: perSecond },
  { name: "holdfast_connections_closed_total", least: 1, title: "Connections lost", shown: perSecond },
  { name: "holdfast_commit_seconds", least: 0.01, title: "Commit, 95 of 100 within", shown: milliseconds },
  { name: "holdfast_loop_lag_seconds", least: 0.1, title: "Event loop late by", shown: milliseconds },
  { name: "holdfast_cpu_share", least: 1, title: "Processor", shown: percent },
  { name: "holdfast_memory_bytes", least: 100_000_000, title: "Memory", shown: bytes },
];
const windows: readonly { readonly value: Window; readonly label: string }[] = [
  { value: "1m", label: "1 minute" }, { value: "5m", label: "5 minutes" }, { value: "60m", label: "1 hour" },
];

export function Plots(): ReactNode {
  const [span, setSpan] = useState<Window>("5m");
  const { value } = usePolled<Trends>(`/api/admin/trends?window=${span}`, 2000);
  return (
    <section aria-labelledby="trends">
      <div className="row row--apart">
        <h2 id="trends">Trends</h2>
        <div className="switch" role="group" aria-label="How far back">
          {windows.map(({ value: each, label }) => (
            <button key={each} type="button" aria-pressed={each === span} onClick={() => setSpan(each)}>{label}</button>
          ))}
        </div>
      </div>
      <div className="plots">
        {shownPlots.map(({ name, title, shown, least }) => {
          const points = value?.series[name] ?? [];
          const last = points.at(-1)?.[1] ?? 0;
          return <Plot key={name} title={title} points={points} window={value?.window ?? 300} shown={shown} now={shown(last)} least={least} />;
        })}
      </div>
    </section>
  );
}
