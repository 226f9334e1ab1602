import { useState } from "react";
import type { ReactNode } from "react";
import type { Bridge } from "./useBridge";

interface PeopleProps {
  readonly bridge: Bridge;
  readonly onTell: (user: string, mud: string) => void;
}

/** Who was heard on the channel, and which MUDs there are. */
export function People({ bridge, onTell }: PeopleProps): ReactNode {
  const others = bridge.muds.filter((mud) => mud.name !== bridge.mud);
  return (
    <aside className="people" aria-label="People and MUDs">
      <h2>Heard lately</h2>
      {bridge.members.length === 0 && <p className="quiet">Nobody from another MUD yet.</p>}
      <ul>
        {bridge.members.map((member) => {
          const at = member.lastIndexOf("@");
          const [user, mud] = [member.slice(0, at), member.slice(at + 1)];
          return (
            <li key={member}>
              <button type="button" className="person" data-testid="person" onClick={() => onTell(user, mud)}>
                <b className="clip">{user}</b> <span className="quiet clip">@{mud}</span>
              </button>
            </li>
          );
        })}
      </ul>
      <h2>MUDs</h2>
      {others.length === 0 && <p className="quiet">No other MUD is known.</p>}
      <ul>
        {others.map((mud) => (
          <li key={mud.name} className="mud" data-up={mud.status === "up"}>
            <span className="lamp" aria-hidden="true" />
            <span className="clip">{mud.name}</span>
            <span className="quiet">{mud.status}</span>
          </li>
        ))}
      </ul>
      <TellForm muds={others.map((mud) => mud.name)} onTell={onTell} />
    </aside>
  );
}

function TellForm({ muds, onTell }: { readonly muds: readonly string[]; readonly onTell: PeopleProps["onTell"] }): ReactNode {
  const [user, setUser] = useState("");
  const [chosen, setChosen] = useState("");
  const mud = muds.includes(chosen) ? chosen : (muds[0] ?? "");
  if (muds.length === 0) return null;
  return (
    <form
      className="stack people__tell"
      onSubmit={(event) => {
        event.preventDefault();
        if (user.trim() === "") return;
        onTell(user.trim(), mud);
        setUser("");
      }}
    >
      <h2>Tell somebody</h2>
      <div className="field">
        <label htmlFor="tell-user">Who</label>
        <input id="tell-user" className="input" value={user} maxLength={80} autoComplete="off" data-testid="tell-user" onChange={(event) => setUser(event.target.value)} />
      </div>
      <div className="field">
        <label htmlFor="tell-mud">On</label>
        <select id="tell-mud" className="input" value={mud} data-testid="tell-mud" onChange={(event) => setChosen(event.target.value)}>
          {muds.map((name) => <option key={name}>{name}</option>)}
        </select>
      </div>
      <button type="submit" className="button" data-testid="tell-open" aria-disabled={user.trim() === ""}>Open</button>
    </form>
  );
}
