import { useId, useRef, useState } from "react";
import type { ReactNode } from "react";
import { Qr } from "../shared/Qr";

/** The way to another device: whoever has this link plays this seat. */
export function Continue({ code, seatKey }: { readonly code: string; readonly seatKey: string }): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  const link = `${location.origin}/play/${code}#key=${seatKey}`;
  return (
    <>
      <button
        type="button"
        className="button button--plain continue"
        data-testid="open-personal-link"
        onClick={() => {
          setIsOpen(true);
          dialog.current?.showModal();
        }}
      >
        <svg className="continue__sign" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
          <path d="M4 3h8v4m0 10v4H4V3M10 12h11m-4-4 4 4-4 4" />
        </svg>
        <span className="continue__words">Continue on another device</span>
      </button>
      <dialog ref={dialog} aria-labelledby={`${id}title`} onClose={() => setIsOpen(false)}>
        {isOpen && (
          <div className="stack">
            <h2 id={`${id}title`}>Continue on another device</h2>
            <p>Scan this with the other device, or open the link there. It is yours alone: whoever has it plays as you.</p>
            <Qr text={link} label="Code with your personal link" />
            <div className="field">
              <label htmlFor={`${id}link`}>Your personal link</label>
              <input
                id={`${id}link`}
                className="input"
                data-testid="personal-link"
                readOnly
                value={link}
                onFocus={(event) => event.target.select()}
              />
            </div>
            <div className="row">
              <button
                type="button"
                className="button"
                onClick={() => void navigator.clipboard?.writeText(link).catch(() => undefined)}
              >
                Copy link
              </button>
              <button type="button" className="button" onClick={() => dialog.current?.close()}>Close</button>
            </div>
          </div>
        )}
      </dialog>
    </>
  );
}
