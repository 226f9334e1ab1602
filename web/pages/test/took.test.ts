// @vitest-environment node
import { expect, test } from "vitest";
import { originOf, paintKey, tookMs } from "../src/shared/took";

test("from the first paint to the tap", () => {
  const origin = originOf(null, 1_000_000, 500);
  expect(tookMs(origin, 4_700.4)).toBe(4_200);
});

test("a reload goes on counting", () => {
  // Painted 3 s ago by the wall clock; this page has been there for 100 ms.
  const origin = originOf(997_000, 1_000_000, 100);
  expect(tookMs(origin, 1_300)).toBe(4_200);
});

test("a device clock that was set back does not make it negative", () => {
  expect(tookMs(originOf(2_000_000, 1_000_000, 100), 350)).toBe(250);
  expect(tookMs(500, 400)).toBe(0);
});

test("nothing painted, nothing thought", () => {
  expect(tookMs(null, 9_000)).toBe(0);
});

test("a question that opens anew is measured anew", () => {
  expect(paintKey("e", 1, 5)).not.toBe(paintKey("e", 1, 6));
});
