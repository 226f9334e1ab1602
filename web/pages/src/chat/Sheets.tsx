import { useMemo, useState } from "react";
import type { ReactNode } from "react";
import { encode } from "uqr";
import { api } from "./api";
import { Sheet } from "./Sheet";
import { bounds } from "./types";
import type { Identity } from "./types";
import { useChat } from "./useChat";

/** Runs what a form asks for, once at a time, and says what went wrong. */
export function useDoing(): {
  readonly problem: string;
  readonly isBusy: boolean;
  readonly run: (work: () => Promise<void>) => void;
} {
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const run = (work: () => Promise<void>): void => {
    if (isBusy) return;
    setIsBusy(true);
    setProblem("");
    work()
      .catch((error: unknown) => setProblem(error instanceof Error ? error.message : "That did not work."))
      .finally(() => setIsBusy(false));
  };
  return { problem, isBusy, run };
}

interface WhoProps {
  readonly me: readonly Identity[];
  readonly value: string;
  readonly onChange: (identity: string) => void;
}

/** Under which of our names; not asked while there is only one. */
function Who({ me, value, onChange }: WhoProps): ReactNode {
  if (me.length < 2) return null;
  return (
    <div className="field">
      <label htmlFor="as-whom">As whom</label>
      <select id="as-whom" className="input" value={value} onChange={(event) => onChange(event.target.value)}>
        {me.map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
      </select>
    </div>
  );
}

function useMe(): readonly [readonly Identity[], string, (identity: string) => void] {
  const me = useChat().board?.me ?? [];
  const [identity, setIdentity] = useState(me[0]?.id ?? "");
  return [me, identity, setIdentity];
}

export function InviteSheet({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [me, identity, setIdentity] = useMe();
  const [name, setName] = useState("");
  const [link, setLink] = useState("");
  const { problem, isBusy, run } = useDoing();
  if (link !== "") return <Made link={link} name={name} onClose={onClose} />;
  return (
    <Sheet title="Invite somebody" onClose={onClose}>
      <form className="stack" onSubmit={(event) => {
        event.preventDefault();
        run(async () => setLink((await api.invite(identity, name.trim())).link));
      }}>
        <p>You get a link. Give it to one person, on any way that you trust. It is good once.</p>
        <div className="field">
          <label htmlFor="invite-name">For whom? Only you see this name</label>
          <input
            id="invite-name" className="input" value={name} maxLength={bounds.name} autoComplete="off" data-testid="invite-name"
            autoFocus onChange={(event) => setName(event.target.value)}
          />
        </div>
        <Who me={me} value={identity} onChange={setIdentity} />
        <p className="error error--late" role="alert">{problem}</p>
        <button type="submit" className="button button--main" data-testid="make-link" aria-disabled={isBusy}>
          {isBusy ? "Opening a mailbox…" : "Make the link"}
        </button>
      </form>
    </Sheet>
  );
}

function Made({ link, name, onClose }: { readonly link: string; readonly name: string; readonly onClose: () => void }): ReactNode {
  const [isCopied, setIsCopied] = useState(false);
  const copy = (): void => {
    navigator.clipboard.writeText(link).then(() => setIsCopied(true), () => undefined);
  };
  return (
    <Sheet title={name === "" ? "Your invitation" : `For ${name}`} onClose={onClose}>
      <div className="stack">
        <p>Whoever uses this link first is your contact: give it to nobody else. Afterwards, compare the safety words.</p>
        <textarea className="input made" aria-label="The link" readOnly rows={4} value={link} data-testid="made-link" onFocus={(event) => event.target.select()} />
        <div className="row">
          <button type="button" className="button button--main" data-testid="copy" onClick={copy}>{isCopied ? "Copied" : "Copy the link"}</button>
          {typeof navigator.share === "function" && (
            <button type="button" className="button" onClick={() => void navigator.share({ text: link }).catch(() => undefined)}>Share…</button>
          )}
        </div>
        <Code text={link} />
        <p className="unseen" role="status">{isCopied ? "The link was copied." : ""}</p>
      </div>
    </Sheet>
  );
}

/** As a picture for a camera; a link that is too long for one is shown without. */
function Code({ text }: { readonly text: string }): ReactNode {
  const code = useMemo(() => {
    try {
      return encode(text, { ecc: "L", border: 2 });
    } catch {
      return null;
    }
  }, [text]);
  if (code === null) return null;
  const cells = code.data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
  return (
    <svg className="code-picture" role="img" aria-label="The link as a code for a camera" viewBox={`0 0 ${code.size} ${code.size}`} shapeRendering="crispEdges">
      <rect width={code.size} height={code.size} fill="#fff" />
      <path d={cells.join("")} fill="#000" />
    </svg>
  );
}

interface DoneProps {
  readonly onClose: () => void;
  readonly onDone: (talk: string) => void;
}

export function AcceptSheet({ onClose, onDone }: DoneProps): ReactNode {
  const [me, identity, setIdentity] = useMe();
  const [link, setLink] = useState("");
  const [name, setName] = useState("");
  const { problem, isBusy, run } = useDoing();
  return (
    <Sheet title="I was invited" onClose={onClose}>
      <form className="stack" onSubmit={(event) => {
        event.preventDefault();
        if (link.trim() === "") return;
        run(async () => onDone((await api.accept(identity, link.trim(), name.trim())).id));
      }}>
        <div className="field">
          <label htmlFor="accept-link">The link that you were given</label>
          <textarea
            id="accept-link" className="input made" rows={4} value={link} maxLength={16_384} autoFocus data-testid="accept-link"
            spellCheck={false} autoComplete="off" placeholder="holdfast:1…" onChange={(event) => setLink(event.target.value)}
          />
        </div>
        <div className="field">
          <label htmlFor="accept-name">What do you call this person? Only you see it</label>
          <input
            id="accept-name" className="input" value={name} maxLength={bounds.name} autoComplete="off" data-testid="accept-name"
            placeholder="The name he or she goes by" onChange={(event) => setName(event.target.value)}
          />
        </div>
        <Who me={me} value={identity} onChange={setIdentity} />
        <p className="error error--late" role="alert">{problem}</p>
        <button type="submit" className="button button--main" data-testid="accept" aria-disabled={isBusy}>
          {isBusy ? "Opening mailboxes…" : "Start talking"}
        </button>
      </form>
    </Sheet>
  );
}

export function RoomSheet({ onClose, onDone }: DoneProps): ReactNode {
  const { talks } = useChat();
  const [me, identity, setIdentity] = useMe();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const { problem, isBusy, run } = useDoing();
  const friends = talks.filter((talk) => talk.kind === "contact" && talk.identity === identity && talk.state === "ready");
  const flip = (id: string): void => setChosen(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id]);
  return (
    <Sheet title="New room" onClose={onClose}>
      <form className="stack" onSubmit={(event) => {
        event.preventDefault();
        if (name.trim() === "" || chosen.length === 0) return;
        run(async () => onDone((await api.openRoom(identity, name.trim(), chosen)).id));
      }}>
        <p>Members learn of each other, and read what is said from now on.</p>
        <div className="field">
          <label htmlFor="room-name">Name of the room</label>
          <input
            id="room-name" className="input" value={name} maxLength={bounds.name} autoComplete="off" data-testid="room-name"
            autoFocus onChange={(event) => setName(event.target.value)}
          />
        </div>
        <Who me={me} value={identity} onChange={(next) => {
          setIdentity(next);
          setChosen([]);
        }} />
        <fieldset className="field">
          <legend>Who is in it</legend>
          {friends.length === 0 && <p className="quiet">Nobody yet: invite somebody first.</p>}
          {friends.map(({ id, name: friend }) => (
            <label key={id} className="tick">
              <input type="checkbox" checked={chosen.includes(id)} onChange={() => flip(id)} /> <span dir="auto">{friend}</span>
            </label>
          ))}
        </fieldset>
        <p className="error error--late" role="alert">{problem}</p>
        <button
          type="submit" className="button button--main" data-testid="open-room"
          aria-disabled={isBusy || name.trim() === "" || chosen.length === 0}
        >
          Open the room
        </button>
      </form>
    </Sheet>
  );
}

export function IdentitySheet({ onClose }: { readonly onClose: () => void }): ReactNode {
  const me = useChat().board?.me ?? [];
  const [name, setName] = useState("");
  const { problem, isBusy, run } = useDoing();
  return (
    <Sheet title="Another name of mine" onClose={onClose}>
      <form className="stack" onSubmit={(event) => {
        event.preventDefault();
        if (name.trim() === "") return;
        run(async () => {
          await api.addIdentity(name.trim());
          onClose();
        });
      }}>
        <p>It has keys and mailboxes of its own. Nobody can tell from outside that it is you as well.</p>
        <ul className="mine">
          {me.map((identity) => <li key={identity.id}><strong dir="auto">{identity.name}</strong> <code>{identity.fingerprint}</code></li>)}
        </ul>
        <div className="field">
          <label htmlFor="identity-name">The new name</label>
          <input
            id="identity-name" className="input" value={name} maxLength={bounds.name} autoComplete="off" data-testid="identity-name"
            onChange={(event) => setName(event.target.value)}
          />
        </div>
        <p className="error error--late" role="alert">{problem}</p>
        <button type="submit" className="button button--main" aria-disabled={isBusy}>Make its keys</button>
      </form>
    </Sheet>
  );
}
