// @vitest-environment node
import { expect, test } from "vitest";
import { Session } from "../src/index";
import type { EndedMessage, MessageState, SessionOptions } from "../src/index";
import { FakeServer } from "./server";
import type { Database } from "./table";
import { World } from "./world";

/* What a page is told of a message, from the tap to its end. */

function build() {
  const world = new World({ hasDatabase: true });
  const server = new FakeServer(world);
  const open = (extra: Partial<SessionOptions> = {}): Session => {
    const session = new Session({
      url: "ws://here/ws", name: "quiz", auth: () => ({ as: "tester" }), platform: world.tab().platform, ...extra,
    });
    session.start();
    return session;
  };
  const cut = async (): Promise<void> => {
    server.isDown = true;
    server.cut();
    await world.pass(10);
  };
  return { world, server, open, cut, database: world.database as Database };
}

function statesOf(session: Session): MessageState[] {
  const seen: MessageState[] = [];
  session.subscribe(() => {
    const latest = session.state.outbox[0]?.state ?? session.state.ended.at(-1)?.state;
    if (latest !== undefined && latest !== seen.at(-1)) seen.push(latest);
  });
  return seen;
}

test("queued, sending, delivered", async () => {
  const { world, server, open, cut } = build();
  const session = open();
  await world.pass(2_000);
  await cut();
  const seen = statesOf(session);

  const sending = session.send({ say: "a" });
  expect(session.state.outbox).toMatchObject([{ id: sending.id, state: "queued", isKept: null }]);
  await world.pass(20);
  expect(session.state.outbox).toMatchObject([{ isKept: true }]);
  expect(await sending.kept).toBe(true);
  server.isDown = false;
  await world.pass(3_000);

  expect(seen).toEqual(["queued", "sending", "delivered"]);
  expect(session.state.ended).toMatchObject([{ id: sending.id, body: { say: "a" }, error: null }]);
  expect(await sending).toEqual({ n: 1 });
});

test("a message that was not sent in its time expires, and what follows it arrives", async () => {
  const { world, server, open, cut } = build();
  const told: EndedMessage[] = [];
  const session = open({ events: { onEnded: (message) => told.push(message) } });
  await world.pass(2_000);
  await cut();
  const seen = statesOf(session);

  const late = session.send({ say: "late" }, { ttlMs: 1_500 }).catch((error: unknown) => error);
  const after = session.send({ say: "after" });
  await world.pass(1_600);
  expect(session.state.outbox).toMatchObject([{ body: { say: "after" }, seq: 1 }]);
  expect(seen).toEqual(["queued"]);
  server.isDown = false;
  await world.pass(5_000);

  expect(await late).toMatchObject({ code: 5001, details: { state: "expired" } });
  expect(await after).toEqual({ n: 1 });
  expect(server.handled).toEqual([{ say: "after" }]);
  expect(told).toMatchObject([{ state: "expired" }, { state: "delivered" }]);
});

test("one that expired while no page was open is not sent", async () => {
  const { world, server, open, cut } = build();
  const before = open();
  await world.pass(2_000);
  await cut();
  void before.send({ say: "late" }, { ttlMs: 1_000 }).catch(() => undefined);
  await world.pass(100);
  before.stop();
  await world.pass(2_000);
  server.isDown = false;

  const after = open();
  await world.pass(1_000);

  expect(server.handled).toEqual([]);
  expect(after.state).toMatchObject({ pending: 0, ended: [{ state: "expired", body: { say: "late" } }] });
});

test("what was sent does not expire", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.loseAcks = true;
  const answer = session.send({ say: "a" }, { ttlMs: 500 });
  await world.pass(600);
  expect(session.state.outbox).toMatchObject([{ state: "sending" }]);
  server.loseAcks = false;
  server.cut();
  await world.pass(1_000);

  expect(await answer).toEqual({ n: 1 });
});

test("refused for good is failed; refused by the application is delivered, with its error", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.refuseNext({ code: 7002, name: "MALFORMED_FRAME" });

  for (const body of [{ say: "bad" }, { refuse: "no" }]) session.send(body).catch(() => undefined);
  await world.pass(100);

  expect(session.state.ended).toMatchObject([
    { state: "failed", error: { code: 7002 } }, { state: "delivered", error: { code: 10_000 } },
  ]);
});

