// @vitest-environment node
import { expect, test } from "vitest";
import { around, noLines, unheard, withLatest, withOlder } from "../src/chat/lines";
import type { Board, Gateway, Line } from "../src/chat/types";
import { gatewayWords, verdictOf } from "../src/chat/verdict";

const line = (number: number, more: Partial<Line> = {}): Line => ({
  id: `line-${number}`, number, from: "", text: `${number}`, sent: 0, received: 0, state: "queued", error: "", ...more,
});
const rows = (from: number, to: number): Line[] =>
  Array.from({ length: to - from + 1 }, (_, index) => line(from + index));
const numbers = (found: readonly Line[]): number[] => found.map(({ number }) => number);

test("the latest lines, older ones and changes are one list in order", () => {
  let lines = withLatest(noLines, { revision: 5, whole: true, rows: rows(61, 120), gone: [] });
  expect(lines.isFromStart).toBe(false);
  lines = withOlder(lines, { revision: 5, whole: false, rows: rows(1, 60), gone: [] });
  lines = withOlder(lines, { revision: 5, whole: false, rows: [], gone: [] });
  expect(lines.isFromStart).toBe(true);
  lines = withLatest(lines, { revision: 7, whole: false, rows: [line(121), line(120, { state: "read" })], gone: ["line-3"] });
  expect(numbers(lines.rows)).toEqual([1, 2, ...numbers(rows(4, 121))]);
  expect(lines.rows.at(-2)?.state).toBe("read");
  expect(lines.revision).toBe(7);
});

test("around a line that was searched for, what comes later is not put in", () => {
  const some = around(noLines, { revision: 5, whole: false, rows: rows(1, 40), gone: [] }, 500);
  expect(some.isToEnd).toBe(false);
  const after = withLatest(some, { revision: 6, whole: false, rows: [line(501), line(40, { state: "read" })], gone: [] });
  expect(numbers(after.rows)).toEqual(numbers(rows(1, 40)));
  expect(after.rows.at(-1)?.state).toBe("read");
});

test("two people may use one id; each line stays", () => {
  const lines = withLatest(noLines, { revision: 1, whole: true, rows: [line(1), line(2, { id: "line-1", from: "bob" })], gone: [] });
  expect(lines.rows).toHaveLength(2);
});

test("what the program has not heard is shown until it is among its lines", () => {
  const said = (id: string, to = "bob") => ({ body: { do: "say", id, to, text: "hi" } }) as never;
  const lines = withLatest(noLines, { revision: 1, whole: true, rows: [line(1, { id: "known" })], gone: [] });
  const found = unheard("bob", lines, [said("known"), said("new"), said("other", "carol")], [], 0);
  expect(found.map(({ id, state }) => [id, state])).toEqual([["new", "waiting"]]);
});

const gateway = (more: Partial<Gateway> = {}): Gateway => ({
  name: "a:1", state: "connected", grade: "good", score: 1, usual_ms: 12, breaker: "closed", ours: true, proven: null,
  deposits: 0, failures: 0, trouble: "", ...more,
});
const down = gateway({ state: "reconnecting" });
const board = (gateways: readonly Gateway[], waiting = 0, atGateway = 0, failing = 0): Board => ({
  revision: 1, me: [], hidden: {}, roster: {}, gateways, errors: { total: 0, by: {} }, plain: { on: false, reason: "" },
  queue: { waiting, by_priority: {}, at_gateway: atGateway, failing, next: null, oldest: null }, mode: "direct", demo: false,
});

test.each([
  [board([gateway(), gateway()]), "open", "good", "All well: 2 of 2 gateways connected"],
  [board([gateway(), down]), "open", "amber", "1 of 2 gateways connected"],
  [board([down, down], 3), "open", "red", "No gateway can be reached. 3 messages wait"],
  [board([down], 1), "open", "red", "1 message waits and will go by itself"],
  [board([gateway({ breaker: "open" })], 1), "open", "amber", "The gateways take nothing for now. 1 message waits"],
  [board([gateway({ breaker: "open" })]), "open", "good", "1 of 1 gateway connected"],
  [board([gateway()], 2, 0), "open", "busy", "Sending 2 messages"],
  [board([gateway()], 1, 1), "open", "good", "1 message at a gateway, until its reader is there"],
  [{ ...board([gateway()]), plain: { on: true, reason: "" } }, "open", "amber", "Sending the plain way"],
  [board([gateway()]), "reconnecting", "red", "The program on this computer does not answer"],
  [board([gateway({ state: "disconnected" })]), "open", "good", "Ready."],
  [board([]), "open", "good", "Ready."],
  [board([gateway({ state: "disconnected" })], 1), "open", "red", "No gateway can be reached"],
  [board([gateway()], 2, 0, 1), "open", "amber", "1 message could not be left at a gateway yet, and is tried again."],
  [board([gateway()], 1, 1, 3), "open", "good", "1 message at a gateway"],
  [null, "connecting", "busy", "Looking for the program"],
] as const)("the bar says the worst that is true (%#)", (shown, status, mood, words) => {
  const verdict = verdictOf(shown, status, 0);
  expect(verdict.mood).toBe(mood);
  expect(verdict.words).toContain(words);
});

test("a gateway that belongs to a contact only does not worry anybody", () => {
  expect(verdictOf(board([gateway(), { ...down, ours: false }]), "open", 0).mood).toBe("good");
  expect(gatewayWords(gateway())).toBe("connected, good, 12 ms");
  expect(gatewayWords(gateway({ breaker: "open" }))).toBe("connected, left alone for a while after failures");
  const trouble = "The proxy 127.0.0.1:9050 cannot be reached: Connection refused.";
  expect(gatewayWords(gateway({ state: "reconnecting", trouble }))).toBe(`reconnecting: ${trouble}`);
});
