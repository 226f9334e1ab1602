import type { ReactNode } from "react";
import { useAnnounced } from "../shared/Announcer";
import { Bars } from "../shared/Bars";
import { Leaders } from "../shared/Leaders";
import { spokenCode } from "../shared/names";
import { Podium } from "../shared/Podium";
import { Qr } from "../shared/Qr";
import { countsOf } from "../shared/roster";
import type { Desk } from "../shared/session";
import { sizeOf } from "../shared/size";
import { StillTiles } from "../shared/StillTiles";
import { Timer } from "../shared/Timer";
import type { Roster, Stage, StagePhase } from "../shared/types";

interface HostFaceProps {
  readonly stage: Stage;
  readonly phase: StagePhase;
  readonly desk: Desk;
  readonly roster: Roster;
}

export function HostFace({ stage, phase, desk, roster }: HostFaceProps): ReactNode {
  const { question } = stage;
  useAnnounced(words(stage, phase), true);
  if (phase === "lobby") return <Lobby stage={stage} />;
  if (phase === "final") {
    return (
      <>
        <h1>Final result</h1>
        <Podium leaders={stage.leaders} />
      </>
    );
  }
  if (phase === "leaderboard" || question === null) {
    return (
      <>
        <h1>Standings</h1>
        <Leaders leaders={stage.leaders} />
      </>
    );
  }
  const answered = Math.max(stage.answered, countsOf(roster).answered);
  return (
    <>
      <div className="row row--apart">
        <p className="quiet">Question {question.index + 1} of {stage.questions}</p>
        <p className="tally"><b data-testid="host-answered">{answered}</b> of {stage.players} answered</p>
      </div>
      {phase === "question" && <Timer now={desk.now} until={question.closes_at} limitMs={question.limit_ms} />}
      <h1 className="question" dir="auto" data-size={sizeOf(question.text)}>{question.text}</h1>
      {phase === "get_ready" && <p className="quiet">Choices open in a moment, on all devices at once.</p>}
      {phase === "question" && <StillTiles choices={question.choices} />}
      {phase === "reveal" && stage.reveal !== null && (
        <>
          <Bars question={question} reveal={stage.reveal} />
          {stage.reveal.explanation !== "" && <p className="card" dir="auto">{stage.reveal.explanation}</p>}
        </>
      )}
    </>
  );
}

function Lobby({ stage }: { readonly stage: Stage }): ReactNode {
  const link = `${location.origin}/play/${stage.code}`;
  return (
    <>
      <div className="door" data-look="accent">
        <p>Go to <b>{location.host}</b> and type</p>
        <h1 className="shout poster-code" data-testid="host-code">{spokenCode(stage.code)}</h1>
      </div>
      <div className="lobby">
        <Qr text={link} label={`Code to join under ${link}`} />
        <div className="stack">
          <h2>
            {stage.players} {stage.players === 1 ? "player is" : "players are"} in
          </h2>
          <ul className="names" aria-label="Who came last">
            {stage.arrivals.map((name, index) => <li key={`${index} ${name}`} className="clip" title={name}><bdi>{name}</bdi></li>)}
          </ul>
        </div>
      </div>
    </>
  );
}

function words(stage: Stage, phase: StagePhase): string {
  if (phase === "lobby") return "";
  if (phase === "final") return "The quiz is over.";
  const number = stage.question === null ? "" : ` of question ${stage.question.index + 1}`;
  const names = { get_ready: "Get ready", question: "Choices are open", reveal: "The answer is shown", leaderboard: "Standings" };
  return `${names[phase]}${number}`;
}
