import { useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { callAt } from "../shared/api";

export function SignIn({ onSignedIn }: { readonly onSignedIn: () => void }): ReactNode {
  const [token, setToken] = useState("");
  const [error, setError] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const signIn = (event: FormEvent): void => {
    event.preventDefault();
    if (isBusy || token.trim() === "") return;
    setIsBusy(true);
    setError("");
    callAt("POST", "/api/admin/sign-in", { token: token.trim() }).then(
      onSignedIn,
      (reason: unknown) => setError(reason instanceof Error ? reason.message : "It did not work."),
    ).finally(() => setIsBusy(false));
  };
  return (
    <main className="sign-in">
      <h1>Dashboard</h1>
      <form className="stack card" onSubmit={signIn}>
        <input type="text" autoComplete="username" value="admin" readOnly hidden />
        <div className="field">
          <label htmlFor="token">Token</label>
          <input id="token" className="input" type="password" autoComplete="current-password" autoFocus value={token} aria-invalid={error !== ""} aria-describedby="why" onChange={(event) => setToken(event.target.value)} />
          <p id="why" className="error" role="alert">{error}</p>
        </div>
        <button className="button button--main" disabled={isBusy}>{isBusy ? "One moment…" : "Sign in"}</button>
        <p className="quiet">The server printed it at its first start. A new one: <code>holdfast admin-token</code></p>
      </form>
    </main>
  );
}
