import { expect, test } from "vitest";
import { keepTells, keptTells, lineOf, LINES_MAX, parseTalk, talkOf, withLine } from "../src/bridge/lines";
import type { Line } from "../src/bridge/lines";
import { readPlace } from "../src/bridge/place";

const heard = (params: Record<string, unknown>, method = "channel_message"): Line | null =>
  lineOf({ method, params: { event_id: 7, channel: "ale", from_mud: "Old Keep", from_user: "bo", visname: "Bo", message: "hi", ...params } }, "Ann", "Harbour");
const mine = (id: string, more: Partial<Line> = {}): Line => ({
  id, talk: "ale", from: "Ann", mud: "Harbour", text: "hi", isGesture: false, isMine: true, at: 1, fate: "sending", ...more,
});
const own = { from_mud: "Harbour", from_user: "ann", visname: "Ann" };

test("a tell for somebody else on this MUD is not shown", () => {
  expect(heard({ to_user: "zoe" }, "tell_received")).toBeNull();
  expect(heard({ to_user: "ANN" }, "tell_received")?.talk).toBe("bo@Old Keep");
});

test("what is no line makes none", () => {
  expect(heard({}, "mud_online")).toBeNull();
});

test("an event that comes again, or is in the history as well, is shown once", () => {
  const line = heard({ line_id: 5 })!;
  const lines = withLine(withLine([], line), heard({ line_id: 5, event_id: 8 })!);
  expect(lines).toEqual([line]);
});

test("one's own line comes back as an event and is the one that was written", () => {
  const lines = withLine(withLine([], mine("x")), heard({ ...own, line_id: 5 })!);
  expect(lines.map(({ id, fate }) => [id, fate])).toEqual([["line-5", "sent"]]);
});

test("two lines of one text stay two", () => {
  let lines = withLine(withLine([], mine("x")), mine("y", { at: 2 }));
  lines = withLine(lines, heard({ ...own, line_id: 5 })!);
  lines = withLine(lines, heard({ ...own, line_id: 6 })!);
  expect(lines.map(({ id }) => id)).toEqual(["line-5", "line-6"]);
});

test("one's own gesture is known again with the name before it", () => {
  const written = mine("x", { isGesture: true, text: "waves" });
  const lines = withLine([written], heard({ ...own, line_id: 5, message: "Ann@Harbour waves" }, "channel_emote")!);
  expect(lines).toHaveLength(1);
});

test("the oldest lines go when there are too many", () => {
  let lines: readonly Line[] = [];
  for (let number = 0; number <= LINES_MAX; number += 1) lines = withLine(lines, mine(String(number), { text: String(number) }));
  expect(lines).toHaveLength(LINES_MAX);
  expect(lines[0]?.id).toBe("1");
});

test("a talk is a channel, or somebody on a MUD whose name has what it likes", () => {
  expect(parseTalk("ale")).toBeNull();
  expect(parseTalk(talkOf("Bo", "Old@Keep"))).toEqual({ user: "bo", mud: "Old@Keep" });
});

test("tells are there after a reload, lines of channels come from the history", () => {
  keepTells([mine("x"), mine("y", { talk: "bo@Old Keep" })]);
  expect(keptTells().map(({ id }) => id)).toEqual(["y"]);
  sessionStorage.setItem("holdfast-bridge-tells", "{nonsense");
  expect(keptTells()).toEqual([]);
});

test("the key of a link is taken out of the address and kept for this tab", () => {
  location.hash = "#key=secret-key&name=ann&channel=tavern";
  const place = readPlace();
  expect(place).toEqual({ key: "secret-key", name: "ann", channel: "tavern" });
  expect(location.hash).toBe("");
  expect(readPlace()).toEqual(place);
});
