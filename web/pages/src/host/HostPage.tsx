import type { ReactNode } from "react";
import { useAnnounced } from "../shared/Announcer";
import { wordsFor } from "../shared/api";
import { useEdges, useWakeLock } from "../shared/hooks";
import { spokenCode } from "../shared/names";
import { edgesOf, phaseAt } from "../shared/phase";
import { Recovery, StatusStrip } from "../shared/StatusStrip";
import { Controls } from "./Controls";
import { HostFace } from "./HostFace";
import { HostLinks } from "./HostLinks";
import { RosterList } from "./RosterList";
import { useHost } from "./useHost";

export function HostPage({ event }: { readonly event: string }): ReactNode {
  const host = useHost(event);
  const { desk, state, stage, roster } = host;
  const now = useEdges(desk.now, edgesOf(stage));
  const phase = stage === null ? null : phaseAt(stage, now);
  useWakeLock(phase !== null && phase !== "final");
  useAnnounced(host.problem);
  const isOut = stage === null || state.status === "ended";

  return (
    <div className="page hosting">
      <header className="top">
        <div className="head">
          <a className="brand" href="/">Holdfast</a>
          <strong className="clip">{stage?.title}</strong>
          {stage !== null && <span className="code">{spokenCode(stage.code)}</span>}
        </div>
        <StatusStrip
          session={desk.session}
          texts={{
            reconnecting: "You’re offline. The quiz runs to the reveal, then waits for you.",
            safe: "The quiz is safe on the server: it waits for you.",
            back: "You’re back.",
          }}
        />
      </header>
      {state.status === "replaced" && (
        <main className="centre" data-phase={phase ?? "join"}>
          <h1>You’re hosting in another tab</h1>
          <button
            type="button"
            className="button button--main"
            data-testid="play-here"
            onClick={() => desk.session.takeBack()}
          >
            Host here
          </button>
        </main>
      )}
      {state.status !== "replaced" && isOut && (
        <main className="centre" data-phase="join">
          <Recovery
            session={desk.session}
            failed={state.error === null ? "The quiz could not be reached." : wordsFor(state.error)}
            joinAgain="To the start page"
            onJoinAgain={() => location.assign("/")}
          />
        </main>
      )}
      {state.status !== "replaced" && stage !== null && phase !== null && !isOut && (
        <main className="host" data-phase={phase}>
          <div className="host__stage stack">
            <HostFace stage={stage} phase={phase} desk={desk} roster={roster} />
          </div>
          <aside className="host__side stack" aria-label="Players and links">
            {phase === "lobby" && <HostLinks stage={stage} hostKey={host.key} />}
            <RosterList host={host} phase={phase} />
            {phase !== "lobby" && <HostLinks stage={stage} hostKey={host.key} />}
          </aside>
        </main>
      )}
      <footer className="foot host__foot">
        {stage !== null && phase !== null && !isOut && state.status !== "replaced" && (
          <Controls host={host} stage={stage} phase={phase} />
        )}
      </footer>
    </div>
  );
}
