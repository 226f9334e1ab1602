import type { ReactNode } from "react";
import { Bars } from "../shared/Bars";
import { Leaders } from "../shared/Leaders";
import { spokenCode } from "../shared/names";
import { Podium } from "../shared/Podium";
import { Qr } from "../shared/Qr";
import { Ready } from "../shared/Ready";
import { sizeOf } from "../shared/size";
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
  if (phase === "final") {
    return (
      <section className="screen__final">
        <h1 className="shout">Final result</h1>
        <Podium leaders={stage.leaders} />
      </section>
    );
  }
  if (phase === "leaderboard" || question === null) {
    return (
      <section className="screen__final">
        <h1>Standings</h1>
        <Leaders leaders={stage.leaders} />
      </section>
    );
  }
  return (
    <section className="screen__question" key={`${question.index} ${phase}`}>
      <h1 dir="auto" data-size={sizeOf(question.text)}>{question.text}</h1>
      {phase === "get_ready" && <Ready now={now} until={question.opens_at} />}
      {phase === "question" && (
        <>
          <div className="screen__facts">
            <Timer now={now} until={question.closes_at} limitMs={question.limit_ms} isSpoken={false} />
            <p><b data-testid="host-answered">{stage.answered}</b> of {stage.players} answered</p>
          </div>
          <StillTiles choices={question.choices} />
        </>
      )}
      {phase === "reveal" && stage.reveal !== null && (
        <>
          <Bars question={question} reveal={stage.reveal} />
          {stage.reveal.explanation !== "" && <p className="screen__explanation" dir="auto">{stage.reveal.explanation}</p>}
        </>
      )}
    </section>
  );
}

function Lobby({ stage }: { readonly stage: Stage }): ReactNode {
  const link = `${location.origin}/play/${stage.code}`;
  return (
    <section className="screen__lobby">
      <div className="screen__join">
        <p>Go to <b>{location.host}</b> and type</p>
        <h1 className="shout screen__huge-code" data-testid="screen-code">{spokenCode(stage.code)}</h1>
      </div>
      <Qr text={link} label={`Code to join under ${link}`} />
      <div className="screen__arrivals">
        <h2>{stage.players === 0 ? "Who is first?" : `${stage.players} ${stage.players === 1 ? "player is" : "players are"} in`}</h2>
        <ul className="names" aria-label="Who came last">
          {stage.arrivals.map((name, index) => (
            <li key={`${index} ${name}`} className="clip" title={name}><bdi>{name}</bdi></li>
          ))}
        </ul>
      </div>
    </section>
  );
}
