// @vitest-environment node
import { expect, test } from "vitest";
import { NARROW_MESSAGES_MAX, OUTBOX_MESSAGES_MAX } from "../src/bounds";
import { Outbox } from "../src/outbox";
import { randomName } from "../src/platform";
import type { Platform } from "../src/platform";
import { SafeStore } from "../src/store";
import type { Database } from "./table";
import { World } from "./world";

/* Where messages are, and whether they survive: log (localStorage) and table (IndexedDB). */

function build() {
  const world = new World({ hasDatabase: true });
  const database = world.database as Database;
  const page = (extra: Partial<Platform> = {}): Outbox => {
    const platform = { ...world.tab().platform, ...extra };
    const outbox = new Outbox({
      store: new SafeStore(platform.storage()), name: "quiz", platform,
      newStream: () => randomName(platform), wall: () => world.now,
    });
    outbox.watch();
    return outbox;
  };
  const killed = (): Outbox => page({ openTable: () => new Promise(() => undefined) });
  return { world, database, page, killed };
}

const bodies = (outbox: Outbox): unknown[] => outbox.messages.map(({ body }) => body);

function outcomeOf<T>(promise: Promise<T>): { value?: T } {
  const outcome: { value?: T } = {};
  void promise.then((value) => { outcome.value = value; });
  return outcome;
}

test("what comes up in one turn is one transaction; it is kept when that is through, and then out of the log", async () => {
  const { world, database, page } = build();
  const outbox = page();
  await world.pass(10);

  const { id, isKept } = outbox.add("a");
  outbox.add("b");
  const kept = outcomeOf(outbox.whenKept(id));
  expect(isKept).toBeNull();
  expect(world.storage.items.size).toBe(2);
  await world.pass(1);
  expect(kept).toEqual({});
  await world.pass(10);

  expect(kept).toEqual({ value: true });
  expect(outbox.messages).toMatchObject([{ isKept: true, state: "queued" }, { isKept: true }]);
  expect(database.commits.map((commit) => Object.keys(commit).length)).toEqual([2]);
  expect(world.storage.items.size).toBe(0);
  expect(database.rows.size).toBe(2);
});

test("a tab that is killed right after the tap loses nothing", async () => {
  const { world, database, page, killed } = build();
  killed().add("a");

  const after = page();
  expect(bodies(after)).toEqual(["a"]);
  await world.pass(20);

  expect(database.rows.size).toBe(1);
  expect(world.storage.items.size).toBe(0);
});

test("a removal that a killed tab had no time for is made up for", async () => {
  const { world, database, page } = build();
  const before = page();
  before.add("a");
  await world.pass(20);
  database.isHanging = true;
  before.settle(before.stream, 1);
  database.isHanging = false;

  const after = page();
  await world.pass(20);

  expect(bodies(after)).toEqual([]);
  expect([database.rows.size, world.storage.items.size]).toEqual([0, 0]);
});

test("what an earlier version of the page left in localStorage is taken along", async () => {
  const { world, database, page } = build();
  const key = "holdfast:quiz:out:earlier-version:1";
  const text = JSON.stringify({ id: "earlier-version.1", body: "a", at: 1, wasSent: true });
  world.storage.setItem(key, text);

  const outbox = page();
  expect(outbox.messages).toMatchObject([{ body: "a", state: "sending", isInherited: true }]);
  await world.pass(20);

  expect([...database.rows]).toEqual([[key, text]]);
  expect(world.storage.items.size).toBe(0);
});

test("a page load inherits from the table", async () => {
  const { world, page } = build();
  page().add("a");
  await world.pass(20);

  const after = page();
  expect(after.messages).toEqual([]);
  await world.pass(20);

  expect(after.messages).toMatchObject([{ body: "a", isKept: true, isInherited: true }]);
});

test.each(["refused", "missing"])("a database that is %s leaves localStorage", async (how) => {
  const { world, database, page } = build();
  database.refusal = new DOMException("private mode", "SecurityError");
  const outbox = how === "missing" ? page({ openTable: () => Promise.reject(new Error("none")) }) : page();

  const early = outcomeOf(outbox.whenKept(outbox.add("a").id));
  await world.pass(10);
  const late = outbox.add("b");

  expect(early).toEqual({ value: true });
  expect(late.isKept).toBe(true);
  expect(bodies(page())).toEqual(["a", "b"]);
  outbox.settle(outbox.stream, 2);
  expect(world.storage.items.size).toBe(0);
});

