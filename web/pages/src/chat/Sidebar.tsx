import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { api } from "./api";
import { draftOf } from "./drafts";
import { colourOf, initialsOf, whenOf } from "./format";
import { AcceptSheet, IdentitySheet, InviteSheet, RoomSheet } from "./Sheets";
import { Icon, StateMark } from "./icons";
import type { FoundLine, Talk } from "./types";
import { useChat } from "./useChat";
import type { Place } from "./usePlace";

const SEARCH_AFTER_MS = 200;

export function Sidebar({ place }: { readonly place: Place }): ReactNode {
  const { talks, board } = useChat();
  const [words, setWords] = useState("");
  const found = useFound(words);
  const folded = words.trim().toLocaleLowerCase();
  const shown = talks.filter(({ name }) => name.toLocaleLowerCase().includes(folded));
  return (
    <nav className="side" aria-label="Conversations">
      <div className="side__top">
        <label className="search">
          <Icon name="search" />
          <span className="unseen">Search</span>
          <input
            type="search" value={words} placeholder="Search" data-testid="search" maxLength={200} enterKeyHint="search"
            onChange={(event) => setWords(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") setWords("");
            }}
          />
        </label>
        <NewMenu place={place} />
      </div>
      <ul className="side__list" data-testid="talks">
        {shown.map((talk) => <TalkRow key={talk.id} talk={talk} isOpen={talk.id === place.talk} onOpen={() => place.open(talk.id)} />)}
        {folded !== "" && found.length > 0 && <li className="side__head">Messages</li>}
        {folded !== "" && found.map((line) => (
          <FoundRow key={line.in + line.id} line={line} onOpen={() => place.open(line.in, line.number)} />
        ))}
        {folded !== "" && shown.length === 0 && found.length === 0 && <li className="side__none quiet">Nothing found.</li>}
        {board !== null && talks.length === 0 && folded === "" && (
          <li className="side__none">
            <p className="quiet">No conversations yet.</p>
            <span className="side__ways"><Ways place={place} /></span>
          </li>
        )}
      </ul>
      {place.sheet === "invite" && <InviteSheet onClose={place.close} />}
      {place.sheet === "accept" && <AcceptSheet onClose={place.close} onDone={(talk) => place.open(talk)} />}
      {place.sheet === "room" && <RoomSheet onClose={place.close} onDone={(talk) => place.open(talk)} />}
      {place.sheet === "identity" && <IdentitySheet onClose={place.close} />}
    </nav>
  );
}

function useFound(words: string): readonly FoundLine[] {
  const [found, setFound] = useState<readonly FoundLine[]>([]);
  useEffect(() => {
    if (words.trim().length < 2) return setFound([]);
    let isOver = false;
    const timer = setTimeout(() => {
      api.search(words).then(
        (lines) => {
          if (!isOver) setFound(lines);
        },
        () => undefined,
      );
    }, SEARCH_AFTER_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [words]);
  return found;
}

export function Picture({ talk }: { readonly talk: Pick<Talk, "id" | "name" | "kind"> }): ReactNode {
  return (
    <span className={`picture ${colourOf(talk.id)}`} aria-hidden="true">
      {talk.kind === "room" ? <Icon name="people" /> : initialsOf(talk.name)}
    </span>
  );
}

interface TalkRowProps {
  readonly talk: Talk;
  readonly isOpen: boolean;
  readonly onOpen: () => void;
}

function TalkRow({ talk, isOpen, onOpen }: TalkRowProps): ReactNode {
  const { nameOf } = useChat();
  const draft = isOpen ? "" : draftOf(talk.id);
  const { last } = talk;
  const isMine = last !== null && last.from === "";
  return (
    <li>
      <button
        type="button" className="talk-row" aria-current={isOpen ? "page" : undefined} data-testid="talk-row"
        data-name={talk.name} onClick={onOpen}
      >
        <Picture talk={talk} />
        <strong className="talk-row__name clip" dir="auto">{talk.name || "Open invitation"}</strong>
        <span className="talk-row__when">{last !== null && whenOf(last.at, Date.now())}</span>
        <span className="talk-row__last clip" dir="auto">
          {draft !== "" && <><b className="talk-row__draft">Draft: </b>{draft}</>}
          {draft === "" && last === null && (
            <i>{talk.kind === "contact" && talk.state === "invited" ? "Has not used your invitation yet" : "Say hello"}</i>
          )}
          {draft === "" && last !== null && (
            <>
              {isMine && <StateMark state={last.state} />}
              {!isMine && talk.kind === "room" && `${nameOf(last.from)}: `}
              {last.file && <Icon name="clip" />}
              {last.text}
            </>
          )}
        </span>
        {talk.unread > 0 && (
          <span className="talk-row__unread" data-testid="unread">
            {talk.unread > 99 ? "99+" : talk.unread}<span className="unseen"> unread</span>
          </span>
        )}
      </button>
    </li>
  );
}

function FoundRow({ line, onOpen }: { readonly line: FoundLine; readonly onOpen: () => void }): ReactNode {
  const { nameOf, board } = useChat();
  const where = board?.roster[line.in]?.name ?? "";
  return (
    <li>
      <button type="button" className="talk-row talk-row--found" data-testid="found" onClick={onOpen}>
        <strong className="talk-row__name clip" dir="auto">{where}</strong>
        <span className="talk-row__when">{whenOf(line.received, Date.now())}</span>
        <span className="talk-row__last clip" dir="auto">{nameOf(line.from)}: {line.text}</span>
      </button>
    </li>
  );
}

/** The two ways in which two people meet. */
export function Ways({ place }: { readonly place: Place }): ReactNode {
  return (
    <>
      <button type="button" className="button button--main" data-testid="way-invite" onClick={() => place.show("invite")}>Invite somebody</button>
      <button type="button" className="button" data-testid="way-accept" onClick={() => place.show("accept")}>I was invited</button>
    </>
  );
}

function NewMenu({ place }: { readonly place: Place }): ReactNode {
  const menu = useRef<HTMLDetailsElement>(null);
  const choose = (sheet: "invite" | "accept" | "room" | "identity") => () => {
    if (menu.current !== null) menu.current.open = false;
    place.show(sheet);
  };
  useEffect(() => {
    const close = (event: Event): void => {
      const { current } = menu;
      if (current === null || !current.open) return;
      if (event instanceof KeyboardEvent ? event.key === "Escape" : !current.contains(event.target as Node)) current.open = false;
    };
    document.addEventListener("pointerdown", close);
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("keydown", close);
    };
  }, []);
  return (
    <details className="menu" ref={menu}>
      <summary className="round round--accent" aria-label="New" data-testid="new"><Icon name="plus" /></summary>
      <div className="menu__items">
        <button type="button" data-testid="new-invite" onClick={choose("invite")}><Icon name="invite" /> Invite somebody</button>
        <button type="button" data-testid="new-accept" onClick={choose("accept")}><Icon name="link" /> I was invited</button>
        <button type="button" data-testid="new-room" onClick={choose("room")}><Icon name="people" /> New room</button>
        <button type="button" data-testid="new-identity" onClick={choose("identity")}><Icon name="mask" /> Another name of mine</button>
      </div>
    </details>
  );
}
