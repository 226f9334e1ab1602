// @vitest-environment node
import { describe, expect, test } from "vitest";
import { answerView, edgesOf, isTimeOver, noteFor, phaseAt, timerMarks, verdictOf } from "../src/shared/phase";
import type { AnswerFacts } from "../src/shared/phase";
import type { Me, Stage } from "../src/shared/types";

const stage: Stage = {
  event: "e", code: "482913", title: "T", questions: 2, timing: "fair", locked: false, phase: "get_ready", players: 2,
  arrivals: [], host: "connected", answered: 0, reveal: null, leaders: [],
  question: {
    index: 0, text: "?", choices: ["a", "b"], multiple: false, points: 1_000, limit_ms: 20_000,
    opens_at: 1_000, closes_at: 21_000, waiting: 0,
  },
};
const me: Me = { seat: "s", name: "Ada", score: 0, rank: 1, active: true, removed: false, answer: null, result: null };
const facts: AnswerFacts = { question: 0, me, outbox: [], replied: null, isRefused: false, isConnected: true };
const body = { do: "answer", question: 0, choices: [1], took_ms: 900 };

describe("phase", () => {
  test("choices open by the clock, without a frame", () => {
    expect(phaseAt(stage, 999)).toBe("get_ready");
    expect(phaseAt(stage, 1_000)).toBe("question");
  });
  test("a frame is believed also when the own clock is behind", () => {
    expect(phaseAt({ ...stage, phase: "question" }, 0)).toBe("question");
  });
  test("never goes further than the server said", () => {
    expect(phaseAt({ ...stage, phase: "question" }, 99_000)).toBe("question");
    expect(phaseAt({ ...stage, phase: "lobby", question: null }, 99_000)).toBe("lobby");
    expect(isTimeOver(stage, 21_000)).toBe(true);
    expect(edgesOf(stage)).toEqual([1_000, 21_000]);
    expect(edgesOf(null)).toEqual([]);
  });
});

describe("answer", () => {
  test("given while offline: saved, and changeable until it was sent", () => {
    const pending = { id: "m", body, wasSent: false, isKept: true };
    const saved = answerView({ ...facts, outbox: [pending], isConnected: false });
    expect(saved).toMatchObject({ kind: "saved", choices: [1], changeableId: "m" });
    expect(noteFor(saved, true, false)).toContain("Saved on this phone, sends by itself");
    const sent = answerView({ ...facts, outbox: [{ ...pending, wasSent: true }], isConnected: false });
    expect(sent.changeableId).toBeNull();
  });
  test("is not called saved before it is, nor when it cannot be", () => {
    const kinds = [null, true, false].map((isKept) =>
      answerView({ ...facts, outbox: [{ id: "m", body, wasSent: false, isKept }], isConnected: false }));
    expect(kinds.map(({ kind }) => kind)).toEqual(["saving", "saved", "held"]);
    const [saving, , held] = kinds.map((view) => noteFor(view, false, false));
    expect(saving).not.toContain("Saved");
    expect(held).toContain("Keep this page open");
  });
  test("an answer to another question is not this one", () => {
    expect(answerView({ ...facts, question: 1, outbox: [{ id: "m", body, wasSent: false, isKept: true }] }).kind).toBe("none");
  });
  test("what was committed is shown, whatever waits", () => {
    const answer = { question: 0, choices: [0], effective_ms: 4_200 };
    const view = answerView({ ...facts, me: { ...me, answer }, outbox: [{ id: "m", body, wasSent: true, isKept: true }] });
    expect(view).toMatchObject({ kind: "sent", choices: [0], effectiveMs: 4_200 });
    expect(noteFor(view, true, false)).toBe("You’re back. Your answer counted at 4.2\u00a0s.");
    expect(noteFor(view, false, false)).toBe("Answer sent at 4.2\u00a0s.");
    expect(answerView({ ...facts, replied: answer }).kind).toBe("sent");
  });
  test("too late is told kindly", () => {
    const view = answerView({ ...facts, isRefused: true });
    expect(view.kind).toBe("refused");
    expect(noteFor(view, true, false)).toContain("You lose nothing");
  });
});

describe("verdict", () => {
  const withResult = (correct: boolean, points: number, counted = true): Me =>
    ({ ...me, result: { question: 0, correct, points, counted } });
  test.each([
    [withResult(true, 900), "right"],
    [withResult(false, 500), "partly"],
    [withResult(false, 0), "wrong"],
    [withResult(false, 0, false), "none"],
    [me, "none"],
    [null, "none"],
  ] as const)("%#", (of, kind) => {
    expect(verdictOf(of, 0).kind).toBe(kind);
  });
  test("a result of another question is not told", () => {
    expect(verdictOf(withResult(true, 900), 1).kind).toBe("none");
  });
});

test("a timer speaks at half, ten and five seconds", () => {
  expect(timerMarks(30_000)).toEqual([15, 10, 5]);
  expect(timerMarks(20_000)).toEqual([10, 5]);
  expect(timerMarks(5_000)).toEqual([3]);
});
