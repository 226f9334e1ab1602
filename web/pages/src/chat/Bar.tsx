import { useState } from "react";
import type { ReactNode } from "react";
import { useCountdown } from "@holdfast/react";
import { useAnnounced } from "../shared/Announcer";
import { Details } from "./Details";
import { count } from "./format";
import { useChat } from "./useChat";
import { gatewayWords, gradeOf, isUp, verdictOf } from "./verdict";

/** How everything does, in one line that is always there; pressed, it tells the rest. */
export function Bar(): ReactNode {
  const { board, state, session } = useChat();
  const [opened, setOpened] = useState<string | null>(null);
  const unsent = state.outbox.filter(({ body }) => (body as { do?: unknown }).do !== "read").length;
  const verdict = verdictOf(board, state.status, unsent);
  const seconds = useCountdown(state.nextAttemptAt);
  const isAway = state.status === "reconnecting" || state.status === "given_up";
  useAnnounced(verdict.mood === "busy" ? "" : verdict.words, true);
  return (
    <header className="health" data-mood={verdict.mood} data-testid="bar">
      <h1 className="unseen">Chat</h1>
      <button type="button" className="health__main" aria-expanded={opened !== null} aria-haspopup="dialog" data-testid="bar-open" onClick={() => setOpened("")}>
        <span className="health__gateways" aria-hidden="true">
          {(board?.gateways ?? []).filter(({ ours }) => ours).map((gateway) => (
            <span key={gateway.name} className="lamp" data-up={isUp(gateway)} data-grade={gradeOf(gateway)} title={`${gateway.name}: ${gatewayWords(gateway)}`} />
          ))}
        </span>
        <span className="health__words clip" data-testid="verdict">{verdict.words}</span>
        <span className="health__figures">
          {board !== null && board.queue.waiting > 0 && (
            <span className="chip" data-testid="waiting">{board.queue.waiting}<span className="chip__word"> waiting</span></span>
          )}
        </span>
      </button>
      {board !== null && board.errors.total > 0 && (
        <span className="health__errors" role="group" aria-label="Errors by category" data-testid="errors">
          <button type="button" className="chip chip--total" onClick={() => setOpened("")}>{count(board.errors.total, "error")}</button>
          {Object.entries(board.errors.by).map(([category, number]) => (
            <button
              key={category} type="button" className="chip chip--category" data-testid="error-category" data-category={category}
              aria-label={`${count(number, "error")} of category ${category}: what, when and what was done`} onClick={() => setOpened(category)}
            >
              {count(number, `${category} error`)}
            </button>
          ))}
        </span>
      )}
      {isAway && (
        <button type="button" className="health__retry" data-testid="reconnect" onClick={() => session.retryNow()}>
          Try now{seconds !== null && seconds > 0 ? ` (${Math.ceil(seconds)})` : ""}
        </button>
      )}
      {opened !== null && board !== null && <Details board={board} category={opened} onClose={() => setOpened(null)} />}
    </header>
  );
}
