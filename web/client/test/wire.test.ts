// @vitest-environment node
import { expect, test } from "vitest";
import { encode, parse, readReply, WireError } from "../src/wire";

test("one message may carry several frames; unknown types and fields are skipped", () => {
  const text = '{"t":"ping","n":1,"later":true}\n{"t":"from_the_future"}\n\n{"t":"left","ch":"room"}\n';

  expect(parse(text)).toEqual([{ t: "ping", n: 1 }, { t: "left", ch: "room" }]);
});

test.each([
  "", "null", "[]", "{}", '{"t":7}', '{"t":"ping"}', '{"t":"ping","n":-1}', '{"t":"ping","n":1.5}', "{",
  '{"t":"event","ch":"room","o":"1","data":{}}', '{"t":"joined","ch":"room","epoch":"e","offset":1}',
  '{"t":"synced","channels":{"room":{"epoch":"e","offset":1,"events":[1]}}}', '{"t":"synced","channels":[]}',
].slice(1))("broken: %s", (text) => {
  expect(() => parse(text)).toThrow(WireError);
});

test("a snapshot of null is a snapshot", () => {
  const [frame] = parse('{"t":"joined","ch":"a","epoch":"e","offset":2,"snapshot":null,"reset":"gap"}');

  expect(frame).toEqual({
    t: "joined", ch: "a", replay: { epoch: "e", offset: 2, content: { kind: "snapshot", snapshot: null, reset: "gap" } },
  });
});

test("a reply is told from the application's own events", () => {
  expect(readReply({ seat: "7" })).toBeNull();
  expect(readReply({ re: { stream: "s", seq: 1 }, ok: null })).toMatchObject({ result: { kind: "ok", data: null } });
  expect(readReply({ re: { stream: "s", seq: 1 }, error: { code: 5, name: "N", message: "m" } }))
    .toMatchObject({ result: { kind: "error", error: { code: 5, name: "N", details: {} } } });
});

test("frames are separated by a line feed, which JSON never contains unescaped", () => {
  const text = encode({ t: "ping", n: 1 }, { t: "send", stream: "s", seq: 1, body: "a\nb" });

  expect(text.split("\n")).toHaveLength(2);
});
