import type { ReactNode } from "react";
import type { Leader } from "./types";

export function Leaders({ leaders, mine }: { readonly leaders: readonly Leader[]; readonly mine?: string }): ReactNode {
  if (leaders.length === 0) return <p className="quiet">Nobody has a score yet.</p>;
  return (
    <ol className="leaders">
      {leaders.map((leader, index) => (
        <li
          key={leader.seat}
          className={leader.seat === mine ? "leaders__row leaders__row--mine" : "leaders__row"}
          data-testid={`leader-${index}`}
        >
          <span className="leaders__rank">{leader.rank}</span>
          <span className="leaders__name"><bdi>{leader.name}</bdi>{leader.seat === mine && <em> you</em>}</span>
          <span className="leaders__score">{leader.score}</span>
        </li>
      ))}
    </ol>
  );
}
