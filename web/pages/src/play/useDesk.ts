import { useEffect, useState } from "react";
import { useSession } from "@holdfast/react";
import type { SessionState } from "@holdfast/client";
import { codeOf } from "../shared/api";
import { isAnswerBody } from "../shared/phase";
import { meOf, openDesk, stageOf } from "../shared/session";
import type { Desk } from "../shared/session";
import { isRecord } from "../shared/store";
import type { CommittedAnswer, Me, Stage } from "../shared/types";

/** Replies to answers by question, also to those that an earlier page load sent. */
export interface Replies {
  readonly answers: Readonly<Record<number, CommittedAnswer>>;
  /** Refused, with what the server said. */
  readonly refused: Readonly<Record<number, number>>;
}

export interface PlayerDesk {
  readonly desk: Desk;
  readonly state: SessionState;
  readonly stage: Stage | null;
  readonly me: Me | null;
  readonly replies: Replies;
  readonly answer: (question: number, choices: readonly number[], took: number) => void;
}

export function usePlayerDesk(event: string, key: string | null): PlayerDesk {
  const [replies, setReplies] = useState<Replies>({ answers: {}, refused: {} });
  const committed = (question: number, data: unknown): void => {
    if (!isCommitted(data)) return;
    setReplies((last) => ({ ...last, answers: { ...last.answers, [question]: data } }));
  };
  const refused = (question: number, code: number): void => {
    setReplies((last) => ({ ...last, refused: { ...last.refused, [question]: code } }));
  };
  const [desk] = useState(() => openDesk(event, "player", key, {
    onReply: (_stream, _seq, reply, body) => {
      if (!isAnswerBody(body)) return;
      if (reply.kind === "ok") committed(body.question, reply.data);
      else refused(body.question, reply.error.code);
    },
  }));
  useEffect(() => desk.run(), [desk]);
  const state = useSession(desk.session);

  const answer = (question: number, choices: readonly number[], took: number): void => {
    const body = { do: "answer", question, choices, took_ms: took };
    const waiting = state.outbox.find((message) => isAnswerBody(message.body) && message.body.question === question);
    if (waiting !== undefined) {
      desk.session.replace(waiting.id, body);
      return;
    }
    desk.session.send(body).then(
      (reply) => committed(question, reply),
      (error: unknown) => refused(question, codeOf(error) ?? 0),
    );
  };
  return { desk, state, stage: stageOf(desk), me: meOf(desk), replies, answer };
}

function isCommitted(data: unknown): data is CommittedAnswer {
  return isRecord(data) && typeof data["question"] === "number" && Array.isArray(data["choices"]) &&
    typeof data["effective_ms"] === "number";
}
