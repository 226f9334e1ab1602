import { useState } from "react";
import type { ReactNode } from "react";
import { clock } from "./format";
import type { LogLine } from "./types";
import { usePolled } from "./usePolled";

const levels = [["info", "All"], ["warning", "Warnings"], ["error", "Errors"]] as const;
const SHOWN = 100;

export function LogLines(): ReactNode {
  const [level, setLevel] = useState<string>("info");
  const [search, setSearch] = useState("");
  const { value } = usePolled<{ readonly lines: readonly LogLine[] }>(
    `/api/admin/log?level=${level}&search=${encodeURIComponent(search.slice(0, 100))}`, 2000);
  const lines = value?.lines ?? [];
  return (
    <section aria-labelledby="log" className="stack">
      <div className="row row--apart">
        <h2 id="log">Log</h2>
        <div className="switch" role="group" aria-label="Which lines">
          {levels.map(([each, label]) => (
            <button key={each} type="button" aria-pressed={each === level} onClick={() => setLevel(each)}>{label}</button>
          ))}
        </div>
      </div>
      <label className="field">
        <span className="label">Find</span>
        <input className="input" type="search" value={search} onChange={(event) => setSearch(event.target.value)} />
      </label>
      {lines.length === 0
        ? <p className="quiet">No such lines.</p>
        : <ol className="lines" tabIndex={0} aria-label="Lines of the log">{lines.slice(0, SHOWN).map(({ at, level: of, logger, text }, index) => (
            <li key={`${at} ${index}`} data-level={of}><time>{clock(at)}</time> <span className="quiet">{logger}</span> <span>{text}</span></li>
          ))}</ol>}
    </section>
  );
}
