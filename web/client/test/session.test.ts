// @vitest-environment node
import { expect, test } from "vitest";
import { HoldfastError, Session } from "../src/index";
import type { SessionOptions } from "../src/index";
import { FakeServer } from "./server";
import { World } from "./world";
import type { Tab } from "./world";

function build() {
  const world = new World();
  const server = new FakeServer(world);
  const open = (tab: Tab = world.tab(), extra: Partial<SessionOptions> = {}): Session => {
    const session = new Session({
      url: "ws://here/ws", name: "quiz", auth: () => ({ as: "tester" }), platform: tab.platform, ...extra,
    });
    session.start();
    return session;
  };
  return { world, server, open };
}

/** Keeps what a promise came to, so that a test can look at it later. */
function outcomeOf(promise: Promise<unknown>): { value?: unknown; error?: unknown } {
  const outcome: { value?: unknown; error?: unknown } = {};
  promise.then((value) => { outcome.value = value; }, (error: unknown) => { outcome.error = error; });
  return outcome;
}

test("a message is answered and acknowledged", async () => {
  const { world, server, open } = build();
  const session = open();
  expect(session.state.status).toBe("connecting");
  await world.pass(50);

  const answer = outcomeOf(session.send({ say: "hi" }));
  expect(session.state.pending).toBe(1);
  await world.pass(20);

  expect(answer).toEqual({ value: { n: 1 } });
  expect(session.state).toMatchObject({
    status: "open", pending: 0, lostAt: null, channels: { room: { count: 0, say: "hi" }, "@me": {} },
  });
  expect(server.handled).toEqual([{ say: "hi" }]);
});

test("the application's refusal rejects with its code", async () => {
  const { world, open } = build();
  const session = open();
  await world.pass(50);

  const answer = outcomeOf(session.send({ refuse: "too late" }));
  await world.pass(20);

  expect(answer.error).toBeInstanceOf(HoldfastError);
  expect(answer.error).toMatchObject({ code: 10_000, name: "REFUSED", message: "too late" });
});

test("what is sent while offline arrives once, in order, after the return", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.isDown = true;
  server.cut();
  await world.pass(10);
  expect(session.state.status).toBe("reconnecting");

  const answers = ["a", "b", "c"].map((say) => outcomeOf(session.send({ say })));
  await world.pass(5_000);
  server.isDown = false;
  await world.pass(4_000);

  expect(server.handled).toEqual([{ say: "a" }, { say: "b" }, { say: "c" }]);
  expect(answers.map(({ value }) => value)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  expect(session.state).toMatchObject({ status: "open", restoredCount: 1, pending: 0 });
});

test("a lost acknowledgement does not make a message count twice", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.loseAcks = true;

  const answer = outcomeOf(session.send({ say: "once" }));
  await world.pass(20);
  server.cut();
  server.loseAcks = false;
  await world.pass(1_000);

  expect(server.handled).toEqual([{ say: "once" }]);
  expect(answer).toEqual({ value: { n: 1 } });
});

test("a message without acknowledgement for 2 s, and silence for 2 s more, replace the transport", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.isSilent = true;

  const answer = outcomeOf(session.send({ say: "into the void" }));
  await world.pass(3_999);
  expect(server.attempts).toHaveLength(1);
  expect(session.state.status).toBe("open");
  server.isSilent = false;
  await world.pass(500);

  expect(server.attempts).toHaveLength(2);
  expect(answer).toEqual({ value: { n: 1 } });
});

test("silence of the heartbeat ends a connection", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.isSilent = true;

  await world.pass(25_000);

  expect(session.state.status).toBe("reconnecting");
});

test("a message that was never sent can be changed or taken back; a sent one cannot", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.isDown = true;
  server.cut();
  await world.pass(10);
  const first = outcomeOf(session.send({ say: "a" }));
  void session.send({ say: "b" });
  const third = outcomeOf(session.send({ say: "c" }));
  const [a, b, c] = session.state.outbox;

  expect(session.replace(a?.id ?? "", { say: "A" })).toBe(true);
  expect(session.withdraw(b?.id ?? "")).toBe(true);
  server.isDown = false;
  await world.pass(2_000);

  expect(server.handled).toEqual([{ say: "A" }, { say: "c" }]);
  expect([first, third]).toEqual([{ value: { n: 1 } }, { value: { n: 2 } }]);
  expect(session.replace(c?.id ?? "", { say: "C" })).toBe(false);
});

test("a page load brings the messages of an earlier one to their end", async () => {
  const { world, server, open } = build();
  const before = open();
  await world.pass(2_000);
  server.isDown = true;
  server.cut();
  await world.pass(10);
  void before.send({ say: "kept" });
  before.stop();
  server.isDown = false;

  const replies: unknown[] = [];
  const after = open(world.tab(), { events: { onReply: (_stream, seq, reply, body) => replies.push([seq, reply, body]) } });
  expect(after.state).toMatchObject({ pending: 1, hasSession: true });
  await world.pass(100);

  expect(server.handled).toEqual([{ say: "kept" }]);
  expect(replies).toEqual([[1, { kind: "ok", data: { n: 1 } }, { say: "kept" }]]);
  expect(after.state.pending).toBe(0);
  expect([...world.storage.items.keys()]).toEqual(["holdfast:quiz"]);
});