test("a database that does not open is waited for two seconds, and taken up when it comes after all", async () => {
  const { world, database, page } = build();
  page().add("left behind");
  await world.pass(20);
  let letIn = (): void => undefined;
  const blocked = new Promise<void>((resolve) => { letIn = resolve; });
  const outbox = page({ openTable: (lost) => blocked.then(() => database.open(lost)) });
  const ready = outcomeOf(outbox.refresh().then(() => world.now));
  const kept = outcomeOf(outbox.whenKept(outbox.add("a").id));

  await world.pass(5_000);
  expect(ready.value).toBe(2_020);
  expect(kept).toEqual({ value: true });
  for (let n = 1; n < NARROW_MESSAGES_MAX; n += 1) outbox.add(n);
  expect(() => outbox.add("more")).toThrow(/100 messages/);
  outbox.discard(outbox.messages[0]?.id ?? "");
  expect(world.storage.items.size).toBe(NARROW_MESSAGES_MAX - 1);
  letIn();
  await world.pass(20);

  expect(bodies(outbox).slice(0, 2)).toEqual(["left behind", 1]);
  expect(world.storage.items.size).toBe(0);
  for (let n = outbox.messages.length; n < OUTBOX_MESSAGES_MAX; n += 1) outbox.add(n);
  expect(() => outbox.add("more")).toThrow(/1000 messages/);
});

test("a database that hangs is given up, and the log says what is kept", async () => {
  const { world, database, page } = build();
  const outbox = page();
  await world.pass(20);
  database.isHanging = true;

  const kept = outcomeOf(outbox.whenKept(outbox.add("a").id));
  await world.pass(20_000);
  expect(kept).toEqual({ value: true });
  expect(outbox.add("b").isKept).toBe(true);
  const refreshed = outcomeOf(outbox.refresh());
  await world.pass(10);

  expect(refreshed).toEqual({ value: undefined });
  expect(world.storage.items.size).toBe(2);
});

test("a full database leaves messages in the log; what is removed makes room for them", async () => {
  const { world, database, page } = build();
  database.rowsMax = 2;
  const outbox = page();
  for (const body of ["a", "b"]) outbox.add(body);
  await world.pass(20);

  const kept = outcomeOf(outbox.whenKept(outbox.add("c").id));
  await world.pass(20);
  expect(kept).toEqual({ value: true });
  expect(world.storage.items.size).toBe(1);
  outbox.settle(outbox.stream, 2);
  await world.pass(20);

  expect(world.storage.items.size).toBe(0);
  expect([...database.rows.keys()]).toEqual([`holdfast:quiz:out:${outbox.stream}:3`]);
});

test("a removal is not held up by a message that there is no room for", async () => {
  const { world, database, page } = build();
  database.rowsMax = 1;
  const outbox = page();
  outbox.add("a");
  await world.pass(20);

  outbox.settle(outbox.stream, 1);
  outbox.add("b");
  await world.pass(20);

  expect([...database.rows.keys()]).toEqual([`holdfast:quiz:out:${outbox.stream}:2`]);
  expect(outbox.messages).toMatchObject([{ body: "b", isKept: true }]);
});

test("a message that is settled while the full database refuses it is gone from the log", async () => {
  const { world, database, page } = build();
  database.rowsMax = 0;
  const outbox = page();
  await world.pass(20);
  outbox.add("a");
  await world.pass(1);

  outbox.settle(outbox.stream, 1);
  await world.pass(20);

  expect([database.rows.size, world.storage.items.size]).toEqual([0, 0]);
});

test("what changes while it is being written stays in the log until the change is written too", async () => {
  const { world, database, page } = build();
  const outbox = page();
  await world.pass(20);
  const { id } = outbox.add("a");
  await world.pass(1);
  outbox.replace(id, "b");

  await world.pass(2);
  expect([...database.rows.values()]).toMatchObject([expect.stringContaining('"a"')]);
  expect([...world.storage.items.values()]).toMatchObject([expect.stringContaining('"b"')]);
  expect(outbox.messages).toMatchObject([{ isKept: null }]);
  await world.pass(20);

  expect([...database.rows.values()]).toMatchObject([expect.stringContaining('"b"')]);
  expect(world.storage.items.size).toBe(0);
});

