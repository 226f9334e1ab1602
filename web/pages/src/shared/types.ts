/** What the server says, as in docs/protocol/quiz.md. */
export type StagePhase = "lobby" | "get_ready" | "question" | "reveal" | "leaderboard" | "final";

export interface StageQuestion {
  readonly index: number;
  readonly text: string;
  readonly choices: readonly string[];
  readonly multiple: boolean;
  readonly points: number;
  readonly limit_ms: number;
  readonly opens_at: number;
  readonly closes_at: number;
  readonly waiting: number;
}

export interface Reveal {
  readonly correct: readonly number[];
  readonly counts: readonly number[];
  readonly explanation: string;
}

export interface Leader {
  readonly seat: string;
  readonly name: string;
  readonly score: number;
  readonly rank: number;
}

export interface Stage {
  readonly event: string;
  readonly code: string;
  readonly title: string;
  readonly questions: number;
  readonly timing: "fair" | "server_clock" | "no_speed";
  readonly locked: boolean;
  readonly phase: StagePhase;
  readonly players: number;
  readonly arrivals: readonly string[];
  readonly host: "connected" | "disconnected";
  readonly question: StageQuestion | null;
  readonly answered: number;
  readonly reveal: Reveal | null;
  readonly leaders: readonly Leader[];
}

export interface CommittedAnswer {
  readonly question: number;
  readonly choices: readonly number[];
  readonly effective_ms: number;
}

export interface Result {
  readonly question: number;
  readonly correct: boolean;
  readonly points: number;
  readonly counted: boolean;
}

export interface Me {
  readonly seat: string;
  readonly name: string;
  readonly score: number;
  readonly rank: number;
  readonly active: boolean;
  readonly removed: boolean;
  readonly answer: CommittedAnswer | null;
  readonly result: Result | null;
}

export interface RosterEntry {
  readonly name: string;
  readonly state: "connected" | "temporarily_disconnected" | "disconnected" | "new";
  readonly since: number;
  readonly score: number;
  readonly answered: boolean;
}

export type Roster = Readonly<Record<string, RosterEntry>>;

export interface EventInfo {
  readonly event: string;
  readonly code: string;
  readonly title: string;
  readonly phase: StagePhase;
  readonly locked: boolean;
  readonly players: number;
  readonly you: { readonly seat: string; readonly name: string } | null;
  readonly host: boolean;
}

export interface SeatAnswer {
  readonly event: string;
  readonly code: string;
  readonly seat: string;
  readonly name: string;
}

export interface QuizSummary {
  readonly id: string;
  readonly title: string;
  readonly questions: number;
  readonly sample: boolean;
}

export interface RunningEvent {
  readonly event: string;
  readonly code: string;
  readonly title: string;
  readonly phase: StagePhase;
  readonly players: number;
}

export interface QuizChoice {
  readonly text: string;
  readonly correct: boolean;
}

export interface QuizQuestion {
  readonly text: string;
  readonly choices: readonly QuizChoice[];
  readonly limit_ms: number;
  readonly points: number;
  readonly explanation: string;
}

export interface Quiz {
  readonly title: string;
  readonly questions: readonly QuizQuestion[];
}

export const quizCodes = {
  EVENT_NOT_FOUND: 10001, NAME_TAKEN: 10002, NAME_INVALID: 10003, EVENT_LOCKED: 10004, EVENT_OVER: 10005,
  EVENT_FULL: 10006, SEAT_REMOVED: 10007, SEAT_UNKNOWN: 10008, NOT_THE_HOST: 10009, QUIZ_NOT_FOUND: 10010,
  QUIZ_INVALID: 10011, ANSWER_LATE: 10012, ANSWER_INVALID: 10013, NO_PLAYERS: 10014, TOO_MANY: 10015,
} as const;
