// @vitest-environment node
import { expect, test } from "vitest";
import { exponentialSchedule, quickSchedule } from "../src/index";

const middle = (): number => 0.5;

test("the usual delays are 1, 2, 4, 8, 16, 30, 30 … seconds, ten times", () => {
  const schedule = exponentialSchedule({ random: middle });

  const delays = Array.from({ length: 11 }, (_, attempt) => schedule(attempt, 0));

  expect(delays).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30, 30].map((s) => s * 1_000).concat([null as never]));
});

test.each([[0, 0.75], [0.999_999, 1.25]])("jitter with chance %d stays within a quarter", (chance, share) => {
  const schedule = exponentialSchedule({ random: () => chance });

  expect(schedule(3, 0)).toBeCloseTo(8_000 * share, 0);
});

test("without jitter chance is not asked", () => {
  const schedule = exponentialSchedule({ jitter: false, random: () => { throw new Error("asked"); } });

  expect(schedule(2, 0)).toBe(4_000);
});

test("the quick schedule tries at once, then up to three seconds apart, then gives up by time", () => {
  const schedule = quickSchedule({ random: middle });

  expect([0, 1, 2, 3, 4, 5, 9].map((attempt) => Math.round(schedule(attempt, 1_000) ?? -1)))
    .toEqual([125, 500, 800, 1_280, 2_048, 3_000, 3_000]);
  expect(schedule(30, 60_000)).toBe(33_750);
  expect(schedule(39, 359_999)).toBe(3_751);
  expect(schedule(39, 360_000)).toBeNull();
});
