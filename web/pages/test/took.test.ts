// @vitest-environment node
import { expect, test } from "vitest";
import { originOf, tookMs } from "../src/shared/took";
import type { Paint } from "../src/shared/took";

const painted = (at: number): Paint => ({ question: 2, opensAt: 900_000, at });

test("nothing painted, nothing thought", () => {
  expect(originOf(null, 2, 900_000, 1_000_000, 500)).toBeNull();
  expect(tookMs(null, 9_000)).toBe(0);
});

test("from the first paint to the tap, in whole milliseconds", () => {
  expect(tookMs(500, 4_700.4)).toBe(4_200);
});

test("a reload goes on counting", () => {
  // Painted 3 s ago by the wall clock; this page has been there for 100 ms.
  const origin = originOf(painted(997_000), 2, 900_000, 1_000_000, 100);
  expect(tookMs(origin, 1_300)).toBe(4_200);
});

test("time in which the server was dead is nobody's thinking", () => {
  const origin = originOf(painted(990_000), 2, 900_000 + 7_000, 1_000_000, 100);
  expect(tookMs(origin, 100)).toBe(3_000);
});

test("another question is measured anew", () => {
  expect(originOf(painted(997_000), 3, 950_000, 1_000_000, 100)).toBeNull();
});

test("a device clock that was set back does not make it negative", () => {
  expect(tookMs(originOf(painted(2_000_000), 2, 900_000, 1_000_000, 100), 350)).toBe(250);
  expect(tookMs(500, 400)).toBe(0);
});
