// @vitest-environment node
import { expect, test } from "vitest";
import { applyPatch } from "../src/index";

test("top-level fields replace, the roster merges and null removes", () => {
  const before = { phase: "lobby", question: { index: 0, text: "?" }, roster: { a: { score: 1 }, b: { score: 2 } } };
  const copy = structuredClone(before);

  const after = applyPatch("quiz/1", before, { question: { index: 1 }, roster: { b: null, c: { score: 0 } } });

  expect(after).toEqual({ phase: "lobby", question: { index: 1 }, roster: { a: { score: 1 }, c: { score: 0 } } });
  expect(before).toEqual(copy);
});

test("what is not an object changes nothing, and nothing becomes something", () => {
  expect(applyPatch("x", { a: 1 }, "noise")).toEqual({ a: 1 });
  expect(applyPatch("x", null, { a: 1 })).toEqual({ a: 1 });
});
