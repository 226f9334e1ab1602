import type { ReactNode } from "react";
import { useAnnounced } from "../shared/Announcer";
import { Leaders } from "../shared/Leaders";
import type { AnswerView } from "../shared/phase";
import { Ready } from "../shared/Ready";
import { LETTERS } from "../shared/Shape";
import { nameSize, sizeOf } from "../shared/size";
import type { Me, Stage, StagePhase } from "../shared/types";
import { QuestionFace } from "./QuestionFace";
import { RevealFace } from "./RevealFace";
import type { PlayerDesk } from "./useDesk";

interface FaceProps {
  readonly player: PlayerDesk;
  readonly stage: Stage;
  readonly phase: StagePhase;
  readonly view: AnswerView;
  readonly now: number;
}

const AWAY = "The host is away. The quiz goes on when they are back.";

/** What a player sees in each phase. */
export function Face({ player, stage, phase, view, now }: FaceProps): ReactNode {
  const { me } = player;
  const { question } = stage;
  useAnnounced(phaseWords(stage, phase), phase === "lobby");
  useAnnounced(stage.host === "disconnected" && phase !== "final" ? AWAY : "");
  return (
    <>
      {stage.host === "disconnected" && phase !== "final" && (
        <p className="notice" data-testid="host-away">{AWAY}</p>
      )}
      {phase === "lobby" && <Lobby stage={stage} me={me} />}
      {phase === "get_ready" && question !== null && (
        <section className="poster">
          <h1 className="question" dir="auto" data-size={sizeOf(question.text)}>{question.text}</h1>
          <Ready now={player.desk.now} until={question.opens_at} />
        </section>
      )}
      {phase === "question" && question !== null && (
        <QuestionFace
          key={question.index}
          player={player}
          stage={stage}
          question={question}
          view={view}
          now={now}
        />
      )}
      {phase === "reveal" && question !== null && (
        <RevealFace stage={stage} question={question} me={me} view={view} />
      )}
      {phase === "leaderboard" && (
        <section className="stack rise">
          <h1>Standings</h1>
          <Leaders leaders={stage.leaders} {...(me === null ? {} : { mine: me })} />
        </section>
      )}
      {phase === "final" && <Final stage={stage} me={me} />}
    </>
  );
}

function Lobby({ stage, me }: { readonly stage: Stage; readonly me: Me | null }): ReactNode {
  return (
    <section className="poster rise">
      <h1 className="shout">
        You’re in
        {me !== null && <span className="poster__name" data-size={nameSize(me.name)}><bdi>{me.name}</bdi></span>}
      </h1>
      <p>
        {stage.players === 1 ? "You are the first one here." : `${stage.players} players are here.`} It starts when the host
        starts it. You may close this page and come back: your seat stays yours.
      </p>
    </section>
  );
}

function Final({ stage, me }: { readonly stage: Stage; readonly me: Me | null }): ReactNode {
  return (
    <section className="stack rise">
      {me !== null && me.rank > 0
        ? <h1 className="shout"><span className="poster__before">You came </span>{ordinal(me.rank)}</h1>
        : <h1 className="shout">That’s it</h1>}
      <Leaders leaders={stage.leaders} {...(me === null ? {} : { mine: me })} />
      <p><a className="button" href="/">To the start page</a></p>
    </section>
  );
}

function phaseWords(stage: Stage, phase: StagePhase): string {
  const { question } = stage;
  switch (phase) {
    case "get_ready":
      return question === null ? "" : `Get ready. Question ${question.index + 1}: ${question.text}`;
    case "question": {
      if (question === null) return "";
      const choices = question.choices.map((text, index) => `${LETTERS[index] ?? ""}: ${text}`).join(". ");
      return `Question ${question.index + 1}: ${question.text} ${choices}`;
    }
    case "leaderboard":
      return "Standings";
    case "final":
      return "The quiz is over.";
    case "lobby":
    case "reveal":
      return "";
  }
}

export function ordinal(rank: number): string {
  const [tens, ones] = [rank % 100, rank % 10];
  const ending = tens >= 11 && tens <= 13 ? "th" : (["th", "st", "nd", "rd"][ones] ?? "th");
  return `${rank}${ending}`;
}
