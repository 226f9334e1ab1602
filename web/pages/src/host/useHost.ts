import { useEffect, useState } from "react";
import { useSession } from "@holdfast/react";
import type { SessionState } from "@holdfast/client";
import { wordsFor } from "../shared/api";
import { hostKey } from "../shared/hostKeys";
import { openDesk, rosterOf, stageOf } from "../shared/session";
import type { Desk } from "../shared/session";
import type { Roster, Stage, StagePhase } from "../shared/types";

export interface HostDesk {
  readonly desk: Desk;
  readonly state: SessionState;
  readonly stage: Stage | null;
  readonly roster: Roster;
  readonly key: string | null;
  /** What the last order was refused for. */
  readonly problem: string;
  /** An order is on its way. */
  readonly isBusy: boolean;
  readonly next: (phase: StagePhase) => void;
  readonly skip: () => void;
  readonly end: () => void;
  readonly lock: (isLocked: boolean) => void;
  readonly remove: (seat: string) => void;
}

export function useHost(event: string): HostDesk {
  const [key] = useState(() => hostKey(event));
  const [desk] = useState(() => openDesk(event, "host", key));
  const [problem, setProblem] = useState("");
  useEffect(() => desk.run(), [desk]);
  const state = useSession(desk.session);
  const stage = stageOf(desk);
  const question = stage?.question?.index ?? -1;
  const isBusy = state.pending > 0;

  const order = (body: Readonly<Record<string, unknown>>): void => {
    // A second tap means the first one; while offline orders are not piled up.
    const text = JSON.stringify(body);
    if (state.outbox.some((message) => JSON.stringify(message.body) === text)) return;
    setProblem("");
    desk.session.send(body).catch((error: unknown) => setProblem(wordsFor(error)));
  };
  return {
    desk, state, stage, key, problem, isBusy,
    roster: rosterOf(desk),
    next: (phase) => order({ do: "next", phase, question: phase === "lobby" ? -1 : question }),
    skip: () => order({ do: "skip", question }),
    end: () => order({ do: "end" }),
    lock: (isLocked) => order({ do: "lock", locked: isLocked }),
    remove: (seat) => order({ do: "remove", seat }),
  };
}
