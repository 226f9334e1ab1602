import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "./api";
import { around, noLines, withLatest, withOlder } from "./lines";
import type { Lines } from "./lines";

const AROUND = 20;
const AGAIN_MS = 1000;

export interface TalkLines {
  readonly lines: Lines;
  readonly loadOlder: () => void;
  readonly showAround: (number: number) => void;
  readonly showLatest: () => void;
}

/** Kept while the page lives, so that going back to a conversation shows it at once. */
const kept = new Map<string, Lines>();
const KEPT_MAX = 20;

function keep(talk: string, lines: Lines): void {
  kept.delete(talk);
  kept.set(talk, lines);
  const oldest = kept.keys().next().value;
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
}

/** The lines of a conversation, read anew when its revision becomes another one. */
export function useLines(talk: string, revision: number, newest: number, isReachable: boolean): TalkLines {
  const [lines, setLines] = useState<Lines>(() => kept.get(talk) ?? noLines);
  const latest = useRef(lines);
  const isBusy = useRef(false);
  const [tries, setTries] = useState(0);

  const put = useCallback((next: Lines): void => {
    latest.current = next;
    keep(talk, next);
    setLines(next);
  }, [talk]);

  useEffect(() => {
    if (!isReachable || latest.current.revision === revision) return undefined;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const query = latest.current.revision === null ? "" : `?since=${latest.current.revision}`;
    api.rows(talk, query).then(
      (answer) => {
        if (!isOver) put(withLatest(latest.current, answer));
      },
      () => {
        if (!isOver) timer = setTimeout(() => setTries((count) => count + 1), AGAIN_MS);
      },
    );
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [talk, revision, isReachable, tries, put]);

  const once = useCallback((work: () => Promise<void>): void => {
    if (isBusy.current) return;
    isBusy.current = true;
    work().catch(() => undefined).finally(() => {
      isBusy.current = false;
    });
  }, []);

  const loadOlder = useCallback(() => once(async () => {
    const first = latest.current.rows[0];
    if (first === undefined || latest.current.isFromStart) return;
    put(withOlder(latest.current, await api.rows(talk, `?before=${first.number}`)));
  }), [once, put, talk]);

  const showAround = useCallback((number: number) => once(async () => {
    if (latest.current.rows.some((line) => line.number === number)) return;
    put(around(latest.current, await api.rows(talk, `?before=${number + AROUND}`), newest));
  }), [once, put, talk, newest]);

  const showLatest = useCallback(() => once(async () => {
    put(withLatest(noLines, await api.rows(talk, "")));
  }), [once, put, talk]);

  return { lines, loadOlder, showAround, showLatest };
}
