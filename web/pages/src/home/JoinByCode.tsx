import { useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { call, wordsFor } from "../shared/api";
import { cleanCode } from "../shared/names";
import type { EventInfo } from "../shared/types";

export function JoinByCode(): ReactNode {
  const [code, setCode] = useState("");
  const [error, setError] = useState("");
  const [isLooking, setIsLooking] = useState(false);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isLooking) return;
    const digits = cleanCode(code);
    setError(digits === null ? "A code has six digits, like 482 913." : "");
    if (digits === null) return;
    setIsLooking(true);
    call<EventInfo>("GET", `/events/${digits}`).then(
      () => location.assign(`/play/${digits}`),
      (reason: unknown) => {
        setError(wordsFor(reason));
        setIsLooking(false);
      },
    );
  };

  return (
    <form className="stack" onSubmit={submit} noValidate>
      <div className="field">
        <label htmlFor="code">Six digits from the screen</label>
        <input
          id="code"
          className="input input--big home__code"
          data-testid="join-code"
          inputMode="numeric"
          autoComplete="off"
          enterKeyHint="go"
          dir="ltr"
          placeholder="000 000"
          value={code}
          aria-invalid={error !== ""}
          aria-describedby="code-error"
          onChange={(event) => setCode(event.target.value)}
        />
        <p className="error" id="code-error" role="alert" data-testid="join-error">{error}</p>
      </div>
      <button type="submit" className="button button--main" data-testid="join-submit" aria-disabled={isLooking}>
        {isLooking ? "Looking…" : "Join"}
      </button>
    </form>
  );
}
