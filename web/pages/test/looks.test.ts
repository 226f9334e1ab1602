import { expect, test } from "vitest";
import { lookOf } from "../src/shared/phase";
import { nameSize, sizeOf, tileSize } from "../src/shared/size";

test.each([
  ["lobby", "accent"], ["get_ready", "ink"], ["question", undefined], ["reveal", "right"],
  ["leaderboard", undefined], ["final", "accent"], [null, undefined],
] as const)("a page in %s looks %s", (phase, look) => {
  expect(lookOf(phase, "right")).toBe(look);
});

test("what is short is set big and what is long is set small, counted in characters", () => {
  expect([60, 61, 140, 141].map((length) => sizeOf("x".repeat(length)))).toEqual(["short", "medium", "medium", "long"]);
  expect(tileSize("🎉".repeat(26))).toBe("short");
  expect(nameSize("W".repeat(40))).toBe("long");
});
