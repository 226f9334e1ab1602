import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { dayOf } from "./format";
import { Icon } from "./icons";
import { LineView, UploadView } from "./LineView";
import type { Line, Talk } from "./types";
import type { Upload } from "./uploads";
import { useChat } from "./useChat";
import type { TalkLines } from "./useLines";

const NEAR_PX = 120;
const TOGETHER_MS = 5 * 60_000;

interface LineListProps {
  readonly talk: Talk;
  readonly rows: readonly Line[];
  readonly uploads: readonly Upload[];
  readonly known: TalkLines;
  readonly wanted: number | null;
  readonly isLoaded: boolean;
}

/** The lines of a conversation: at the end it stays at the end, elsewhere it stays where it is. */
export function LineList({ talk, rows, uploads, known, wanted, isLoaded }: LineListProps): ReactNode {
  const { read } = useChat();
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const firstBefore = useRef<{ readonly id: string; readonly height: number } | null>(null);
  const [isAway, setIsAway] = useState(false);
  const [unreadFrom] = useState(() => talk.unread);
  const { loadOlder, lines, showLatest } = known;
  const mine = rows.filter((line) => line.from === "").length;
  const lastMine = useRef(mine);
  const lastNumber = lines.rows.at(-1)?.number ?? 0;
  const firstUnread = useFirstUnread(rows, unreadFrom, isLoaded);

  const toEnd = useCallback((behavior: ScrollBehavior = "instant"): void => {
    box.current?.scrollTo({ top: box.current.scrollHeight, behavior });
  }, []);

  useLayoutEffect(() => {
    const { current } = box;
    if (current === null) return;
    const first = rows[0]?.id ?? "";
    const before = firstBefore.current;
    if (before !== null && before.id !== first && !isAtEnd.current) current.scrollTop += current.scrollHeight - before.height;
    else if (mine > lastMine.current || isAtEnd.current) toEnd();
    lastMine.current = mine;
    firstBefore.current = { id: first, height: current.scrollHeight };
  }, [rows, uploads, mine, toEnd]);

  useEffect(() => {
    if (wanted === null) return;
    const found = box.current?.querySelector(`[data-number="${wanted}"]`);
    if (found === null || found === undefined) return;
    isAtEnd.current = false;
    found.scrollIntoView({ block: "center" });
  }, [wanted, rows]);

  useEffect(() => {
    const { current } = box;
    if (current === null) return undefined;
    // The keyboard of a phone, or a picture that was loaded, must not push the last line out of sight.
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) toEnd();
    });
    observer.observe(current);
    if (current.firstElementChild !== null) observer.observe(current.firstElementChild);
    return () => observer.disconnect();
  }, [toEnd]);

  const isUnread = talk.unread > 0;
  useEffect(() => {
    if (!isUnread || lastNumber === 0 || !lines.isToEnd) return undefined;
    const look = (): void => {
      if (document.visibilityState === "visible" && document.hasFocus() && isAtEnd.current) read(talk.id, lastNumber);
    };
    look();
    window.addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      window.removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [isUnread, lastNumber, lines.isToEnd, isAway, read, talk.id]);

  const scrolled = (): void => {
    const { current } = box;
    if (current === null) return;
    isAtEnd.current = current.scrollHeight - current.scrollTop - current.clientHeight < NEAR_PX && lines.isToEnd;
    setIsAway(!isAtEnd.current);
    if (current.scrollTop < NEAR_PX) loadOlder();
  };
  return (
    <div className="lines-frame">
      <div className="lines" ref={box} onScroll={scrolled} tabIndex={0} role="log" aria-label="Messages" data-testid="lines">
        <ol>
          {lines.isFromStart && <li className="lines__note">{beginning(talk)}</li>}
          {!isLoaded && rows.length === 0 && <li className="lines__note" aria-busy="true">Looking for your messages…</li>}
          {rows.map((line, index) => (
            <LineGroup
              key={line.from + line.id} line={line} before={rows[index - 1]} talk={talk}
              isFirstUnread={line.id === firstUnread} isWanted={line.number === wanted}
            />
          ))}
          {uploads.map((upload) => <UploadView key={upload.id} upload={upload} />)}
        </ol>
      </div>
      {(isAway || !lines.isToEnd) && (
        <button
          type="button" className="round lines__down" aria-label="To the newest message" data-testid="to-end"
          onClick={() => {
            isAtEnd.current = true;
            setIsAway(false);
            if (lines.isToEnd) toEnd("smooth");
            else showLatest();
          }}
        >
          <Icon name="down" />
          {talk.unread > 0 && <span className="lines__new">{talk.unread}</span>}
        </button>
      )}
    </div>
  );
}

/** The line that was the first unread one when the conversation was opened; it stays it. */
function useFirstUnread(rows: readonly Line[], unread: number, isLoaded: boolean): string | null {
  const [found, setFound] = useState<string | null | undefined>(unread === 0 ? null : undefined);
  if (found === undefined && isLoaded) {
    const theirs = rows.filter((line) => line.from !== "");
    setFound(theirs.at(-unread)?.id ?? null);
  }
  return found ?? null;
}

function beginning(talk: Talk): string {
  if (talk.kind === "room") return `This is the beginning of “${talk.name}”.`;
  if (talk.state === "invited") return "As soon as your invitation is used you can talk.";
  return `This is the beginning. Only you and ${talk.name} can read what is said here.`;
}

interface LineGroupProps {
  readonly line: Line;
  readonly before: Line | undefined;
  readonly talk: Talk;
  readonly isFirstUnread: boolean;
  readonly isWanted: boolean;
}

function LineGroup({ line, before, talk, isFirstUnread, isWanted }: LineGroupProps): ReactNode {
  const now = Date.now();
  const day = dayOf(line.received, now);
  const isNewDay = before === undefined || dayOf(before.received, now) !== day;
  const isJoined = !isNewDay && !isFirstUnread && before.from === line.from && line.received - before.received < TOGETHER_MS;
  return (
    <>
      {isNewDay && <li className="lines__day"><span>{day}</span></li>}
      {isFirstUnread && <li className="lines__unread" data-testid="unread-line"><span>New</span></li>}
      <LineView line={line} talk={talk} isJoined={isJoined} isWanted={isWanted} />
    </>
  );
}
