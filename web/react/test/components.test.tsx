// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Session } from "../../client/src/index";
import { recoveryOf, ReconnectionStatus, SessionRecovery, SessionStatus } from "../src/index";
import type { ReconnectionStatusProps } from "../src/index";
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
const onRetry = vi.fn();
const fine: ReconnectionStatusProps = {
  isReconnecting: false, attemptCount: 0, nextAttemptSeconds: 0, hasGivenUp: false, onRetry,
};
const away = { ...fine, isReconnecting: true, attemptCount: 2, maxAttempts: 10, nextAttemptSeconds: 3 };
const strip = (container: Element): string => container.firstElementChild?.className ?? "";

test("the live region is there before there is anything to say", () => {
  const { container } = render(<ReconnectionStatus {...fine} />);

  expect(screen.getByRole("status").textContent).toBe("");
  expect(strip(container)).toBe("hf-status");
});

test.each([
  [0, "hf-status", "", false],
  [999, "hf-status", "", false],
  [1_000, "hf-status hf-status--amber hf-status--small", "", false],
  [4_999, "hf-status hf-status--amber hf-status--small", "", false],
  [5_000, "hf-status hf-status--amber", "Connection lost. Reconnecting…", true],
])("lost for %d ms", (lostForMs, classes, announced, hasButton) => {
  const { container } = render(<ReconnectionStatus {...away} lostForMs={lostForMs} />);

  expect(strip(container)).toBe(classes);
  expect(screen.getByRole("status").textContent).toBe(announced);
  expect(screen.queryByRole("button", { name: "Try now" }) !== null).toBe(hasButton);
});

test("the countdown is shown, but what is announced does not change with it", () => {
  const { rerender } = render(<ReconnectionStatus {...away} lostForMs={6_000} />);
  const announced = screen.getByRole("status").textContent;
  expect(screen.getByText("next try in 3 s").closest("[aria-hidden=true]")).not.toBeNull();
  expect(screen.getByText("attempt 2 of 10").closest("[aria-hidden=true]")).not.toBeNull();

  rerender(<ReconnectionStatus {...away} lostForMs={7_000} nextAttemptSeconds={2} />);

  expect(screen.getByText("next try in 2 s")).toBeDefined();
  expect(screen.getByRole("status").textContent).toBe(announced);
});

test("without lostForMs it measures by itself", async () => {
  const { container, rerender } = render(<ReconnectionStatus {...fine} />);
  rerender(<ReconnectionStatus {...away} />);

  await pass(900);
  expect(strip(container)).toBe("hf-status");
  await pass(400);
  expect(strip(container)).toContain("hf-status--small");
  await pass(4_000);

  expect(strip(container)).toBe("hf-status hf-status--amber");
});

test("after giving up it is red, says what is safe, and the button tries again", () => {
  const { container } = render(
    <ReconnectionStatus {...fine} hasGivenUp texts={{ safe: "Your seat and score are kept." }} />,
  );

  fireEvent.click(screen.getByRole("button", { name: "Try again" }));

  expect(strip(container)).toBe("hf-status hf-status--red");
  expect(screen.getByRole("alert").textContent).toContain("Your seat and score are kept.");
  expect(onRetry).toHaveBeenCalledOnce();
});

test("who saw the strip is told for three seconds that all is well; who saw only the pill is not", async () => {
  const { container, rerender } = render(<ReconnectionStatus {...away} lostForMs={6_000} />);
  rerender(<ReconnectionStatus {...fine} lostForMs={0} texts={{ back: "Back, 4.2 s counted." }} />);
  expect(screen.getByRole("status").textContent).toBe("Back, 4.2 s counted.");
  expect(strip(container)).toBe("hf-status hf-status--back");
  await pass(3_000);
  expect(strip(container)).toBe("hf-status");

  rerender(<ReconnectionStatus {...away} lostForMs={2_000} />);
  rerender(<ReconnectionStatus {...fine} lostForMs={0} />);

  expect(strip(container)).toBe("hf-status");
});

test("recovery goes from checking to recovering to failed, with a bar while it runs", () => {
  const [retry, joinAgain] = [vi.fn(), vi.fn()];
  const at = (state: "checking" | "recovering" | "failed" | "done", progress?: number) => (
    <SessionRecovery state={state} onRetry={retry} onJoinAgain={joinAgain} {...(progress === undefined ? {} : { progress })} />
  );
  const { rerender } = render(at("checking"));
  expect(screen.getByRole("status").textContent).toBe("Looking for your session…");
  expect(screen.getByRole("progressbar").hasAttribute("value")).toBe(false);

  rerender(at("recovering", 0.7));
  expect(screen.getByRole("status").textContent).toBe("Found it. Bringing you back…");
  expect((screen.getByRole("progressbar") as HTMLProgressElement).value).toBe(0.7);
  rerender(at("failed"));
  expect(screen.queryByRole("progressbar")).toBeNull();
  expect(screen.getByRole("alert").textContent).toBe("Your session could not be found.");
  fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  fireEvent.click(screen.getByRole("button", { name: "Join again" }));
  rerender(at("done"));

  expect([retry, joinAgain].map((fn) => fn.mock.calls.length)).toEqual([1, 1]);
  expect(screen.getByRole("status").textContent).toBe("");
});

test("a session's status is shown as it changes", async () => {
  const { platform, wake } = fakePlatform();
  const session = new Session({ url: "ws://nowhere", name: "x", auth: () => null, platform });
  const { container } = render(<SessionStatus session={session} />);
  expect(recoveryOf(session.state).state).toBe("checking");

  act(() => session.start());
  await pass(6_000);
  expect(strip(container)).toBe("hf-status hf-status--amber");
  await pass(400_000);
  expect(screen.getByRole("alert").textContent).toContain("Could not reconnect.");
  expect(recoveryOf(session.state).state).toBe("failed");
  act(() => wake("online"));
  expect(screen.queryByRole("alert")).toBeNull();

  act(() => session.stop());
});