test("what another tab has logged later is not written over", async () => {
  const { world, database, page } = build();
  const first = page();
  const { id } = first.add("a");
  await world.pass(20);
  const heir = page();
  await world.pass(20);
  first.add("other");
  await world.pass(1);
  first.replace(id, "b");
  heir.markSent(id);

  await world.pass(20);

  expect(JSON.parse(database.rows.get(`holdfast:quiz:out:${first.stream}:1`) ?? "")).toMatchObject({ wasSent: true });
});

test("where nothing can be kept the page goes on, and says so", async () => {
  const { world, database, page } = build();
  database.rowsMax = 0;
  world.storage.isBroken = true;
  const outbox = page();
  const kept = outcomeOf(outbox.whenKept(outbox.add("a").id));
  await world.pass(20);

  expect(kept).toEqual({ value: false });
  expect(outbox.messages).toMatchObject([{ body: "a", isKept: false }]);
  database.rowsMax = 5;
  outbox.add("b");
  await world.pass(20);

  expect(outbox.messages).toMatchObject([{ isKept: true }, { isKept: true }]);
});

test("a database that is cleared under a page is opened again and filled", async () => {
  const { world, database, page } = build();
  const outbox = page();
  outbox.add("a");
  await world.pass(20);

  database.clear();
  expect(outbox.add("b").isKept).toBe(true);
  void outbox.refresh();
  await world.pass(20);

  expect(database.opens).toBe(2);
  expect(database.rows.size).toBe(2);
  expect(outbox.takeVanished()).toEqual([]);
  expect(bodies(outbox)).toEqual(["a", "b"]);
});

test("a tab sees what another has settled, sent and numbered anew, also long after it left the log", async () => {
  const { world, page } = build();
  const first = page();
  const [a, b, c] = ["a", "b", "c"].map((body) => first.add(body));
  await world.pass(20);
  const heir = page();
  await world.pass(20);
  expect(bodies(heir)).toEqual(["a", "b", "c"]);

  heir.settle(first.stream, 1);
  heir.markSent(b?.id ?? "");
  await world.pass(20);

  expect(first.replace(b?.id ?? "", "B")).toBe(false);
  expect(first.withdraw(b?.id ?? "")).toBe(false);
  expect(first.replace(c?.id ?? "", "C")).toBe(true);
  expect(first.takeVanished()).toMatchObject([{ id: a?.id }]);
  heir.renew(() => true);
  await world.pass(20);
  await Promise.all([first.refresh(), world.pass(20)]);
  expect(first.takeVanished()).toMatchObject([{ body: "b" }, { body: "C" }]);
  expect(first.messages).toEqual([]);
});

test("a tab that was frozen sees it when it looks", async () => {
  const { world, page } = build();
  const frozen = page({ watchStorage: () => () => undefined });
  frozen.add("a");
  await world.pass(20);
  const heir = page();
  await world.pass(20);
  heir.settle(frozen.stream, 1);
  await world.pass(20);
  expect(frozen.takeVanished()).toEqual([]);

  await Promise.all([frozen.refresh(), world.pass(20)]);

  expect(frozen.takeVanished()).toMatchObject([{ body: "a" }]);
});

test("a message whose time is over is dropped if it was never sent, and the hole is closed", async () => {
  const { world, database, page } = build();
  const outbox = page();
  const sent = outbox.add("sent", 1_000);
  outbox.markSent(sent.id);
  outbox.add("late", 1_000);
  outbox.add("later", 3_000);
  expect(outbox.nextExpiryAt).toBe(1_000);
  await world.pass(999);
  expect(outbox.expire(false)).toEqual([]);
  await world.pass(1);

  expect(outbox.expire(false)).toMatchObject([{ body: "late" }]);
  expect(outbox.messages).toMatchObject([{ body: "sent", seq: 1 }, { body: "later", seq: 2 }]);
  await world.pass(20);
  expect(database.rows.size).toBe(2);
});

test("of two tabs only one drops a message whose time is over", async () => {
  const { world, page } = build();
  const owner = page();
  for (const [body, ttlMs] of [["a", 1_000], ["b", null]] as const) owner.add(body, ttlMs);
  await world.pass(20);
  const heir = page();
  await world.pass(980);

  expect(heir.expire(false)).toEqual([]);
  expect(owner.expire(false)).toMatchObject([{ body: "a" }]);
  await world.pass(1_000);
  expect(heir.expire(false)).toEqual([]);
  expect(heir.nextExpiryAt).toBe(Infinity);

  expect(heir.takeVanished()).toMatchObject([{ body: "a" }]);
  expect(heir.messages).toMatchObject([{ body: "b", seq: 1, state: "queued" }]);
});
