import { useLayoutEffect, useRef } from "react";
import type { ReactNode } from "react";
import { parseTalk } from "./lines";
import type { Fate, Line } from "./lines";

const fates: Readonly<Record<Fate, string>> = {
  sending: "being sent…",
  sent: "sent",
  queued: "waits for the router",
  failed: "not sent",
};

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

interface LineListProps {
  readonly lines: readonly Line[];
  readonly talk: string;
  readonly onAgain: (line: Line) => void;
}

/** A conversation; it follows its end unless somebody reads further up. */
export function LineList({ lines, talk, onAgain }: LineListProps): ReactNode {
  const frame = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    follows.current = true;
  }, [talk]);
  useLayoutEffect(() => {
    const { current } = frame;
    if (current !== null && follows.current) current.scrollTop = current.scrollHeight;
  }, [lines, talk]);
  return (
    <div
      className="said" ref={frame} tabIndex={0} role="log" aria-label={talk} data-testid="lines"
      onScroll={({ currentTarget: at }) => {
        follows.current = at.scrollHeight - at.scrollTop - at.clientHeight < 40;
      }}
    >
      {lines.length === 0 && (
        <p className="said__none quiet">
          {parseTalk(talk) === null ? "Nobody has said anything here yet. Say hello." : "Only the two of you read this. Gateways and the router can, too."}
        </p>
      )}
      <ol>
        {lines.map((line) => (
          <li key={line.id} className="said__line" data-mine={line.isMine} data-fate={line.fate} data-testid="line">
            <span className="said__who">
              <b>{line.isMine ? "You" : line.from}</b>
              {!line.isMine && <span className="quiet"> @{line.mud}</span>}
              <time className="quiet" dateTime={new Date(line.at).toISOString()}> {time.format(line.at)}</time>
            </span>
            <span className={line.isGesture ? "said__text said__text--gesture" : "said__text"} dir="auto">{line.text}</span>
            {line.fate !== undefined && line.fate !== "sent" && (
              <span className={line.fate === "failed" ? "said__fate error" : "said__fate quiet"} data-testid="fate">
                {line.trouble ?? fates[line.fate]}
                {line.fate === "failed" && <button type="button" className="button button--plain" onClick={() => onAgain(line)}>Again</button>}
              </span>
            )}
          </li>
        ))}
      </ol>
    </div>
  );
}
