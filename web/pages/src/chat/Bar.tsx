import { useState } from "react";
import type { ReactNode } from "react";
import { useCountdown } from "@holdfast/react";
import { useAnnounced } from "../shared/Announcer";
import { Details } from "./Details";
import { count } from "./format";
import { useChat } from "./useChat";
import { gatewayWords, isUp, verdictOf } from "./verdict";

/** How everything does, in one line that is always there; pressed, it tells the rest. */
export function Bar(): ReactNode {
  const { board, state, session } = useChat();
  const [isOpen, setIsOpen] = useState(false);
  const unsent = state.outbox.filter(({ body }) => (body as { do?: unknown }).do !== "read").length;
  const verdict = verdictOf(board, state.status, unsent);
  const seconds = useCountdown(state.nextAttemptAt);
  const isAway = state.status === "reconnecting" || state.status === "given_up";
  useAnnounced(verdict.mood === "busy" ? "" : verdict.words, true);
  return (
    <header className="bar" data-mood={verdict.mood} data-testid="bar">
      <button type="button" className="bar__main" aria-expanded={isOpen} aria-haspopup="dialog" data-testid="bar-open" onClick={() => setIsOpen(true)}>
        <span className="bar__gateways" aria-hidden="true">
          {(board?.gateways ?? []).filter(({ ours }) => ours).map((gateway) => (
            <span key={gateway.name} className="lamp" data-up={isUp(gateway)} data-grade={gateway.grade} title={`${gateway.name}: ${gatewayWords(gateway)}`} />
          ))}
        </span>
        <span className="bar__words clip" data-testid="verdict">{verdict.words}</span>
        <span className="bar__figures">
          {board !== null && board.queue.waiting > 0 && (
            <span className="chip" data-testid="waiting">{board.queue.waiting}<span className="chip__word"> waiting</span></span>
          )}
          {board !== null && board.errors.total > 0 && (
            <span className="chip chip--errors" data-testid="errors">{count(board.errors.total, "error")}</span>
          )}
        </span>
      </button>
      {isAway && (
        <button type="button" className="bar__retry" data-testid="reconnect" onClick={() => session.retryNow()}>
          Try now{seconds !== null && seconds > 0 ? ` (${Math.ceil(seconds)})` : ""}
        </button>
      )}
      {isOpen && board !== null && <Details board={board} onClose={() => setIsOpen(false)} />}
    </header>
  );
}
