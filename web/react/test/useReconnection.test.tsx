// @vitest-environment jsdom
import { act, cleanup, renderHook } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useReconnection } from "../src/index";
import type { UseReconnectionOptions } from "../src/index";
import { fakePlatform } from "./fakes";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const pass = (ms: number): Promise<void> =>
  act(async () => {
    await vi.advanceTimersByTimeAsync(ms);
  });

function render(onReconnect: () => Promise<boolean | void>, options: UseReconnectionOptions = {}, isStrict = false) {
  const { platform, wake } = fakePlatform();
  const hook = renderHook(
    ({ shouldReconnect }) => useReconnection(onReconnect, shouldReconnect, { platform, ...options }),
    { initialProps: { shouldReconnect: true }, ...(isStrict ? { wrapper: StrictMode } : {}) },
  );
  return { ...hook, wake };
}

test("the delays are 1, 2, 4, 8, 16, 30, 30 … seconds, and the tenth failure gives up", async () => {
  const begun: number[] = [];
  const start = Date.now();
  const { result } = render(async () => {
    begun.push((Date.now() - start) / 1_000);
    return false;
  });

  await pass(300_000);

  const delays = begun.map((at, index) => at - (begun[index - 1] ?? 0));
  expect(delays).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30, 30]);
  expect(result.current).toMatchObject({
    isReconnecting: false, attemptCount: 10, nextAttemptSeconds: 0, hasGivenUp: true,
  });
});

test("the countdown runs, and an attempt that runs shows none", async () => {
  let settle: (isBack: boolean) => void = () => undefined;
  const { result } = render(() => new Promise((resolve) => { settle = resolve; }));
  expect(result.current).toMatchObject({ isReconnecting: true, attemptCount: 0, nextAttemptSeconds: 1 });

  await pass(1_000);
  expect(result.current).toMatchObject({ attemptCount: 1, nextAttemptSeconds: 0 });
  await act(async () => settle(false));
  expect(result.current.nextAttemptSeconds).toBe(2);
  await pass(1_000);
  expect(result.current.nextAttemptSeconds).toBe(1);
  await pass(1_000);
  expect(result.current.attemptCount).toBe(2);
  await act(async () => settle(true));

  expect(result.current).toMatchObject({ isReconnecting: false, attemptCount: 0, hasGivenUp: false });
});

type Attempt = () => Promise<boolean | void>;
const outcomes: readonly (readonly [string, Attempt, number])[] = [
  ["resolving to nothing", async () => undefined, 1],
  ["resolving to true", async () => true, 1],
  ["resolving to false", async () => false, 3],
  ["rejecting", () => Promise.reject(new Error("no")), 3],
  ["throwing", () => { throw new Error("no"); }, 3],
];

test.each(outcomes)("an attempt %s", async (_how, attempt, calls) => {
  const onReconnect = vi.fn(attempt);
  render(onReconnect);

  await pass(7_500);

  expect(onReconnect).toHaveBeenCalledTimes(calls);
});

test("nothing happens until there is something to reconnect, and nothing after", async () => {
  const onReconnect = vi.fn(async () => false);
  const { rerender, result } = render(onReconnect);
  rerender({ shouldReconnect: false });
  await pass(60_000);
  expect(onReconnect).not.toHaveBeenCalled();
  expect(result.current.isReconnecting).toBe(false);

  rerender({ shouldReconnect: true });
  await pass(1_000);
  rerender({ shouldReconnect: false });
  await pass(60_000);

  expect(onReconnect).toHaveBeenCalledTimes(1);
});

test("retryNow tries at once, but never twice at a time", async () => {
  const onReconnect = vi.fn(() => new Promise<boolean>(() => undefined));
  const { result } = render(onReconnect);

  await act(async () => {
    result.current.retryNow();
    result.current.retryNow();
  });
  await pass(60_000);

  expect(onReconnect).toHaveBeenCalledTimes(1);
});

test("after giving up, retryNow, reset and a wake-up revive it", async () => {
  const onReconnect = vi.fn(async () => false);
  const { result, wake } = render(onReconnect, { maxAttempts: 1 });
  await pass(1_000);
  expect(result.current.hasGivenUp).toBe(true);

  await act(async () => result.current.retryNow());
  expect(onReconnect).toHaveBeenCalledTimes(2);
  await pass(2_000);
  expect(result.current.hasGivenUp).toBe(true);
  act(() => result.current.reset());
  expect(result.current).toMatchObject({ hasGivenUp: false, isReconnecting: true, attemptCount: 0 });
  await pass(1_000);
  expect(result.current.hasGivenUp).toBe(true);
  await act(async () => wake("offline"));
  const calls = onReconnect.mock.calls.length;
  await act(async () => wake("online"));

  expect(onReconnect).toHaveBeenCalledTimes(calls + 1);
});

test("an attempt that ends after its outage is not listened to", async () => {
  let settle: (isBack: boolean) => void = () => undefined;
  const { result, rerender } = render(() => new Promise((resolve) => { settle = resolve; }));
  await pass(1_000);
  const late = settle;
  rerender({ shouldReconnect: false });
  rerender({ shouldReconnect: true });

  await act(async () => late(true));

  expect(result.current.isReconnecting).toBe(true);
});

test("strict mode and unmounting leave no timer behind", async () => {
  const onReconnect = vi.fn(async () => false);
  const { unmount } = render(onReconnect, {}, true);
  await pass(1_000);
  expect(onReconnect).toHaveBeenCalledTimes(1);

  unmount();

  expect(vi.getTimerCount()).toBe(0);
});
