import { useState } from "react";
import type { ReactNode } from "react";
import type { Place } from "./place";

/** Who speaks, and where? */
export function NameForm({ place, onDone }: { readonly place: Place; readonly onDone: (place: Place) => void }): ReactNode {
  const [name, setName] = useState(place.name);
  const [channel, setChannel] = useState(place.channel);
  const [problem, setProblem] = useState("");
  return (
    <main className="welcome">
      <h1>Talk to other MUDs</h1>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() === "" || channel.trim() === "") return setProblem("A name and a channel are needed.");
          onDone({ ...place, name: name.trim(), channel: channel.trim() });
        }}
      >
        <div className="field">
          <label htmlFor="my-name">Your name</label>
          <input id="my-name" className="input input--big" value={name} maxLength={40} autoComplete="off" autoFocus onChange={(event) => setName(event.target.value)} />
        </div>
        <div className="field">
          <label htmlFor="my-channel">A channel</label>
          <input id="my-channel" className="input" value={channel} maxLength={80} autoComplete="off" onChange={(event) => setChannel(event.target.value)} />
        </div>
        <p className="error" role="alert">{problem}</p>
        <button type="submit" className="button button--main">Begin</button>
      </form>
    </main>
  );
}

/** Somebody opened the address without a key, or with one that is void. */
export function NoKey({ isWrong = false }: { readonly isWrong?: boolean }): ReactNode {
  return (
    <main className="welcome" data-testid="no-key">
      <h1>{isWrong ? "This key is not good here" : "This page needs a key"}</h1>
      <p>
        Open it as <code>/#key=…&amp;name=you&amp;channel=tavern</code>, with a key of this gateway; its operator makes one with{" "}
        <code>holdfast i3 keys add NAME</code>.
      </p>
      <p className="quiet">The part behind the # stays in the browser.</p>
    </main>
  );
}
