import type { ReactNode } from "react";
import { useTick } from "../shared/hooks";
import { countsOf, ordered, presenceOf } from "../shared/roster";
import type { StagePhase } from "../shared/types";
import type { HostDesk } from "./useHost";

/** A dot and a word for each seat; no toast for a drop: most come back by themselves. */
export function RosterList({ host, phase }: { readonly host: HostDesk; readonly phase: StagePhase }): ReactNode {
  const { roster, desk, stage } = host;
  const counts = countsOf(roster);
  useTick(1_000, counts.away > 0);
  const now = desk.now();
  const players = stage?.players ?? 0;
  const isAsking = phase === "question";
  return (
    <section className="stack" aria-labelledby="players">
      <h2 id="players"><span data-testid="host-players">{players}</span> {players === 1 ? "player" : "players"}</h2>
      <p className="quiet">{counts.here} here · {counts.away} away · {counts.gone} gone{stage?.locked === true && " · closed to newcomers"}</p>
      <ul className="roster" tabIndex={0} aria-labelledby="players">
        {ordered(roster).map(([seat, entry]) => {
          const presence = presenceOf(entry, now);
          return (
            <li
              key={seat}
              className="roster__row"
              data-testid={`roster-${entry.name}`}
              data-seat={seat}
              data-state={entry.state}
            >
              <span className={`dot dot--${presence.kind}`} aria-hidden="true" />
              <span className="clip roster__name" title={entry.name}><bdi>{entry.name}</bdi></span>
              <span className="roster__word">{presence.word}{isAsking && entry.answered && " · ✓"}</span>
              <span className="roster__score">{entry.score}</span>
              <button
                type="button"
                className="button button--plain"
                aria-label={`Remove ${entry.name}`}
                onClick={() => host.remove(seat)}
              >
                ✕
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
