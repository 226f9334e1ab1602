import { describe, expect, it } from "vitest";
import { bytes, count, duration, milliseconds, spoken } from "../src/admin/format";
import type { AdminState, Connected } from "../src/admin/types";
import { verdictOf } from "../src/admin/verdict";

const well: AdminState = {
  now: 0, isDemo: false,
  health: { status: "healthy", uptime_s: 60, components: { store: { status: "healthy" } } },
  figures: {}, byLabel: {}, rates: {}, commits: {}, alerts: [], breakers: {}, gateways: [], outboxes: [],
  limits: { connections: 20_000, sessions: 100_000 }, panels: {},
  errors: { total: 0, emergencies: [] }, tasks: {}, shutdown: { phase: "running", reason: "" },
};
const everybody: Connected = { states: { open: 300, absent: 0 }, connections: [] };

describe("the verdict", () => {
  it("is good when nothing is wrong, also when nobody is there", () => {
    expect(verdictOf(well, everybody, 0)).toEqual({ status: "healthy", title: "All is well", reasons: [] });
    expect(verdictOf(well, { states: { absent: 0 }, connections: [] }, 0).status).toBe("healthy");
  });

  it("says which part is not well, and what to do", () => {
    const state: AdminState = {
      ...well,
      health: { ...well.health, status: "unhealthy", components: { store: { status: "unhealthy", message: "it cannot be used for now" } } },
      alerts: [{ name: "DiskAlmostFull", severity: "critical", advice: "Free some room." }],
    };
    const verdict = verdictOf(state, everybody, 0);
    expect(verdict.status).toBe("unhealthy");
    expect(verdict.reasons).toEqual(["The store: it cannot be used for now.", "Disk Almost Full. Free some room."]);
  });

  it("says how many people are in trouble", () => {
    const verdict = verdictOf(well, { states: { open: 200, silent: 40, "slow reader": 1, absent: 60 }, connections: [] }, 0);
    expect(verdict.status).toBe("degraded");
    expect(verdict.reasons).toEqual([
      "40 of 241 connections do not answer.",
      "1 connection reads more slowly than we send.",
      "60 sessions have lost their connection and can still come back.",
    ]);
  });

  it("does not call a few who are away trouble", () => {
    expect(verdictOf(well, { states: { open: 300, absent: 20 }, connections: [] }, 0).status).toBe("healthy");
  });

  it("says that the server does not answer before all else", () => {
    expect(verdictOf(well, everybody, 12).title).toBe("The server does not answer");
  });

  it("says that the server is being stopped", () => {
    const verdict = verdictOf({ ...well, shutdown: { phase: "draining", reason: "SIGTERM" } }, everybody, 0);
    expect(verdict).toMatchObject({ status: "degraded", title: "The server is being stopped", reasons: ["draining: SIGTERM"] });
  });
});

describe("numbers", () => {
  it("are short and have their unit", () => {
    expect([count(null), count(7), count(3.14), count(12_345), count(2_500_000)]).toEqual(["0", "7", "3.1", "12.3 k", "2.5 M"]);
    expect([bytes(undefined), bytes(5e6), bytes(83e9)]).toEqual(["–", "5 MB", "83.0 GB"]);
    expect([milliseconds(null), milliseconds(0.0012), milliseconds(0.25), milliseconds(3)]).toEqual(["–", "1.2 ms", "250 ms", "3.0 s"]);
    expect([duration(5), duration(120), duration(7_260), duration(90_000)]).toEqual(["5 s", "2 min", "2 h 1 min", "1 d 1 h"]);
    expect(spoken("writesWaiting_now")).toBe("writes waiting now");
  });
});