test("leaving fails what is left", async () => {
  const { world, open, cut, database } = build();
  const session = open();
  await world.pass(2_000);
  await cut();
  session.send({ say: "a" }).catch(() => undefined);
  session.send({ say: "b" }, { ttlMs: 10_000 }).catch(() => undefined);
  session.leave();
  await world.pass(100);

  expect(session.state.ended.map(({ state }) => state)).toEqual(["failed", "failed"]);
  expect([database.rows.size, world.storage.items.size, world.timerCount]).toEqual([0, 0, 0]);
});

test("what is not accepted is not kept", async () => {
  const { open } = build();
  const sending = open().send(undefined);

  await expect(sending).rejects.toThrow(TypeError);
  expect([sending.id, await sending.kept]).toEqual([null, false]);
});

test("the history is short", async () => {
  const { world, open } = build();
  const session = open();
  await world.pass(2_000);
  for (let n = 0; n < 60; n += 1) void session.send({ n });
  await world.pass(1_000);

  expect(session.state.ended.map(({ body }) => (body as { n: number }).n)).toEqual(Array.from({ length: 50 }, (_, n) => n + 10));
});

test("a database that hangs delays an opening by two seconds once, and nothing more", async () => {
  const { world, server, open, database } = build();
  database.isHanging = true;
  const session = open();
  await world.pass(2_100);
  expect(session.state.status).toBe("open");

  server.cut();
  await world.pass(500);

  expect(session.state).toMatchObject({ status: "open", restoredCount: 1 });
  expect(await Promise.all([session.send({ say: "a" }), world.pass(100)])).toMatchObject([{ n: 1 }, undefined]);
});

test("messages that a slow database brings late are sent after coming back once more", async () => {
  const { world, server, open, cut, database } = build();
  const before = open();
  await world.pass(2_000);
  await cut();
  void before.send({ say: "kept" });
  await world.pass(100);
  before.stop();
  server.isDown = false;
  let letIn = (): void => undefined;
  const slow = new Promise<void>((resolve) => { letIn = resolve; });
  const platform = { ...world.tab().platform, openTable: (lost: () => void) => slow.then(() => database.open(lost)) };

  const after = open({ platform });
  await world.pass(3_000);
  expect(after.state).toMatchObject({ status: "open", pending: 0 });
  expect(server.handled).toEqual([]);
  letIn();
  await world.pass(1_000);

  expect(server.handled).toEqual([{ say: "kept" }]);
  expect(after.state).toMatchObject({ status: "open", pending: 0 });
  expect(database.rows.size).toBe(0);
});

test("what another tab has sent cannot be changed by the tab that it replaced", async () => {
  const { world, server, open } = build();
  const first = open();
  await world.pass(2_000);
  open();
  await world.pass(2_000);
  expect(first.state.status).toBe("replaced");
  const sending = first.send({ say: "a" });
  await world.pass(100);
  server.cut();
  await world.pass(3_000);
  expect(server.handled).toEqual([{ say: "a" }]);

  expect(first.replace(sending.id ?? "", { say: "b" })).toBe(false);
  expect(first.withdraw(sending.id ?? "")).toBe(false);
  first.takeBack();
  await world.pass(1_000);

  expect(await sending).toEqual({ n: 1 });
  expect(first.state).toMatchObject({ status: "open", pending: 0 });
  expect(server.handled).toHaveLength(1);
});

test("a tab that heard of nothing sends what another left, after it has looked", async () => {
  const { world, server, open, cut } = build();
  const deaf = open({ platform: { ...world.tab().platform, watchStorage: () => () => undefined } });
  await world.pass(2_000);
  await cut();
  const other = open();
  void other.send({ say: "left behind" });
  await world.pass(100);
  other.stop();
  expect(deaf.state.pending).toBe(0);
  server.isDown = false;

  await world.pass(3_000);

  expect(deaf.state.status).toBe("open");
  expect(server.handled).toEqual([{ say: "left behind" }]);
});
