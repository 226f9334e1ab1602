import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { api } from "./api";
import { Sheet } from "./Sheet";
import { useDoing } from "./Sheets";
import { bounds } from "./types";
import type { Contact, Room, Talk } from "./types";
import { useChat } from "./useChat";

interface TalkSheetProps {
  readonly talk: Talk;
  readonly onClose: () => void;
  /** The conversation is gone. */
  readonly onGone: () => void;
  /** The number of the last line that is known. */
  readonly through: number;
  readonly onForgotten: () => void;
}

export function TalkSheet({ talk, onClose, onGone, through, onForgotten }: TalkSheetProps): ReactNode {
  const { problem, run } = useDoing();
  const forget = (): void => run(async () => {
    await api.forget(talk.id, through);
    onForgotten();
    onClose();
  });
  const leave = (): void => run(async () => {
    if (talk.kind === "contact") {
      await api.remove(talk.id);
      onGone();
    } else {
      await api.leaveRoom(talk.id);
      onClose();
    }
  });
  return (
    <Sheet title={talk.name || "Open invitation"} onClose={onClose}>
      <div className="stack">
        {talk.kind === "contact" ? <Person contact={talk} run={run} /> : <Members room={talk} run={run} />}
        <p className="error error--late" role="alert">{problem}</p>
        <div className="danger">
          {through > 0 && <Sure label="Delete what was said, here" sure="Really delete it on this device" onSure={forget} />}
          {talk.kind === "contact" && <Sure label="Remove this contact" sure="Really remove, with all that was said" onSure={leave} />}
          {talk.kind === "room" && talk.open && <Sure label="Leave this room" sure="Really leave" onSure={leave} />}
        </div>
      </div>
    </Sheet>
  );
}

type Run = (work: () => Promise<void>) => void;

function Person({ contact, run }: { readonly contact: Contact; readonly run: Run }): ReactNode {
  const [name, setName] = useState(contact.name);
  const change = async (body: Parameters<typeof api.change>[1]): Promise<void> => {
    await api.change(contact.id, body);
  };
  return (
    <>
      <form className="field" onSubmit={(event) => {
        event.preventDefault();
        if (name.trim() !== "") run(() => change({ name: name.trim() }));
      }}>
        <label htmlFor="contact-name">What you call this person</label>
        <div className="row row--tight">
          <input
            id="contact-name" className="input" value={name} maxLength={bounds.name} autoComplete="off" dir="auto"
            onChange={(event) => setName(event.target.value)}
          />
          {name.trim() !== contact.name && <button type="submit" className="button">Rename</button>}
        </div>
        {contact.told !== "" && contact.told !== contact.name && (
          <p className="quiet">Calls himself or herself “<span dir="auto">{contact.told}</span>”.</p>
        )}
      </form>
      {contact.state === "ready" && <SafetyWords contact={contact} run={run} onVerified={(verified) => change({ verified })} />}
      <Tick isOn={contact.reads} testId="reads" run={run} onChange={(reads) => change({ reads })}>
        Tell {contact.name} when I have read something
      </Tick>
    </>
  );
}

interface TickProps {
  readonly isOn: boolean;
  readonly testId: string;
  readonly run: Run;
  readonly onChange: (isOn: boolean) => Promise<void>;
  readonly children: ReactNode;
}

/** Shows at once what was wanted, and what is true again when it did not work. */
function Tick({ isOn, testId, run, onChange, children }: TickProps): ReactNode {
  const [shown, setShown] = useState(isOn);
  useEffect(() => setShown(isOn), [isOn]);
  const flip = (wanted: boolean): void => run(async () => {
    setShown(wanted);
    try {
      await onChange(wanted);
    } catch (error) {
      setShown(!wanted);
      throw error;
    }
  });
  return (
    <label className="tick">
      <input type="checkbox" checked={shown} data-testid={testId} onChange={(event) => flip(event.target.checked)} />
      <span>{children}</span>
    </label>
  );
}

interface SafetyWordsProps {
  readonly contact: Contact;
  readonly run: Run;
  readonly onVerified: (isVerified: boolean) => Promise<void>;
}

function SafetyWords({ contact, run, onVerified }: SafetyWordsProps): ReactNode {
  const [words, setWords] = useState<readonly string[]>([]);
  useEffect(() => {
    let isOver = false;
    api.words(contact.id).then((found) => {
      if (!isOver) setWords(found);
    }, () => undefined);
    return () => {
      isOver = true;
    };
  }, [contact.id]);
  if (words.length === 0) return null;
  return (
    <section className="safety" aria-label="Safety words">
      <h3>Safety words</h3>
      <p>Ask {contact.name} for these, by voice or face to face. The same on both sides: nobody stands between you.</p>
      <ol data-testid="safety-words">{words.map((word, index) => <li key={index}>{word}</li>)}</ol>
      <Tick isOn={contact.verified} testId="verified" run={run} onChange={onVerified}>We have compared them</Tick>
    </section>
  );
}

function Members({ room, run }: { readonly room: Room; readonly run: Run }): ReactNode {
  const { nameOf, talks } = useChat();
  const isOurs = room.owner === "" && room.open;
  const others = talks.filter((talk) =>
    talk.kind === "contact" && talk.state === "ready" && talk.identity === room.identity && !room.members.includes(talk.id));
  return (
    <section className="members" aria-label="Members">
      <h3>Members</h3>
      <ul>
        <li><span>You</span></li>
        {room.members.map((contact) => (
          <li key={contact}>
            <span dir="auto">{nameOf(contact)}{contact === room.owner && <span className="quiet"> · opened it</span>}</span>
            {isOurs && (
              <button type="button" className="link" onClick={() => run(async () => {
                await api.removeMember(room.id, contact);
              })}>Remove</button>
            )}
          </li>
        ))}
      </ul>
      {isOurs && others.length > 0 && (
        <select
          className="input" aria-label="Add somebody" value=""
          onChange={(event) => run(async () => {
            await api.addMember(room.id, event.target.value);
          })}
        >
          <option value="">Add somebody…</option>
          {others.map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
        </select>
      )}
    </section>
  );
}

interface SureProps {
  readonly label: string;
  readonly sure: string;
  readonly onSure: () => void;
}

const CALM_MS = 300;

/** A button that asks once more, in its own place. */
function Sure({ label, sure, onSure }: SureProps): ReactNode {
  const [isAsked, setIsAsked] = useState(false);
  // Not at once: what moved between the press and the release of a click elsewhere would swallow that click.
  const calmDown = (): void => void setTimeout(() => setIsAsked(false), CALM_MS);
  return isAsked
    ? <button type="button" className="button button--danger" onClick={onSure} onBlur={calmDown}>{sure}</button>
    : <button type="button" className="link" onClick={() => setIsAsked(true)}>{label}</button>;
}
