import { useEffect, useMemo, useRef, useState } from "react";
import type { ReactNode } from "react";
import { LineList } from "./LineList";
import { parseTalk, talkOf } from "./lines";
import { NoKey, NameForm } from "./NameForm";
import { People } from "./People";
import { keepPlace, readPlace } from "./place";
import type { Place } from "./place";
import { useBridge } from "./useBridge";
import type { Bridge } from "./useBridge";

export function BridgePage(): ReactNode {
  const [place, setPlace] = useState(readPlace);
  useEffect(() => keepPlace(place), [place]);
  if (place.key === "") return <NoKey />;
  if (place.name === "" || place.channel === "") return <NameForm place={place} onDone={setPlace} />;
  return <Talking place={place} />;
}

function Talking({ place }: { readonly place: Place }): ReactNode {
  const bridge = useBridge(place);
  const [talk, setTalk] = useState(place.channel);
  const [read, setRead] = useState<Readonly<Record<string, number>>>({});
  const [arePeopleOpen, setPeopleOpen] = useState(false);
  const talks = useMemo(() => talksOf(bridge, place.channel, talk), [bridge, place.channel, talk]);
  const last = bridge.lines.findLast((line) => line.talk === talk)?.at ?? 0;
  useEffect(() => setRead((known) => ({ ...known, [talk]: last })), [talk, last]);
  const open = (next: string): void => {
    setTalk(next);
    setPeopleOpen(false);
  };
  if (bridge.state === "refused") return <NoKey isWrong />;
  return (
    <div className="bridge" data-people={arePeopleOpen ? "open" : "closed"}>
      <header className="bridge__head">
        <h1 className="bridge__mud clip">{bridge.mud === "" ? "…" : bridge.mud}</h1>
        <span className="quiet clip">as {place.name}</span>
        <button type="button" className="button bridge__people" aria-expanded={arePeopleOpen} onClick={() => setPeopleOpen(!arePeopleOpen)}>
          People
        </button>
      </header>
      <Condition bridge={bridge} />
      <nav className="bridge__talks" aria-label="Conversations">
        {talks.map((each) => {
          const unread = bridge.lines.filter((line) => line.talk === each && !line.isMine && line.at > (read[each] ?? 0)).length;
          return (
            <button key={each} type="button" className="tab" aria-current={each === talk ? "page" : undefined} data-testid="talk" onClick={() => open(each)}>
              <span className="clip">{parseTalk(each) === null ? `# ${each}` : each}</span>
              {unread > 0 && each !== talk && <b className="tab__unread">{unread}<span className="unseen"> unread</span></b>}
            </button>
          );
        })}
      </nav>
      <main className="bridge__main">
        <LineList lines={bridge.lines.filter((line) => line.talk === talk)} talk={talk} onAgain={bridge.again} />
        <Composer key={talk} talk={talk} onSay={(text) => bridge.say(talk, text)} />
      </main>
      <People bridge={bridge} onTell={(user, mud) => open(talkOf(user, mud))} />
    </div>
  );
}

/** How it stands between this page, the gateway and the network, in one line that is always there. */
function Condition({ bridge }: { readonly bridge: Bridge }): ReactNode {
  const [kind, words] = conditionOf(bridge);
  return (
    <p className="bridge__state" role="status" data-kind={kind} data-testid="state">
      <span className="lamp" aria-hidden="true" />
      <span>{words}</span>
      {bridge.state === "away" && <button type="button" className="button button--plain" onClick={bridge.hurry}>Try now</button>}
    </p>
  );
}

function conditionOf({ state, router, muds }: Bridge): readonly [string, string] {
  if (state === "connecting") return ["wait", "Connecting to the gateway…"];
  if (state === "away") return ["bad", "The gateway is away. What you write is kept here and sent when it is back."];
  if (!router) return ["wait", "The router is away. What you say waits at the gateway until it is back."];
  const up = muds.filter((mud) => mud.status === "up").length;
  return ["good", up === 1 ? "On the network, alone so far" : `On the network with ${String(up)} MUDs`];
}

function talksOf({ lines }: Bridge, channel: string, open: string): readonly string[] {
  return [...new Set([channel, ...lines.map((line) => line.talk), open])];
}

const TEXT_MAX = 4_000;

function Composer({ talk, onSay }: { readonly talk: string; readonly onSay: (text: string) => void }): ReactNode {
  const [text, setText] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (globalThis.matchMedia("(pointer: fine)").matches) field.current?.focus({ preventScroll: true });
  }, []);
  const whom = parseTalk(talk);
  return (
    <form
      className="say"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() === "") return;
        onSay(text.trim());
        setText("");
        field.current?.focus();
      }}
    >
      <input
        ref={field} className="input" value={text} maxLength={TEXT_MAX} dir="auto" autoComplete="off" data-testid="text"
        aria-label={whom === null ? `Message to the channel ${talk}` : `Message to ${talk}`}
        placeholder={whom === null ? `Say something on ${talk}, or /me waves` : `Tell ${whom.user} something`}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" className="button button--main" data-testid="send" aria-disabled={text.trim() === ""}>Send</button>
    </form>
  );
}
