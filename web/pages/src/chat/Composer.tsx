import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { draftOf, keepDraft } from "./drafts";
import { Icon } from "./icons";
import { bounds } from "./types";
import type { Talk } from "./types";
import { useChat } from "./useChat";

const NEARLY_FULL = 200;

/** On a phone Enter is a new line, as everywhere there. */
const hasKeyboard = globalThis.matchMedia("(pointer: fine)").matches;

export function Composer({ talk, onSaid }: { readonly talk: Talk; readonly onSaid: () => void }): ReactNode {
  const { say, attach } = useChat();
  const [text, setText] = useState(() => draftOf(talk.id));
  const [problem, setProblem] = useState("");
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  useEffect(() => keepDraft(talk.id, text), [talk.id, text]);
  useLayoutEffect(() => {
    const { current } = area;
    if (current === null) return;
    current.style.blockSize = "auto";
    current.style.blockSize = `${current.scrollHeight + 2}px`;
  }, [text]);
  useEffect(() => {
    if (hasKeyboard) area.current?.focus({ preventScroll: true });
  }, []);

  const over = text.length - bounds.text;
  const send = (): void => {
    const said = text.trim();
    if (said === "" || over > 0) return;
    say(talk.id, said);
    setText("");
    setProblem("");
    onSaid();
    area.current?.focus();
  };
  const take = (files: readonly File[]): void => {
    if (files.length > 0) setProblem(attach(talk.id, files));
  };
  useDropped(take);
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {problem !== "" && <p className="composer__problem error" role="alert">{problem}</p>}
      <button type="button" className="round" aria-label="Attach a file" data-testid="attach" onClick={() => picker.current?.click()}>
        <Icon name="clip" />
      </button>
      <input
        ref={picker} type="file" multiple hidden data-testid="picker"
        onChange={(event) => {
          take([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
      <textarea
        ref={area} className="composer__text" rows={1} dir="auto" value={text} placeholder="Message"
        aria-label={`Message to ${talk.name}`} data-testid="text" enterKeyHint={hasKeyboard ? "send" : "enter"}
        aria-invalid={over > 0}
        onChange={(event) => setText(event.target.value)}
        onPaste={(event) => {
          const files = [...event.clipboardData.files];
          if (files.length === 0) return;
          event.preventDefault();
          take(files);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing || !hasKeyboard) return;
          event.preventDefault();
          send();
        }}
      />
      {over > -NEARLY_FULL && (
        <span className={`composer__count${over > 0 ? " error" : " quiet"}`}>{over > 0 ? `${over} too many` : `${-over} left`}</span>
      )}
      <button type="submit" className="round round--accent" aria-label="Send" data-testid="send" aria-disabled={text.trim() === "" || over > 0}>
        <Icon name="send" />
      </button>
    </form>
  );
}

/** Files that are dropped anywhere on the page. */
function useDropped(take: (files: readonly File[]) => void): void {
  const latest = useRef(take);
  useEffect(() => {
    latest.current = take;
  });
  useEffect(() => {
    const over = (event: DragEvent): void => {
      if (event.dataTransfer?.types.includes("Files") === true) event.preventDefault();
    };
    const dropped = (event: DragEvent): void => {
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      latest.current(files);
    };
    document.addEventListener("dragover", over);
    document.addEventListener("drop", dropped);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("drop", dropped);
    };
  }, []);
}
