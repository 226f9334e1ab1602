import { createContext, useCallback, useContext, useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";

const Say = createContext<(text: string) => void>(() => undefined);

/** The page's live region: there from the start, so that everything put into it is read out. */
export function Announcer({ children }: { readonly children: ReactNode }): ReactNode {
  const [text, setText] = useState("");
  const say = useCallback((next: string) => setText(next), []);
  return (
    <Say.Provider value={say}>
      <p className="unseen" role="status" data-testid="announcer">{text}</p>
      {children}
    </Say.Provider>
  );
}

export function useSay(): (text: string) => void {
  return useContext(Say);
}

/** Reads `text` out when it becomes something else; not what is there at first, if `isQuietAtFirst`. */
export function useAnnounced(text: string, isQuietAtFirst = false): void {
  const say = useSay();
  const last = useRef(isQuietAtFirst ? text : "");
  useEffect(() => {
    if (text === last.current) return;
    last.current = text;
    if (text !== "") say(text);
  }, [text, say]);
}
