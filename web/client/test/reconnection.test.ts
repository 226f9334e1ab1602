// @vitest-environment node
import { expect, test } from "vitest";
import { exponentialSchedule, Reconnection } from "../src/index";
import type { ReconnectionState, Schedule } from "../src/index";
import { World } from "./world";

function build(schedule: Schedule = exponentialSchedule({ jitter: false })) {
  const world = new World();
  const attempts: number[] = [];
  const states: ReconnectionState[] = [];
  const reconnection = new Reconnection({
    schedule,
    platform: world.tab().platform,
    attempt: () => attempts.push(world.now),
    changed: (state) => states.push(state),
  });
  return { world, attempts, states, reconnection };
}

test("attempts follow the schedule and end with giving up", async () => {
  const { world, attempts, reconnection } = build(exponentialSchedule({ jitter: false, maxAttempts: 3 }));

  reconnection.lost();
  for (let second = 0; second < 20; second += 1) {
    await world.pass(1_000);
    reconnection.failed();
  }

  expect(attempts).toEqual([1_000, 3_000, 7_000]);
  expect(reconnection.state).toEqual({ kind: "given_up", attempt: 3 });
  expect(world.timerCount).toBe(0);
});

test("there are never two attempts at once", async () => {
  const { world, attempts, reconnection } = build();

  reconnection.lost();
  reconnection.tryNow();
  reconnection.tryNow();
  reconnection.lost();
  await world.pass(60_000);

  expect(attempts).toEqual([0]);
});

test("trying now after giving up begins a new outage", async () => {
  const { world, attempts, reconnection } = build(exponentialSchedule({ jitter: false, maxAttempts: 1 }));
  reconnection.lost();
  await world.pass(1_000);
  reconnection.failed();
  expect(reconnection.state.kind).toBe("given_up");

  reconnection.tryNow();
  reconnection.failed();
  expect(reconnection.state.kind).toBe("given_up");
  reconnection.tryNow();
  reconnection.succeeded();

  expect(reconnection.state.kind).toBe("idle");
  expect(attempts).toHaveLength(3);
});

test("the server's retry_after is a floor, also for the user's button", async () => {
  const { world, attempts, reconnection } = build();

  reconnection.lost(5_000);
  await world.pass(2_000);
  reconnection.tryNow();
  await world.pass(2_999);
  expect(attempts).toEqual([]);
  await world.pass(1);

  expect(attempts).toEqual([5_000]);
});

test("a connection that holds for less than a second does not start the schedule anew", async () => {
  const { world, attempts, reconnection } = build();
  reconnection.lost();

  for (let turn = 0; turn < 4; turn += 1) {
    await world.pass(10_000);
    reconnection.succeeded();
    reconnection.lost();
  }

  // Waits of 1, 2, 4, 8 s, each from the moment of the loss.
  expect(attempts).toEqual([1_000, 12_000, 24_000, 38_000]);
});

test("attempts of the quiet phase are not counted", async () => {
  const schedule = Object.assign(() => 1_000, { quietMs: 2_500 });
  const { world, reconnection } = build(schedule);
  reconnection.lost();

  const shown: number[] = [];
  for (let turn = 0; turn < 4; turn += 1) {
    await world.pass(1_000);
    if (reconnection.state.kind === "attempting") shown.push(reconnection.state.attempt);
    reconnection.failed();
  }

  expect(shown).toEqual([0, 0, 0, 1]);
});
