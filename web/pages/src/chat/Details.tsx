import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { useTick } from "../shared/hooks";
import { api } from "./api";
import { count, momentOf, timeOf, whenOf } from "./format";
import { Icon } from "./icons";
import { Sheet } from "./Sheet";
import type { Board, Gateway, NotedError } from "./types";
import { useChat } from "./useChat";
import { gatewayWords, gradeOf, isUp, modeWords, priorityName } from "./verdict";

interface DetailsProps {
  readonly board: Board;
  /** Errors of it are shown first; empty: all. */
  readonly category: string;
  readonly onClose: () => void;
}

/** What stands behind the bar: gateways, what waits, and what went wrong. */
export function Details({ board, category, onClose }: DetailsProps): ReactNode {
  const [mode, meaning] = modeWords(board.mode);
  return (
    <Sheet title="How things stand" onClose={onClose} isWide>
      <div className="stack details">
        <p><strong>{mode}.</strong> {meaning}</p>
        {board.plain.on && (
          <p className="notice">The plain way is used for now: {board.plain.reason || "the part that chooses gateways failed"}. Messages arrive, less quickly.</p>
        )}
        <section aria-label="Gateways">
          <h3>Gateways</h3>
          <ul className="gateways">
            {board.gateways.map((gateway) => <GatewayRow key={gateway.name} gateway={gateway} isDemo={board.demo} />)}
          </ul>
        </section>
        <Waiting board={board} />
        <Errors board={board} first={category} />
      </div>
    </Sheet>
  );
}

function GatewayRow({ gateway, isDemo }: { readonly gateway: Gateway; readonly isDemo: boolean }): ReactNode {
  const [problem, setProblem] = useState("");
  const act = (what: string): void => {
    setProblem("");
    api.demo(gateway.name, what).catch((error: unknown) => setProblem(error instanceof Error ? error.message : "That did not work."));
  };
  const tested = gateway.proven === null ? "" : ` · tested ${gateway.proven === 0 ? "just now" : `${count(gateway.proven, "minute")} ago`}`;
  return (
    <li className="gateway" data-testid="gateway" data-name={gateway.name} data-up={isUp(gateway)}>
      <span className="lamp" data-up={isUp(gateway)} data-grade={gradeOf(gateway)} aria-hidden="true" />
      <span className="gateway__name">
        <strong>{gateway.name}</strong>
        <span className="quiet">{gateway.ours ? "" : "of a contact · "}{gatewayWords(gateway)}{tested}</span>
      </span>
      <span className="gateway__figures quiet">
        {gateway.deposits} taken{gateway.failures > 0 && <>, <b>{gateway.failures} failed</b></>}
      </span>
      {isDemo && gateway.ours && (
        <span className="gateway__acts">
          <button type="button" className="small-button small-button--danger" data-testid="kill" onClick={() => act("kill")}>Kill</button>
          <button type="button" className="small-button" data-testid="freeze" onClick={() => act("freeze")}>Freeze</button>
          <button type="button" className="small-button" data-testid="revive" onClick={() => act("start")}>Start</button>
        </span>
      )}
      {problem !== "" && <p className="error gateway__problem" role="alert">{problem}</p>}
    </li>
  );
}

function Waiting({ board }: { readonly board: Board }): ReactNode {
  const { session } = useChat();
  const { queue } = board;
  useTick(500, queue.next !== null);
  const [isAsked, setIsAsked] = useState(false);
  const retry = (): void => {
    setIsAsked(true);
    session.retryNow();
    api.retry().catch(() => undefined).finally(() => setTimeout(() => setIsAsked(false), 1000));
  };
  const wait = queue.next === null ? null : Math.max(0, Math.ceil((queue.next - session.now()) / 1000));
  return (
    <section aria-label="What waits" data-testid="queue">
      <h3>What waits</h3>
      {queue.waiting === 0
        ? <p className="quiet">Nothing: all that you said has arrived.</p>
        : (
          <>
            <dl className="pairs">
              {Object.entries(queue.by_priority).map(([priority, number]) => (
                <div key={priority}><dt>{priorityName(priority)}</dt><dd>{number}</dd></div>
              ))}
              <div><dt>of them sealed at a gateway, until they are picked up</dt><dd>{queue.at_gateway}</dd></div>
              {queue.failing > 0 && <div><dt>could not be left at a gateway yet; the reason stands below</dt><dd>{queue.failing}</dd></div>}
              {queue.oldest !== null && <div><dt>the oldest since</dt><dd>{whenOf(queue.oldest, Date.now())}</dd></div>}
              <div><dt>next attempt</dt><dd data-testid="next-attempt">{wait === null ? "when a gateway is there" : wait === 0 ? "now" : `in ${wait} s`}</dd></div>
            </dl>
            <button type="button" className="button" data-testid="retry" aria-disabled={isAsked} onClick={retry}>
              <Icon name="retry" /> {isAsked ? "Trying…" : "Try now"}
            </button>
          </>
        )}
    </section>
  );
}

function Errors({ board, first }: { readonly board: Board; readonly first: string }): ReactNode {
  const [errors, setErrors] = useState<readonly NotedError[] | null>(null);
  const [category, setCategory] = useState(first);
  const section = useRef<HTMLElement>(null);
  const isLoaded = errors !== null;
  useEffect(() => {
    if (first !== "" && isLoaded) section.current?.scrollIntoView({ block: "start" });
  }, [first, isLoaded]);
  const { total } = board.errors;
  useEffect(() => {
    let isOver = false;
    api.errors().then((found) => {
      if (!isOver) setErrors(found);
    }, () => undefined);
    return () => {
      isOver = true;
    };
  }, [total]);
  const shown = (errors ?? []).filter((error) => category === "" || error.category === category);
  return (
    <section aria-label="Errors" data-testid="error-list" ref={section}>
      <h3>What went wrong</h3>
      {total === 0 && <p className="quiet">Nothing since the program was started.</p>}
      {total > 0 && (
        <div className="row row--tight" role="group" aria-label="Category">
          {Object.entries(board.errors.by).map(([name, number]) => (
            <button
              key={name} type="button" className="small-button" aria-pressed={category === name}
              onClick={() => setCategory(category === name ? "" : name)}
            >
              {name} {number}
            </button>
          ))}
        </div>
      )}
      <ul className="noted">
        {shown.map((error, index) => (
          <li key={`${error.at}-${index}`} data-severity={error.severity}>
            <time dateTime={new Date(error.at).toISOString()} title={momentOf(error.at)}>{timeOf(error.at)}</time>
            <span>
              <b>{error.category} {error.code}</b> {error.message}
              {error.recovered && <span className="quiet"> · put right by itself</span>}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
