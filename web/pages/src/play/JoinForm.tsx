import { useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { wordsFor } from "../shared/api";
import { nameError, spokenCode } from "../shared/names";
import { sizeOf } from "../shared/size";
import type { EventInfo } from "../shared/types";

interface JoinFormProps {
  readonly info: EventInfo;
  readonly name: string;
  readonly news: string;
  readonly onJoin: (name: string) => Promise<void>;
}

export function JoinForm({ info, name: firstName, news, onJoin }: JoinFormProps): ReactNode {
  const [name, setName] = useState(firstName);
  const [error, setError] = useState(news);
  const [isJoining, setIsJoining] = useState(false);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isJoining) return;
    const wrong = nameError(name);
    setError(wrong ?? "");
    if (wrong !== null) return;
    setIsJoining(true);
    onJoin(name).catch((reason: unknown) => {
      setError(wordsFor(reason));
      setIsJoining(false);
    });
  };

  return (
    <div className="page" data-look="accent">
      <header className="head">
        <a className="brand" href="/">Holdfast</a>
        <span className="quiet">{spokenCode(info.code)}</span>
      </header>
      <main className="join" data-phase="join">
        <h1 data-size={sizeOf(info.title)}>{info.title}</h1>
        {info.locked && (
          <p className="notice">The host has closed the door to newcomers. A seat that you have is still yours.</p>
        )}
        <form className="stack" onSubmit={submit} noValidate>
          <div className="field">
            <label htmlFor="name">Your name</label>
            <input
              id="name"
              className="input input--big"
              data-testid="join-name"
              autoComplete="nickname"
              autoCapitalize="words"
              enterKeyHint="go"
              dir="auto"
              value={name}
              aria-invalid={error !== "" && !isJoining}
              aria-describedby="name-error"
              onChange={(event) => setName(event.target.value)}
            />
            <p className="error" id="name-error" role="alert" data-testid="join-error">{error}</p>
          </div>
          <button type="submit" className="button button--main" data-testid="join-submit" aria-disabled={isJoining}>
            {isJoining ? "Joining…" : "Join"}
          </button>
          <p className="quiet">
            {hereWords(info.players)} Played here before under this
            name? You get your seat back.
          </p>
        </form>
      </main>
    </div>
  );
}

function hereWords(players: number): string {
  if (players === 0) return "Nobody is here yet.";
  return players === 1 ? "1 player is here." : `${players} players are here.`;
}
