import { useState } from "react";
import type { ReactNode } from "react";
import { api } from "./api";
import { bounds } from "./types";

/** The program is new: under which name will friends know us? */
export function FirstRun(): ReactNode {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const start = (): void => {
    if (name.trim() === "") return setProblem("Any name will do.");
    setIsBusy(true);
    api.addIdentity(name.trim()).catch((error: unknown) => {
      setIsBusy(false);
      setProblem(error instanceof Error ? error.message : "That did not work.");
    });
  };
  return (
    <main className="first">
      <h1>Hello.</h1>
      <p>
        There is no account here. Your keys are made on this computer and stay on it. Friends see the name that you
        choose; gateways see neither.
      </p>
      <form onSubmit={(event) => {
        event.preventDefault();
        start();
      }}>
        <div className="field">
          <label htmlFor="my-name">Your name, for your friends</label>
          <input
            id="my-name" className="input input--big" value={name} maxLength={bounds.name} autoComplete="off"
            data-testid="my-name" autoFocus aria-invalid={problem !== ""} onChange={(event) => setName(event.target.value)}
          />
        </div>
        <p className="error" role="alert">{problem}</p>
        <button type="submit" className="button button--main" data-testid="start" aria-disabled={isBusy}>
          {isBusy ? "Making keys…" : "Start"}
        </button>
      </form>
    </main>
  );
}

/** Somebody opened the address without its key. */
export function NoKey(): ReactNode {
  return (
    <main className="first" data-testid="no-key">
      <h1>This page is locked</h1>
      <p>
        Open it with the whole link that the program prints when it starts; its last part, behind the #, is the key.
        Nobody else on this computer, and no web site, can open it without.
      </p>
      <p className="quiet">In a terminal: <code>holdfast chat</code></p>
    </main>
  );
}
