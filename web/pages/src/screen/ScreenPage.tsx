import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { useSession } from "@holdfast/react";
import { wordsFor } from "../shared/api";
import { useEdges, useWakeLock } from "../shared/hooks";
import { spokenCode } from "../shared/names";
import { edgesOf, phaseAt } from "../shared/phase";
import type { Look } from "../shared/phase";
import { openDesk, stageOf } from "../shared/session";
import { Recovery, StatusStrip } from "../shared/StatusStrip";
import type { StagePhase } from "../shared/types";
import { ScreenFace } from "./ScreenFace";

const screenLooks: Partial<Record<StagePhase, Look>> = { lobby: "accent", get_ready: "ink", final: "accent" };

/** For a projector: everybody reads it, nobody touches it. */
export function ScreenPage({ event }: { readonly event: string }): ReactNode {
  const [desk] = useState(() => openDesk(event, "screen", null));
  useEffect(() => desk.run(), [desk]);
  const state = useSession(desk.session);
  const stage = stageOf(desk);
  const now = useEdges(desk.now, edgesOf(stage));
  const phase = stage === null ? null : phaseAt(stage, now);
  useWakeLock(true);
  const isOut = stage === null || phase === null || (state.status === "ended" && stage.phase !== "final");
  const isAsking = stage?.question != null && phase !== "lobby" && phase !== "final";
  return (
    <div className="page screen" data-look={isOut ? undefined : screenLooks[phase]}>
      <header className="top">
        <strong className="clip screen__title" title={stage?.title}>{stage?.title ?? "Holdfast"}</strong>
        {isAsking && <span className="screen__number">{stage.question.index + 1}/{stage.questions}</span>}
        <StatusStrip session={desk.session} texts={{ safe: "The quiz runs on; only this screen is offline." }} />
        {stage !== null && phase !== "lobby" && <b className="screen__code">{spokenCode(stage.code)}</b>}
      </header>
      <main data-phase={phase ?? "join"}>
        {state.status === "replaced" && (
          <p className="row">
            The projector is open in another tab.
            <button
              type="button"
              className="button"
              data-testid="play-here"
              onClick={() => desk.session.takeBack()}
            >
              Show here
            </button>
          </p>
        )}
        {isOut && state.status !== "replaced" && (
          <Recovery
            session={desk.session}
            failed={state.error === null ? "The quiz could not be reached." : wordsFor(state.error)}
            joinAgain="To the start page"
            onJoinAgain={() => location.assign("/")}
          />
        )}
        {!isOut && <ScreenFace stage={stage} phase={phase} now={desk.now} />}
      </main>
    </div>
  );
}
