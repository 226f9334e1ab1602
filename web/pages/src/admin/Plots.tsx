import { useState } from "react";
import type { ReactNode } from "react";
import { bytes, count, milliseconds } from "./format";
import { Plot } from "./Plot";
import type { Trend, Trends, Window } from "./types";
import { usePolled } from "./usePolled";

const perSecond = (value: number): string => `${count(value)}/s`;
const percent = (value: number): string => `${Math.round(value * 100)} %`;

/** The axis reaches at least so far, so that next to nothing does not look like a lot. */
const least: Readonly<Record<string, number>> = {
  holdfast_connections: 5,
  holdfast_messages_received_total: 5,
  holdfast_deliveries_total: 5,
  holdfast_commit_seconds: 0.01,
  holdfast_loop_lag_seconds: 0.1,
  holdfast_memory_bytes: 100_000_000,
};

/** A metric says by its kind and its name in which unit it is. */
function shownOf({ name, kind }: Trend): (value: number) => string {
  if (kind === "counter") return perSecond;
  if (name.endsWith("_seconds")) return milliseconds;
  if (name.endsWith("_bytes")) return bytes;
  return name.endsWith("_share") ? percent : count;
}

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
        {(value?.plots ?? []).map((trend) => {
          const shown = shownOf(trend);
          const last = trend.points.at(-1)?.[1] ?? 0;
          return <Plot key={trend.name} title={trend.title} points={trend.points} window={value?.window ?? 300} shown={shown} now={shown(last)} least={least[trend.name] ?? 1} />;
        })}
      </div>
    </section>
  );
}
