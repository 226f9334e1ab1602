// @vitest-environment node
import { expect, test } from "vitest";
import { emptyQuiz, errorsOf, isQuiz, moved, trimmed } from "../src/edit/draft";
import { countsOf, ordered, presenceOf } from "../src/shared/roster";
import type { Quiz, RosterEntry } from "../src/shared/types";

const good: Quiz = {
  title: "Capitals",
  questions: [{
    text: "France?", choices: [{ text: "Paris", correct: true }, { text: "Lyon", correct: false }],
    limit_ms: 20_000, points: 1_000, explanation: "",
  }],
};
const first = good.questions[0];

test("a good quiz has no errors", () => {
  expect(errorsOf(good).count).toBe(0);
});

test("an empty one says what is missing", () => {
  const errors = errorsOf(emptyQuiz());
  expect(errors.title).toBeDefined();
  expect(errors.questions[0]).toMatchObject({ text: "This is needed.", correct: "Mark at least one right answer." });
  expect(errors.count).toBe(7);
});

test.each([
  [{ limit_ms: 4_999 }, "limit"], [{ limit_ms: Number.NaN }, "limit"], [{ points: 2_001 }, "points"],
  [{ points: 1.5 }, "points"], [{ explanation: "x".repeat(301) }, "explanation"], [{ text: "x".repeat(301) }, "text"],
] as const)("%j is wrong in %s", (change, field) => {
  expect(first).toBeDefined();
  const errors = errorsOf({ ...good, questions: first === undefined ? [] : [{ ...first, ...change }] });
  expect(errors.questions[0]?.[field]).toBeDefined();
  expect(errors.count).toBe(1);
});

test("is sent trimmed, and a draft is checked before it is believed", () => {
  expect(trimmed({ ...good, title: "  Capitals " }).title).toBe("Capitals");
  expect(isQuiz(good)).toBe(true);
  expect(isQuiz({ title: "x", questions: [1] })).toBe(false);
  expect(moved([1, 2, 3], 0, 1)).toEqual([2, 1, 3]);
  expect(moved([1, 2, 3], 2, 1)).toEqual([1, 2, 3]);
});

test("a roster has a word for each state, and who is away comes first", () => {
  const entry = (name: string, state: RosterEntry["state"]): RosterEntry =>
    ({ name, state, since: 1_000, score: 0, answered: false });
  const roster = { a: entry("Ada", "connected"), b: entry("Bob", "temporarily_disconnected"), c: entry("Cy", "new") };
  expect(presenceOf(roster.b, 13_200).word).toBe("away 12 s");
  expect(presenceOf(roster.a, 0)).toEqual({ kind: "here", word: "here" });
  expect(ordered(roster).map(([seat]) => seat)).toEqual(["b", "c", "a"]);
  expect(countsOf(roster)).toEqual({ here: 1, away: 1, gone: 1, answered: 0 });
});
