import type { ReactNode } from "react";
import { cell } from "./format";
import type { Panel, PanelTable } from "./types";

/** The program's own sections, whatever they are. */
export function Panels({ panels }: { readonly panels: Readonly<Record<string, Panel>> }): ReactNode {
  return Object.entries(panels).map(([name, panel]) => (
    <section key={name} aria-labelledby={`panel-${name}`} className="stack">
      <h2 id={`panel-${name}`}>{panel.title}</h2>
      {panel.error !== "" && <p className="part part--unhealthy">This section could not be read: {panel.error}</p>}
      {Object.keys(panel.figures).length > 0 && (
        <dl className="gauges">
          {Object.entries(panel.figures).map(([label, value]) => (
            <div key={label} className="gauge">
              <dt>{label}</dt>
              <dd><strong>{cell(value)}</strong></dd>
            </div>
          ))}
        </dl>
      )}
      {panel.tables.map((table) => <PanelRows key={table.title} table={table} />)}
    </section>
  ));
}

function PanelRows({ table }: { readonly table: PanelTable }): ReactNode {
  return (
    <div className="stack">
      <h3>{table.title}</h3>
      {table.rows.length === 0
        ? <p className="quiet">{table.empty}</p>
        : (
          <div className="scroll" role="region" aria-label={table.title} tabIndex={0}>
            <table>
              <thead><tr>{table.columns.map((column) => <th key={column}>{column}</th>)}</tr></thead>
              <tbody>
                {table.rows.map((row, line) => (
                  <tr key={line}>{row.map((value, column) => <td key={column}>{cell(value)}</td>)}</tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      {table.more > 0 && <p className="quiet">{table.more} more.</p>}
    </div>
  );
}
