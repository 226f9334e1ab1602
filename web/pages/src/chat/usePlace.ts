import { useCallback, useEffect, useState } from "react";

export type Sheet = "invite" | "accept" | "room" | "identity" | "details" | "talk";

/** Where the person is: in which conversation, and what is open above it. It is kept in the address, so "back" works. */
export interface Place {
  readonly talk: string | null;
  readonly sheet: Sheet | null;
  /** A line to be shown, by its number. */
  readonly line: number | null;
  readonly open: (talk: string, line?: number) => void;
  readonly show: (sheet: Sheet) => void;
  readonly close: () => void;
  readonly list: () => void;
}

interface Where {
  readonly talk: string | null;
  readonly sheet: Sheet | null;
  readonly line: number | null;
}

function read(): Where {
  const query = new URLSearchParams(location.search);
  const line = Number(query.get("line") ?? Number.NaN);
  return {
    talk: query.get("talk"), sheet: query.get("sheet") as Sheet | null, line: Number.isSafeInteger(line) ? line : null,
  };
}

function addressOf({ talk, sheet, line }: Where): string {
  const query = new URLSearchParams();
  if (talk !== null) query.set("talk", talk);
  if (sheet !== null) query.set("sheet", sheet);
  if (line !== null) query.set("line", String(line));
  const text = query.toString();
  return location.pathname + (text === "" ? "" : `?${text}`);
}

export function usePlace(): Place {
  const [where, setWhere] = useState(read);
  useEffect(() => {
    const back = (): void => setWhere(read());
    window.addEventListener("popstate", back);
    return () => window.removeEventListener("popstate", back);
  }, []);
  const go = useCallback((next: Where, isNew = true): void => {
    if (isNew) history.pushState(null, "", addressOf(next));
    else history.replaceState(null, "", addressOf(next));
    setWhere(next);
  }, []);
  return {
    ...where,
    open: (talk, line) => go({ talk, sheet: null, line: line ?? null }, where.talk === null || where.sheet !== null),
    show: (sheet) => go({ ...where, sheet }),
    close: () => go({ ...where, sheet: null }, false),
    list: () => go({ talk: null, sheet: null, line: null }),
  };
}