test("two tabs never collide, and each message counts once", async () => {
  const { world, server, open } = build();
  const first = open();
  await world.pass(2_000);
  server.isDown = true;
  server.cut();
  await world.pass(10);
  const one = outcomeOf(first.send({ say: "from one" }));
  const second = open(world.tab());
  const two = outcomeOf(second.send({ say: "from two" }));
  expect(world.storage.items.size).toBe(3);

  server.isDown = false;
  await world.pass(10_000);

  expect(server.handled).toHaveLength(2);
  expect([first.state.status, second.state.status].sort()).toEqual(["open", "replaced"]);
  const [quiet, mark] = first.state.status === "replaced" ? [first, one] : [second, two];
  quiet.takeBack();
  await world.pass(200);
  expect(quiet.state).toMatchObject({ status: "open", pending: 0 });
  expect("value" in mark).toBe(true);
  expect(server.handled).toHaveLength(2);
});

test("who is replaced stays quiet, through wake-ups too, until asked back", async () => {
  const { world, server, open } = build();
  const tab = world.tab();
  const first = open(tab);
  await world.pass(2_000);
  const second = open(world.tab());
  await world.pass(100);
  expect([first.state.status, second.state.status]).toEqual(["replaced", "open"]);

  tab.wake("online");
  tab.wake("visible");
  await world.pass(60_000);
  expect(first.state.status).toBe("replaced");
  first.takeBack();
  await world.pass(100);

  expect(first.state.status).toBe("open");
  expect(second.state.status).toBe("replaced");
  expect(server.openConnections).toBe(1);
});

test("a tab whose token another tab has used up takes the newer one", async () => {
  const { world, server, open } = build();
  const first = open();
  await world.pass(2_000);
  const second = open(world.tab());
  await world.pass(2_000);
  second.stop();
  await world.pass(100);

  first.takeBack();
  await world.pass(100);

  expect(first.state.status).toBe("open");
  expect(server.frames.filter(({ t }) => t === "hello")).toHaveLength(1);
});

test("an unknown session becomes a new one, and unsent messages go along", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  await Promise.all([session.send({ say: "before" }), world.pass(50)]);
  server.isDown = true;
  server.cut();
  await world.pass(10);
  const answer = outcomeOf(session.send({ say: "after" }));
  server.forgetSessions();
  server.isDown = false;

  await world.pass(3_000);

  expect(session.state.status).toBe("open");
  expect(answer).toEqual({ value: { n: 2 } });
  expect(server.handled).toEqual([{ say: "before" }, { say: "after" }]);
});

test("a message refused for now is sent again after the time that the server named", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  for (let n = 0; n < 2; n += 1) server.refuseNext({ code: 2001, name: "RATE_LIMIT_EXCEEDED", retry_after: 3 });

  const answers = ["a", "b", "c"].map((say) => outcomeOf(session.send({ say })));
  await world.pass(2_900);
  expect(server.handled).toEqual([]);
  await world.pass(200);

  expect(server.handled).toEqual([{ say: "a" }, { say: "b" }, { say: "c" }]);
  expect(answers.map(({ value }) => value)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
});

test("a message refused for good rejects, and those after it are handled", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.refuseNext({ code: 7002, name: "MALFORMED_FRAME" });

  const [bad, good] = ["bad", "good"].map((say) => outcomeOf(session.send({ say })));
  await world.pass(100);

  expect(bad?.error).toMatchObject({ code: 7002 });
  expect(good).toEqual({ value: { n: 1 } });
});

test("an event that is missing is asked for, and each comes once", async () => {
  const { world, server, open } = build();
  const events: unknown[] = [];
  open(world.tab(), { events: { onEvent: (_channel, data) => events.push(data) } });
  await world.pass(2_000);

  server.publish("room", 1);
  server.lose(1);
  for (const data of [2, 3, 4]) server.publish("room", data);
  await world.pass(100);

  expect(events).toEqual([1, 2, 3, 4]);
  expect(server.frames.filter(({ t }) => t === "sync")).toHaveLength(1);
});

test("a server that restarts names the earliest moment to come back", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  const tookPlaceAt = world.now;

  server.bye({ code: 6006, name: "SERVER_RESTARTING", again: true, retry_after: 2 });
  await world.pass(10_000);

  expect(session.state.status).toBe("open");
  expect((server.attempts[1] ?? 0) - tookPlaceAt).toBeGreaterThanOrEqual(2_000);
});

