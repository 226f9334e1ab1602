import { createContext, useCallback, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { quickSchedule, Session } from "@holdfast/client";
import type { SessionState } from "@holdfast/client";
import { useSession } from "@holdfast/react";
import { isRecord } from "../shared/store";
import { api } from "./api";
import { keepKey, pageKey } from "./key";
import type { Board, Talk, Wish } from "./types";
import { newId, Uploads } from "./uploads";
import type { Upload } from "./uploads";

const AGAIN_MS = 500;
const NOT_ALLOWED = 12001;

/** The page's program: one session with the node's program, and what is uploaded to it. */
export interface Desk {
  readonly session: Session;
  readonly uploads: Uploads;
}

export interface Chat {
  readonly session: Session;
  readonly state: SessionState;
  readonly board: Board | null;
  /** The page's key is none, or is not good any more. */
  readonly isLocked: boolean;
  /** Newest first. */
  readonly talks: readonly Talk[];
  readonly uploads: readonly Upload[];
  readonly say: (to: string, text: string) => void;
  readonly attach: (to: string, files: readonly File[]) => string;
  readonly cancelUpload: (id: string) => void;
  readonly read: (to: string, through: number) => void;
  readonly nameOf: (contact: string) => string;
}

export function openDesk(): Desk {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const session = new Session({
    url: `${scheme}://${location.host}/ws`,
    name: "chat",
    auth: () => ({ token: pageKey }),
    schedule: quickSchedule(),
  });
  const send = (wish: Wish): Promise<unknown> => session.send(wish);
  return { session, uploads: new Uploads((id, to) => send({ do: "hand", id, to })) };
}

function revisionOf(state: SessionState): number | null {
  const value = state.channels["chat"];
  return isRecord(value) && typeof value["revision"] === "number" ? value["revision"] : null;
}

/** The board whose revision the program told last; the one before it until that is here. And whether it is shown to us. */
function useBoard(state: SessionState): readonly [Board | null, boolean] {
  const [board, setBoard] = useState<Board | null>(null);
  const [isLocked, setIsLocked] = useState(false);
  const [tries, setTries] = useState(0);
  const wanted = revisionOf(state);
  const known = board?.revision ?? null;
  const isReachable = state.status === "open";
  useEffect(() => {
    if (wanted === null || wanted === known || !isReachable) return undefined;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    api.board().then(
      (found) => {
        keepKey();
        if (!isOver) setBoard(found);
      },
      (error: unknown) => {
        // A session of before is resumed without the key; what it may see is asked for with it.
        if (isOver) return;
        if ((error as { code?: unknown }).code === NOT_ALLOWED) setIsLocked(true);
        else timer = setTimeout(() => setTries((count) => count + 1), AGAIN_MS);
      },
    );
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [wanted, known, isReachable, tries]);
  return [board, isLocked || (state.status === "ended" && state.error?.code === NOT_ALLOWED)];
}

function byTime(a: Talk, b: Talk): number {
  return (b.last?.at ?? Infinity) - (a.last?.at ?? Infinity) || (a.name < b.name ? -1 : 1);
}

export function useChatOf({ session, uploads }: Desk): Chat {
  const state = useSession(session);
  const [board, isLocked] = useBoard(state);
  useEffect(() => {
    session.start();
    uploads.resume().catch(() => undefined);
    return () => session.stop();
  }, [session, uploads]);
  useEffect(() => {
    const tell = (): void => {
      api.network().catch(() => undefined);
    };
    window.addEventListener("online", tell);
    return () => window.removeEventListener("online", tell);
  }, []);

  const send = useCallback((wish: Wish) => {
    // What became of it is shown by the line itself: in the outbox, ended, or in the history.
    session.send(wish).catch(() => undefined);
  }, [session]);
  const say = useCallback((to: string, text: string) => send({ do: "say", id: newId(), to, text }), [send]);
  const read = useCallback((to: string, through: number) => send({ do: "read", to, through }), [send]);
  const attach = useCallback((to: string, files: readonly File[]) =>
    files.map((file) => uploads.add(file, to)).filter((problem) => problem !== null).join(" "), [uploads]);
  const roster = board?.roster ?? {};
  return {
    session, state, board, isLocked, say, read, attach,
    talks: Object.values(roster).sort(byTime),
    uploads: useSyncExternalStore(uploads.subscribe, () => uploads.all),
    cancelUpload: (id) => uploads.cancel(id),
    nameOf: (contact) => (contact === "" ? "You" : roster[contact]?.name ?? board?.hidden[contact] ?? "Somebody"),
  };
}

const Current = createContext<Chat | null>(null);

export const ChatProvider = Current.Provider;

export function useChat(): Chat {
  const chat = useContext(Current);
  if (chat === null) throw new Error("this is shown within a ChatProvider only");
  return chat;
}
