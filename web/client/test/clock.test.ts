// @vitest-environment node
import { expect, test } from "vitest";
import { ServerClock } from "../src/clock";

function build() {
  const local = { at: 0 };
  const clock = new ServerClock({ monotonic: () => local.at, wall: () => 77 });
  const sample = (up: number, down: number, ahead: number): void => {
    const n = clock.ping();
    const serverNow = local.at + up + ahead;
    local.at += up + down;
    clock.pong(n, serverNow);
  };
  return { local, clock, sample };
}

test("before any sample the device's own time is used", () => {
  expect(build().clock.now()).toBe(77);
});

test("the sample with the shortest round trip counts", () => {
  const { local, clock, sample } = build();

  sample(400, 20, 10_000);
  sample(10, 10, 10_000);
  sample(20, 300, 10_000);

  expect(clock.now() - local.at).toBe(10_000);
  expect(clock.rtt).toBe(20);
});

test("a clock that was moved throws out what was learnt before", () => {
  const { local, clock, sample } = build();
  sample(5, 5, 10_000);

  sample(50, 50, 90_000);

  expect(clock.now() - local.at).toBe(90_000);
});

test("only the last eight samples count", () => {
  const { clock, sample } = build();
  sample(1, 1, 0);

  for (let n = 0; n < 8; n += 1) sample(30, 30, 0);

  expect(clock.rtt).toBe(60);
});

test("a pong that nobody asked for says nothing", () => {
  const { clock } = build();

  clock.pong(9, 123_456);

  expect(clock.now()).toBe(77);
});
