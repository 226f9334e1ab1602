import { useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { Composer } from "./Composer";
import { Icon } from "./icons";
import { unheard } from "./lines";
import { LineList } from "./LineList";
import { Picture } from "./Sidebar";
import { TalkSheet } from "./TalkSheet";
import type { Line, Talk } from "./types";
import { useChat } from "./useChat";
import { useLines } from "./useLines";
import type { Place } from "./usePlace";

export function TalkView({ talk, place }: { readonly talk: Talk; readonly place: Place }): ReactNode {
  const chat = useChat();
  const { state, uploads, board } = chat;
  const newest = Number.MAX_SAFE_INTEGER;
  const known = useLines(talk.id, talk.revision, newest, state.status === "open");
  const [forgottenAt, setForgottenAt] = useState(0);
  const { lines, showAround } = known;
  useEffect(() => {
    if (place.line !== null) showAround(place.line);
  }, [place.line, showAround]);

  const more = useMemo(
    () => unheard(talk.id, lines, state.outbox, state.ended, forgottenAt),
    [talk.id, lines, state.outbox, state.ended, forgottenAt],
  );
  const coming = uploads.filter(({ to }) => to === talk.id);
  const rows: readonly Line[] = lines.isToEnd ? [...lines.rows, ...more] : lines.rows;
  const isOpen = talk.kind === "contact" || talk.open;
  return (
    <section className="talk" aria-label={talk.name} data-testid="talk">
      <header className="talk__head">
        <button type="button" className="round talk__back" aria-label="All conversations" data-testid="back" onClick={place.list}>
          <Icon name="back" />
        </button>
        <button type="button" className="talk__who" data-testid="talk-card" onClick={() => place.show("talk")}>
          <Picture talk={talk} />
          <span className="talk__names">
            <strong className="clip" dir="auto">{talk.name || "Open invitation"}</strong>
            <span className="clip quiet">{under(talk, chat.nameOf)}</span>
          </span>
        </button>
        {board !== null && board.me.length > 1 && (
          <span className="talk__as quiet clip">as {board.me.find(({ id }) => id === talk.identity)?.name}</span>
        )}
      </header>
      <LineList
        talk={talk} rows={rows} uploads={coming} known={known} wanted={place.line}
        isLoaded={lines.revision !== null}
      />
      {isOpen
        ? <Composer key={talk.id} talk={talk} onSaid={() => (lines.isToEnd ? undefined : known.showLatest())} />
        : <p className="talk__closed quiet">You are not in this room any more. What was said stays here.</p>}
      {place.sheet === "talk" && (
        <TalkSheet
          talk={talk} onClose={place.close} onGone={place.list}
          through={lines.rows.at(-1)?.number ?? 0} onForgotten={() => setForgottenAt(Date.now())}
        />
      )}
    </section>
  );
}

function under(talk: Talk, nameOf: (contact: string) => string): ReactNode {
  if (talk.kind === "room") return ["You", ...talk.members.map(nameOf)].join(", ");
  if (talk.state === "invited") return "Has not used your invitation yet";
  if (talk.state === "joining") return "Has not answered yet; you can write already";
  return talk.verified ? <><Icon name="shield" /> Safety words compared</> : "End-to-end encrypted · compare safety words";
}
