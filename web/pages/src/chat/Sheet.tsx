import { useEffect, useRef } from "react";
import type { ReactNode } from "react";
import { Icon } from "./icons";

interface SheetProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly isWide?: boolean;
}

/** A dialog over the page; Escape, the cross and a click beside it close it. */
export function Sheet({ title, onClose, children, isWide = false }: SheetProps): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const { current } = dialog;
    if (current !== null && !current.open) current.showModal();
    return () => current?.close();
  }, []);
  return (
    <dialog
      ref={dialog} className={`sheet${isWide ? " sheet--wide" : ""}`} aria-label={title} data-testid="sheet"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <div className="sheet__body">
        <div className="sheet__head">
          <h2>{title}</h2>
          <button type="button" className="round" aria-label="Close" data-testid="close" onClick={onClose}><Icon name="close" /></button>
        </div>
        {children}
      </div>
    </dialog>
  );
}
