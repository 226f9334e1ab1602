import { useId } from "react";
import type { ReactNode } from "react";
import { Qr } from "../shared/Qr";
import type { Stage } from "../shared/types";

export function HostLinks({ stage, hostKey }: { readonly stage: Stage; readonly hostKey: string | null }): ReactNode {
  const { origin } = location;
  const join = `${origin}/play/${stage.code}`;
  const personal = `${origin}/host/${stage.event}#key=${hostKey ?? ""}`;
  return (
    <section className="stack" aria-labelledby="links">
      <h2 id="links">Links</h2>
      <p><a className="button" href={`/screen/${stage.event}`} target="_blank" rel="noreferrer">Open the projector</a></p>
      <p>
        For players: <a data-testid="join-link" dir="ltr" href={join} target="_blank" rel="noreferrer">{join}</a>
      </p>
      {hostKey !== null && (
        <details>
          <summary data-testid="open-personal-link">Host from another device</summary>
          <div className="stack">
            <p>Whoever has this link is the host. Keep it to yourself.</p>
            <Qr text={personal} label="Code with the host’s personal link" />
            <LinkField label="Your personal link" link={personal} />
          </div>
        </details>
      )}
    </section>
  );
}

interface LinkFieldProps {
  readonly label: string;
  readonly link: string;
}

function LinkField({ label, link }: LinkFieldProps): ReactNode {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className="input"
        data-testid="personal-link"
        readOnly
        value={link}
        onFocus={(event) => event.target.select()}
      />
    </div>
  );
}
