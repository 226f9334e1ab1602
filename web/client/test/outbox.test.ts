// @vitest-environment node
import { expect, test } from "vitest";
import { MESSAGE_BYTES_MAX, NARROW_MESSAGES_MAX } from "../src/bounds";
import { OutboxFullError } from "../src/index";
import { Outbox } from "../src/outbox";
import { randomName } from "../src/platform";
import { SafeStore } from "../src/store";
import { World } from "./world";

function page(world: World, name = "quiz"): Outbox {
  const { platform } = world.tab();
  return new Outbox({
    store: new SafeStore(world.storage), name, newStream: () => randomName(platform), wall: () => world.now,
  });
}

test("an earlier page load's messages are inherited, under their own stream", () => {
  const world = new World();
  const before = page(world);
  before.add("a");
  before.markSent(before.add("b").id);

  const after = page(world);

  expect(after.stream).not.toBe(before.stream);
  expect(after.messages).toMatchObject([
    { stream: before.stream, seq: 1, body: "a", wasSent: false, isInherited: true },
    { stream: before.stream, seq: 2, body: "b", wasSent: true, isInherited: true },
  ]);
});

test("sessions of other names see nothing of each other", () => {
  const world = new World();
  page(world, "a").add(1);

  expect(page(world, "a:out").messages).toEqual([]);
  expect(page(world, "b").messages).toEqual([]);
});

test("settling removes from storage, and other pages see it", () => {
  const world = new World();
  const before = page(world);
  before.add("a");
  before.add("b");
  const heir = page(world);

  heir.settle(before.stream, 1);

  expect(before.takeVanished()).toMatchObject([{ body: "a" }]);
  expect(before.messages).toMatchObject([{ body: "b", seq: 2 }]);
});

test("withdrawing closes the hole, in storage too", () => {
  const world = new World();
  const outbox = page(world);
  const [, b] = ["a", "b", "c", "d"].map((body) => outbox.add(body));

  outbox.withdraw(b?.id ?? "");

  const numbers = (each: Outbox) => each.messages.map(({ seq, body }) => [seq, body]);
  expect(numbers(outbox)).toEqual([[1, "a"], [2, "c"], [3, "d"]]);
  expect(numbers(page(world))).toEqual(numbers(outbox));
  expect(outbox.add("e")).toMatchObject({ seq: 4 });
  expect(new Set(outbox.messages.map(({ id }) => id)).size).toBe(4);
});

test("what another tab has sent meanwhile can no longer be changed", () => {
  const world = new World();
  const outbox = page(world);
  const { id } = outbox.add("a");
  const heir = page(world);
  heir.markSent(id);

  expect(outbox.replace(id, "b")).toBe(false);
  expect(outbox.withdraw(id)).toBe(false);
});

test("a message is bounded, and so are their number and their sum", () => {
  const outbox = page(new World());

  expect(() => outbox.add("x".repeat(MESSAGE_BYTES_MAX))).toThrow(/bytes, and/);
  expect(() => outbox.add(undefined)).toThrow(TypeError);
  for (let n = 0; n < NARROW_MESSAGES_MAX; n += 1) outbox.add(n);
  expect(() => outbox.add("one more")).toThrow(OutboxFullError);

  const heavy = page(new World());
  for (let n = 0; n < 4; n += 1) heavy.add("x".repeat(60_000));
  expect(() => heavy.add("x".repeat(60_000))).toThrow(OutboxFullError);
  expect(heavy.messages).toHaveLength(4);
});

test("a body is kept as it was when it was given", () => {
  const outbox = page(new World());
  const body = { list: [1] };
  outbox.add(body);

  body.list.push(2);

  expect(outbox.messages[0]?.body).toEqual({ list: [1] });
});

test("damaged entries are left alone", () => {
  const world = new World();
  const { stream } = page(world);
  for (const [seq, text] of [[1, "{"], [2, "{}"], [3, "null"], [4, '{"id":1}']]) {
    world.storage.setItem(`holdfast:quiz:out:${stream}:${seq}`, String(text));
  }

  expect(page(world).messages).toEqual([]);
});
