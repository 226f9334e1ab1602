import { useCallback, useEffect, useRef, useState } from "react";
import { BridgeLink, CallError } from "./link";
import type { LinkState, Notice } from "./link";
import { keepTells, keptTells, lineOf, parseTalk, talkOf, withLine } from "./lines";
import type { Line } from "./lines";
import type { Place } from "./place";

export interface Mud {
  readonly name: string;
  readonly status: string;
}

export interface Bridge {
  readonly state: LinkState;
  readonly mud: string;
  readonly router: boolean;
  readonly lines: readonly Line[];
  readonly muds: readonly Mud[];
  readonly members: readonly string[];
  readonly say: (talk: string, text: string) => void;
  readonly again: (line: Line) => void;
  readonly hurry: () => void;
}

interface HistoryLine {
  readonly line_id: number;
  readonly timestamp: string;
  readonly kind: string;
  readonly from_mud: string;
  readonly from_user: string;
  readonly visname: string;
  readonly message: string;
}

const ASK_MS = 3_000;

/** Events after which status, MUDs or members are different. */
const NEWS: ReadonlySet<string> = new Set([
  "user_joined_channel", "user_left_channel", "mud_online", "mud_offline", "gateway_reconnected",
]);

export function useBridge({ key, name, channel }: Place): Bridge {
  const [state, setState] = useState<LinkState>("connecting");
  const [mud, setMud] = useState("");
  const [router, setRouter] = useState(true);
  const [lines, setLines] = useState<readonly Line[]>(keptTells);
  useEffect(() => keepTells(lines), [lines]);
  const [muds, setMuds] = useState<readonly Mud[]>([]);
  const [members, setMembers] = useState<readonly string[]>([]);
  const link = useRef<BridgeLink | null>(null);
  const here = useRef("");

  useEffect(() => {
    if (key === "" || name === "") return undefined;
    const add = (line: Line | null): void => {
      if (line !== null) setLines((known) => withLine(known, line));
    };
    const heard = (notice: Notice): void => {
      add(lineOf(notice, name, here.current));
      if (notice.method === "error_occurred") setLines((known) => withTrouble(known, notice));
      if (NEWS.has(notice.method)) regularly();
    };
    const opened = new BridgeLink(socketUrl(), key, (next, at) => {
      setState(next);
      if (next !== "open") return;
      here.current = at;
      setMud(at);
      void join(opened, channel, add, { me: name, mud: at });
    }, heard);
    link.current = opened;
    const ask = async (): Promise<void> => {
      const [status, list, who] = await Promise.all([
        opened.call<{ connected: boolean }>("status"),
        opened.call<{ muds: Mud[] }>("mudlist"),
        opened.call<{ members: string[] }>("channel_who", { channel }),
      ]);
      setRouter(status.connected);
      setMuds(list.muds);
      setMembers(who.members);
    };
    let isAsking = false;
    const regularly = (): void => {
      if (isAsking) return;
      isAsking = true;
      ask().catch(() => undefined).finally(() => {
        isAsking = false;
      });
    };
    regularly();
    const timer = setInterval(regularly, ASK_MS);
    return () => {
      clearInterval(timer);
      opened.close();
    };
  }, [key, name, channel]);

  const send = useCallback((line: Line): void => {
    const settle = (change: Partial<Line>): void => {
      setLines((known) => known.map((each) => (isLine(each, line) ? { ...each, ...change } : each)));
    };
    sent(link.current, line, name).then(
      ({ status, message_id: messageId }) => settle({ fate: status === "queued" ? "queued" : "sent", messageId }),
      (error: unknown) => settle({ fate: "failed", trouble: reasonOf(error) }),
    );
  }, [name]);
  const say = useCallback((talk: string, said: string): void => {
    const isGesture = said.startsWith("/me ");
    const line: Line = {
      id: crypto.randomUUID(), talk, from: name, mud: here.current, text: isGesture ? said.slice(4) : said, isGesture,
      isMine: true, at: Date.now(), fate: "sending",
    };
    setLines((known) => withLine(known, line));
    send(line);
  }, [name, send]);
  const again = useCallback((line: Line): void => {
    setLines((known) => known.filter((each) => each.id !== line.id));
    say(line.talk, line.isGesture ? `/me ${line.text}` : line.text);
  }, [say]);
  const hurry = useCallback(() => link.current?.hurry(), []);
  return { state, mud, router, lines, muds, members, say, again, hurry };
}

function isLine(each: Line, line: Line): boolean {
  return each.id === line.id || (each.isMine && each.at === line.at && each.text === line.text);
}

function socketUrl(): string {
  return `${location.origin.replace(/^http/, "ws")}/ws`;
}

async function join(
  link: BridgeLink, channel: string, add: (line: Line | null) => void, { me, mud }: { readonly me: string; readonly mud: string },
): Promise<void> {
  try {
    await link.call("channel_join", { channel });
  } catch {
    // The channel is not in the router's list now; what was said there is shown all the same.
  }
  const { messages } = await link.call<{ messages: HistoryLine[] }>("channel_history", { channel, limit: 50 });
  for (const line of messages) {
    add({
      id: `line-${String(line.line_id)}`, talk: channel, from: line.visname || line.from_user, mud: line.from_mud,
      text: line.message, isGesture: line.kind === "emote", at: Date.parse(line.timestamp) || Date.now(),
      isMine: line.from_mud === mud && line.from_user === me.toLowerCase(),
    });
  }
}

interface Sent {
  readonly status: string;
  readonly message_id: string;
}

function sent(link: BridgeLink | null, line: Line, name: string): Promise<Sent> {
  if (link === null) return Promise.reject(new Error("There is no connection."));
  const who = { from_user: name, visname: name, resend: line.id };
  const whom = parseTalk(line.talk);
  if (whom === null) {
    return line.isGesture
      ? link.call("channel_emote", { channel: line.talk, emote: line.text, ...who })
      : link.call("channel_send", { channel: line.talk, message: line.text, ...who });
  }
  const target = { target_mud: whom.mud, target_user: whom.user };
  return line.isGesture
    ? link.call("emoteto", { ...target, emote: line.text, ...who })
    : link.call("tell", { ...target, message: line.text, ...who });
}

function reasonOf(error: unknown): string {
  if (error instanceof CallError && error.retryAfter !== null) return `${error.message} Try again in a moment.`;
  return error instanceof Error ? error.message : "That did not work.";
}

/** An error names the message that it is about, or comes from a MUD about somebody. */
function withTrouble(lines: readonly Line[], { params }: Notice): readonly Line[] {
  const id = String(params["message_id"] ?? "");
  const words = String(params["message"] ?? params["error"] ?? "");
  if (id !== "") return lines.map((each) => (each.messageId === id ? { ...each, fate: "failed", trouble: words } : each));
  const talk = talkOf(String(params["target_user"] ?? ""), String(params["target_mud"] ?? ""));
  const last = lines.findLast((each) => each.isMine && each.talk === talk);
  return lines.map((each) => (each === last ? { ...each, fate: "failed", trouble: words } : each));
}
