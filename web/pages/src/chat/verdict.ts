import type { SessionStatus } from "@holdfast/client";
import { count } from "./format";
import type { Board, Gateway } from "./types";

export type Mood = "good" | "busy" | "amber" | "red";

export interface Verdict {
  readonly mood: Mood;
  readonly words: string;
}

export function isUp(gateway: Gateway): boolean {
  return gateway.state === "connected";
}

/** It can be read from; whether it takes anything is another thing, and is asked by the next message at the latest. */
export function gradeOf(gateway: Gateway): string {
  return gateway.breaker === "open" ? "poor" : gateway.grade;
}

/** What the reliability bar says in one sentence: the worst that is true. */
export function verdictOf(board: Board | null, status: SessionStatus, unsent: number): Verdict {
  if (status === "reconnecting" || status === "given_up") {
    const kept = unsent > 0 ? ` ${count(unsent, "message")} of yours ${unsent === 1 ? "is" : "are"} safe here.` : "";
    return { mood: "red", words: `The program on this computer does not answer. Write on: it is kept here.${kept}` };
  }
  if (board === null) return { mood: "busy", words: "Looking for the program on this computer…" };
  const ours = board.gateways.filter((gateway) => gateway.ours);
  const up = ours.filter(isUp).length;
  const { waiting } = board.queue;
  const messages = waiting === 1 ? "1 message waits" : `${waiting} messages wait`;
  if (waiting === 0 && ours.every(({ state }) => state === "disconnected")) {
    return { mood: "good", words: "Ready. Gateways are asked as soon as there is somebody to talk to." };
  }
  if (up === 0) {
    const rest = waiting > 0 ? ` ${messages} and will go by ${waiting === 1 ? "itself" : "themselves"}.` : " Write on: nothing gets lost.";
    return { mood: "red", words: `No gateway can be reached.${rest}` };
  }
  if (board.plain.on) return { mood: "amber", words: `Sending the plain way: ${board.plain.reason || "the chooser of gateways failed"}.` };
  const gateways = `${up} of ${count(ours.length, "gateway")}`;
  if (up < ours.length) {
    return { mood: "amber", words: waiting > 0 ? `${gateways} connected. ${messages}.` : `${gateways} connected. Messages arrive all the same.` };
  }
  if (waiting > 0 && ours.every(({ breaker }) => breaker === "open")) {
    return { mood: "amber", words: `The gateways take nothing for now. ${messages} and will be tried again.` };
  }
  const undeposited = waiting - board.queue.at_gateway;
  const stuck = Math.min(undeposited, board.queue.failing);
  if (stuck > 0) {
    return { mood: "amber", words: `${count(stuck, "message")} could not be left at a gateway yet, and ${stuck === 1 ? "is" : "are"} tried again.` };
  }
  if (undeposited > 0) return { mood: "busy", words: `Sending ${count(undeposited, "message")}…` };
  if (waiting > 0) return { mood: "good", words: `All well. ${count(waiting, "message")} at a gateway, until ${waiting === 1 ? "its" : "their"} reader is there.` };
  return { mood: "good", words: `All well: ${gateways} connected, nothing waits.` };
}

const grades: Readonly<Record<string, string>> = {
  excellent: "excellent", good: "good", poor: "poor", unusable: "unusable",
};

/** How a gateway is, in words. */
export function gatewayWords(gateway: Gateway): string {
  const rest = gateway.breaker === "open" ? ", left alone for a while after failures" : "";
  if (gateway.state !== "connected") {
    const why = gateway.trouble === "" ? "" : `: ${gateway.trouble}`;
    return gateway.state.replaceAll("_", " ") + rest + why;
  }
  if (rest !== "") return `connected${rest}`;
  const grade = grades[gateway.grade];
  const usual = gateway.usual_ms === null ? "" : `, ${gateway.usual_ms} ms`;
  return grade === undefined ? "connected" : `connected, ${grade}${usual}`;
}

const priorities: Readonly<Record<string, string>> = { "0": "attachments", "1": "messages", "2": "urgent" };

export function priorityName(priority: string): string {
  return priorities[priority] ?? `priority ${priority}`;
}

const modes: Readonly<Record<string, readonly [string, string]>> = {
  two_hop: ["Two hops", "No single gateway knows both your address and your mailboxes."],
  direct: ["Direct", "Your gateway sees your address. For gateways that you run or trust."],
  tor: ["Tor", "Everything goes through Tor."],
};

export function modeWords(mode: string): readonly [string, string] {
  return modes[mode] ?? [mode, ""];
}
