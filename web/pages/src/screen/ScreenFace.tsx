import type { ReactNode } from "react";
import { Bars } from "../shared/Bars";
import { Leaders } from "../shared/Leaders";
import { spokenCode } from "../shared/names";
import { Qr } from "../shared/Qr";
import { StillTiles } from "../shared/StillTiles";
import { Timer } from "../shared/Timer";
import type { Stage, StagePhase } from "../shared/types";

interface ScreenFaceProps {
  readonly stage: Stage;
  readonly phase: StagePhase;
  readonly now: () => number;
}

export function ScreenFace({ stage, phase, now }: ScreenFaceProps): ReactNode {
  const { question } = stage;
  if (phase === "lobby") return <Lobby stage={stage} />;
  if (phase === "leaderboard" || phase === "final" || question === null) {
    return (
      <section className="stack rise">
        <h1>{phase === "final" ? "Final result" : "Standings"}</h1>
        <Leaders leaders={stage.leaders} />
      </section>
    );
  }
  return (
    <section className="stack rise" key={`${question.index} ${phase}`}>
      <p className="quiet">Question {question.index + 1} of {stage.questions}</p>
      <h1 className="screen__question">{question.text}</h1>
      {phase === "get_ready" && <p className="huge screen__ready">Get ready</p>}
      {phase === "question" && (
        <>
          <Timer now={now} until={question.closes_at} limitMs={question.limit_ms} isSpoken={false} />
          <StillTiles choices={question.choices} />
          <p className="screen__tally"><b data-testid="host-answered">{stage.answered}</b> of {stage.players} answered</p>
        </>
      )}
      {phase === "reveal" && stage.reveal !== null && (
        <>
          <Bars question={question} reveal={stage.reveal} />
          {stage.reveal.explanation !== "" && <p className="card screen__tally">{stage.reveal.explanation}</p>}
        </>
      )}
    </section>
  );
}

function Lobby({ stage }: { readonly stage: Stage }): ReactNode {
  const link = `${location.origin}/play/${stage.code}`;
  return (
    <section className="screen__lobby">
      <div className="stack">
        <p className="screen__tally">Go to <b>{location.host}</b> and type</p>
        <h1 className="screen__huge-code">{spokenCode(stage.code)}</h1>
        <h2>{stage.players} {stage.players === 1 ? "player is" : "players are"} in</h2>
        <ul className="names" aria-label="Who came last">
          {stage.arrivals.map((name, index) => <li key={`${index} ${name}`} className="clip"><bdi>{name}</bdi></li>)}
        </ul>
      </div>
      <Qr text={link} label={`Code to join under ${link}`} />
    </section>
  );
}