test("a refused session ends, and its promises do not hang", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.loseAcks = true;
  const answer = outcomeOf(session.send({ say: "x" }));

  server.bye({ code: 10_007, name: "SEAT_REMOVED", again: false });
  await world.pass(60_000);

  expect(session.state).toMatchObject({ status: "ended", error: { code: 10_007 } });
  expect(answer.error).toMatchObject({ code: 10_007 });
  expect(server.attempts).toHaveLength(1);
});

test("gives up after a minute of quick and ten slow attempts; the button and a wake-up revive it", async () => {
  const { world, server, open } = build();
  const tab = world.tab();
  const session = open(tab);
  await world.pass(2_000);
  server.isDown = true;
  server.cut();

  await world.pass(59_000);
  expect(session.state).toMatchObject({ status: "reconnecting", attempt: 0 });
  await world.pass(340_000);
  expect(session.state).toMatchObject({ status: "given_up", attempt: 10, nextAttemptAt: null });
  const tries = server.attempts.length;
  session.retryNow();
  expect(session.state.status).toBe("reconnecting");
  await world.pass(400_000);
  expect(session.state.status).toBe("given_up");
  expect(server.attempts.length).toBeGreaterThan(tries);
  server.isDown = false;
  tab.wake("online");
  await world.pass(50);

  expect(session.state).toMatchObject({ status: "open", restoredCount: 1 });
});

test.each(["online", "visible", "restored"] as const)("%s ends the wait between attempts", async (wakeup) => {
  const { world, server, open } = build();
  const tab = world.tab();
  const session = open(tab, { schedule: () => 30_000 });
  await world.pass(2_000);
  server.cut();
  await world.pass(100);
  expect(session.state.status).toBe("reconnecting");

  tab.wake(wakeup);
  await world.pass(50);

  expect(session.state.status).toBe("open");
});

test("a wake-up finds a dead socket within two seconds", async () => {
  const { world, server, open } = build();
  const tab = world.tab();
  const session = open(tab);
  await world.pass(3_000);
  server.isSilent = true;

  tab.wake("online");
  await world.pass(1_990);
  expect(session.state.status).toBe("open");
  server.isSilent = false;
  await world.pass(300);

  expect(session.state).toMatchObject({ status: "open", restoredCount: 1 });
});

test("a wake-up leaves a live socket alone", async () => {
  const { world, server, open } = build();
  const tab = world.tab();
  open(tab);
  await world.pass(3_000);

  for (const wakeup of ["offline", "online", "visible", "restored"] as const) tab.wake(wakeup);
  await world.pass(5_000);

  expect(server.attempts).toHaveLength(1);
});

test("the server's clock is known after joining", async () => {
  const { world, server, open } = build();
  const session = open();

  await world.pass(1_500);

  expect(session.now()).toBe(world.now + server.clockAhead);
});

test("listeners see whole states: never open without the channels", async () => {
  const { world, open } = build();
  const session = open();
  const seen: unknown[] = [];
  session.subscribe(() => seen.push([session.state.status, Object.keys(session.state.channels)]));

  await world.pass(100);

  expect(seen).toContainEqual(["open", ["@me", "room"]]);
  expect(seen).not.toContainEqual(["open", []]);
});

test("without storage everything works until the page is closed", async () => {
  const { world, server, open } = build();
  world.storage.isBroken = true;
  const session = open();
  await world.pass(2_000);

  server.cut();
  const answer = outcomeOf(session.send({ say: "x" }));
  await world.pass(1_000);

  expect(answer).toEqual({ value: { n: 1 } });
  expect(server.frames.filter(({ t }) => t === "hello")).toHaveLength(1);
});

test("storage that is cleared under a page costs nothing", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.isDown = true;
  server.cut();
  await world.pass(10);
  const answer = outcomeOf(session.send({ say: "x" }));
  world.storage.items.clear();

  server.isDown = false;
  await world.pass(3_000);

  expect(answer).toEqual({ value: { n: 1 } });
});

test("leaving ends the session for good", async () => {
  const { world, server, open } = build();
  const session = open();
  await world.pass(2_000);
  server.loseAcks = true;
  const answer = outcomeOf(session.send({ say: "x" }));

  session.leave();
  await world.pass(60_000);

  expect(session.state).toMatchObject({ status: "ended", hasSession: false, pending: 0 });
  expect(answer.error).toMatchObject({ code: 6008 });
  expect(world.storage.items.size).toBe(0);
  expect(world.timerCount).toBe(0);
});

test("a slow auth of a connection that is gone says nothing on the next", async () => {
  const { world, server, open } = build();
  const pending: (() => void)[] = [];
  open(world.tab(), { auth: () => new Promise((resolve) => pending.push(() => resolve({ as: "tester" }))) });
  await world.pass(100);
  server.cut();
  await world.pass(2_000);
  expect(pending.length).toBeGreaterThan(1);

  for (const resolve of pending) resolve();
  await world.pass(100);

  expect(server.frames.filter(({ t }) => t === "hello")).toHaveLength(1);
});
