import type { CommittedAnswer, Me, Stage, StagePhase } from "./types";

/** The phase that a device shows: choices open by the session's clock, also before the frame comes. */
export function phaseAt(stage: Stage, now: number): StagePhase {
  const { phase, question } = stage;
  if (phase === "get_ready" && question !== null && now >= question.opens_at) return "question";
  return phase;
}

export function isTimeOver(stage: Stage, now: number): boolean {
  return stage.question !== null && now >= stage.question.closes_at;
}

/** Points in time at which a page has to look again. */
export function edgesOf(stage: Stage | null): readonly number[] {
  const question = stage?.question ?? null;
  return question === null ? [] : [question.opens_at, question.closes_at];
}

export interface AnswerBody {
  readonly do: "answer";
  readonly question: number;
  readonly choices: readonly number[];
  readonly took_ms: number;
}

export function isAnswerBody(body: unknown): body is AnswerBody {
  return typeof body === "object" && body !== null && (body as { do?: unknown }).do === "answer";
}

interface Pending {
  readonly id: string;
  readonly body: unknown;
  readonly wasSent: boolean;
  readonly isKept: boolean | null;
}

export interface AnswerView {
  readonly kind: "none" | "saving" | "saved" | "held" | "sending" | "sent" | "refused";
  readonly choices: readonly number[];
  readonly effectiveMs: number | null;
  /** Of the message that can still be changed. */
  readonly changeableId: string | null;
}

export interface AnswerFacts {
  readonly question: number;
  readonly me: Me | null;
  readonly outbox: readonly Pending[];
  /** The reply to a message of this page, which may come before `@me` says the same. */
  readonly replied: CommittedAnswer | null;
  /** Refused by the server, for good. */
  readonly isRefused: boolean;
  readonly isConnected: boolean;
}

/** What became of this seat's answer to a question. */
export function answerView(facts: AnswerFacts): AnswerView {
  const committed = [facts.me?.answer, facts.replied].find((answer) => answer?.question === facts.question);
  if (committed) {
    return { kind: "sent", choices: committed.choices, effectiveMs: committed.effective_ms, changeableId: null };
  }
  for (const message of facts.outbox) {
    const { body } = message;
    if (!isAnswerBody(body) || body.question !== facts.question) continue;
    return {
      kind: facts.isConnected ? "sending" : savedOrNot(message.isKept),
      choices: body.choices,
      effectiveMs: null,
      changeableId: message.wasSent ? null : message.id,
    };
  }
  return { kind: facts.isRefused ? "refused" : "none", choices: [], effectiveMs: null, changeableId: null };
}

/** Nothing is called saved that closing the page would lose. */
function savedOrNot(isKept: boolean | null): "saving" | "saved" | "held" {
  if (isKept === null) return "saving";
  return isKept ? "saved" : "held";
}

export function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}

export function countedWords(effectiveMs: number): string {
  return `Your answer counted at ${seconds(effectiveMs)}\u00a0s.`;
}

export function noteFor(view: AnswerView, wasSaved: boolean, multiple: boolean): string {
  switch (view.kind) {
    case "none":
      return multiple ? "Several may be right: choose, then send." : "";
    case "saved":
      return view.changeableId === null
        ? "Saved on this phone, sends by itself"
        : "Saved on this phone, sends by itself. You can still change it.";
    case "saving":
      return "Saving…";
    case "held":
      return "This phone could not save it. Keep this page open: it sends by itself.";
    case "sending":
      return "Sending…";
    case "sent": {
      if (view.effectiveMs === null) return "Answer sent.";
      return wasSaved
        ? `You’re back. ${countedWords(view.effectiveMs)}`
        : `Answer sent at ${seconds(view.effectiveMs)}\u00a0s.`;
    }
    case "refused":
      return "That arrived after the answer was shown, so it could not count. You lose nothing.";
  }
}

export interface Verdict {
  readonly kind: "right" | "partly" | "wrong" | "none";
  readonly title: string;
  readonly points: number;
}

/** What a player is told at the reveal. */
export function verdictOf(me: Me | null, question: number): Verdict {
  const result = me?.result ?? null;
  const hasAnswered = me?.answer?.question === question;
  if (result === null || result.question !== question) {
    return { kind: "none", title: hasAnswered ? "Your answer is in" : "No answer this time", points: 0 };
  }
  if (!result.counted) {
    return { kind: "none", title: hasAnswered ? "That did not count" : "No answer this time", points: result.points };
  }
  if (result.correct) return { kind: "right", title: "Right!", points: result.points };
  if (result.points > 0) return { kind: "partly", title: "Partly right", points: result.points };
  return { kind: "wrong", title: "Not this time", points: 0 };
}

export type Look = "accent" | "ink" | Verdict["kind"];

/** The colour of a player's page in a phase; none: plain paper. */
export function lookOf(phase: StagePhase | null, verdict: Verdict["kind"]): Look | undefined {
  switch (phase) {
    case "lobby":
    case "final":
      return "accent";
    case "get_ready":
      return "ink";
    case "reveal":
      return verdict;
    case "question":
    case "leaderboard":
    case null:
      return undefined;
  }
}

/** Seconds left at which a timer speaks, by its length. */
export function timerMarks(limitMs: number): readonly number[] {
  const half = Math.round(limitMs / 2_000);
  return [...new Set([half, 10, 5])].filter((mark) => mark * 1_000 < limitMs).sort((a, b) => b - a);
}
