import type { ReactNode } from "react";
import { Leaders } from "./Leaders";
import type { Leader } from "./types";

const STEPS = 3;

/** The best three on their steps, the others in a list. Who ties stands equally high. */
export function Podium({ leaders }: { readonly leaders: readonly Leader[] }): ReactNode {
  const steps = leaders.slice(0, STEPS);
  if (steps.length === 0) return <p className="quiet">Nobody has a score.</p>;
  return (
    <div className="podium">
      <ol className="podium__steps" data-count={steps.length}>
        {steps.map(({ seat, name, rank, score }, place) => (
          <li key={seat} className={`step step--${place}`} data-rank={Math.min(rank, STEPS)} data-testid={`leader-${place}`}>
            <span className="step__name" title={name}><bdi>{name}</bdi></span>
            <span className="step__block">
              <span className="step__rank">{rank}</span>
              <span className="step__score">{score}</span>
            </span>
          </li>
        ))}
      </ol>
      <Leaders leaders={leaders.slice(STEPS)} from={STEPS} />
    </div>
  );
}
