import { useState } from "react";
import type { ReactNode } from "react";
import { callAt } from "../shared/api";
import { duration } from "./format";
import type { Connected, Line } from "./types";

interface ConnectionsProps {
  readonly connected: Connected | null;
  readonly isDemo: boolean;
  readonly again: () => void;
}

const SHOWN = 50;

export function Connections({ connected, isDemo, again }: ConnectionsProps): ReactNode {
  const [search, setSearch] = useState("");
  const [told, setTold] = useState("");
  if (connected === null) return null;
  const wish = search.trim().toLowerCase();
  const found = connected.connections.filter((line) =>
    wish === "" || [line.id, line.kind, line.state, line.remote].some((text) => text.toLowerCase().includes(wish)));
  const trouble = (line: Line, body: Readonly<Record<string, unknown>>, words: string): void => {
    setTold("");
    callAt("POST", "/api/admin/chaos", { connection: line.id, ...body }).then(
      () => setTold(`${words}: ${line.kind || "connection"} ${line.id}. Watch it come back.`),
      (reason: unknown) => setTold(reason instanceof Error ? reason.message : "It did not work."),
    ).finally(again);
  };
  return (
    <section aria-labelledby="connections" className="stack">
      <div className="row row--apart">
        <h2 id="connections">Connections</h2>
        <ul className="row states">
          {Object.entries(connected.states).map(([state, many]) => (
            <li key={state} className="badge" data-state={state}>{many} {state}</li>
          ))}
        </ul>
      </div>
      {isDemo && <p className="quiet">This is a demonstration: cut a connection like a cable, or let nothing through for ten seconds, and watch the other side.</p>}
      <label className="field">
        <span className="label">Find</span>
        <input className="input" type="search" value={search} onChange={(event) => setSearch(event.target.value)} placeholder="player, silent, 127.0.0.1 …" />
      </label>
      <p role="status" className="quiet">{told}</p>
      {found.length === 0
        ? <p className="quiet">{connected.connections.length === 0 ? "Nobody is connected." : "Nothing is found."}</p>
        : (
          <div className="scroll" role="region" aria-label="Connections, one a line" tabIndex={0}>
            <table>
              <thead><tr><th>Who</th><th>State</th><th>From</th><th>Round trip</th><th>Channels</th>{isDemo && <th>Chaos</th>}</tr></thead>
              <tbody>
                {found.slice(0, SHOWN).map((line) => (
                  <tr key={line.id}>
                    <td>{line.kind || "–"} <code>{line.id}</code></td>
                    <td><span className="badge" data-state={line.state}>{line.state}{line.state === "silent" ? ` for ${duration(line.silentFor)}` : ""}</span></td>
                    <td>{line.remote || "–"}</td>
                    <td>{line.rttMs === null ? "–" : `${line.rttMs.toFixed(line.rttMs < 10 ? 1 : 0)} ms`}</td>
                    <td>{line.channels}</td>
                    {isDemo && (
                      <td className="row">
                        <button type="button" className="small" onClick={() => trouble(line, { do: "cut" }, "Cut")}>Cut</button>
                        <button type="button" className="small" onClick={() => trouble(line, { do: "stall", seconds: 3 }, "Slowed for 3 s")}>Slow</button>
                        <button type="button" className="small" onClick={() => trouble(line, { do: "stall", seconds: 60 }, "Dead for a minute")}>Kill</button>
                      </td>
                    )}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      {found.length > SHOWN && <p className="quiet">{found.length - SHOWN} more: those in trouble are shown first.</p>}
    </section>
  );
}
