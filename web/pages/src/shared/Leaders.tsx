import type { ReactNode } from "react";
import type { Leader } from "./types";

interface LeadersProps {
  readonly leaders: readonly Leader[];
  /** This device's own row; shown below the others when it is not among them. */
  readonly mine?: Leader;
  /** Where the numbers of the rows begin. */
  readonly from?: number;
}

export function Leaders({ leaders, mine, from = 0 }: LeadersProps): ReactNode {
  if (leaders.length === 0) return from > 0 ? null : <p className="quiet">Nobody has a score yet.</p>;
  const isAmong = mine === undefined || leaders.some(({ seat }) => seat === mine.seat);
  return (
    <ol className="leaders">
      {leaders.map((leader, index) => (
        <Row key={leader.seat} leader={leader} testId={`leader-${from + index}`} isMine={leader.seat === mine?.seat} />
      ))}
      {!isAmong && <Row leader={mine} testId="leader-mine" isMine />}
    </ol>
  );
}

interface RowProps {
  readonly leader: Leader;
  readonly testId: string;
  readonly isMine: boolean;
}

function Row({ leader, testId, isMine }: RowProps): ReactNode {
  const classes = ["leaders__row", leader.rank === 1 ? "leaders__row--first" : "", isMine ? "leaders__row--mine" : ""];
  return (
    <li className={classes.join(" ").trim()} data-testid={testId}>
      <span className="leaders__rank">{leader.rank}</span>
      <span className="leaders__name" title={leader.name}><bdi>{leader.name}</bdi></span>
      {isMine && <em className="leaders__you">you</em>}
      <span className="leaders__score">{leader.score}</span>
    </li>
  );
}
