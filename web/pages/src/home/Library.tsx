import { useCallback, useEffect, useState } from "react";
import type { ReactNode } from "react";
import { call, wordsFor } from "../shared/api";
import { writeHostKey } from "../shared/hostKeys";
import { spokenCode } from "../shared/names";
import type { QuizSummary, RunningEvent } from "../shared/types";
import { QuizRow } from "./QuizRow";

interface Shelf {
  readonly quizzes: readonly QuizSummary[];
  readonly events: readonly RunningEvent[];
}

interface Started {
  readonly event: string;
  readonly code: string;
  readonly key: string;
}

export function Library(): ReactNode {
  const [shelf, setShelf] = useState<Shelf | null>(null);
  const [error, setError] = useState("");
  const [isStarting, setIsStarting] = useState(false);

  const load = useCallback(() => {
    setError("");
    call<Shelf>("GET", "/quizzes").then(setShelf, (reason: unknown) => setError(wordsFor(reason)));
  }, []);
  useEffect(load, [load]);

  const host = (quiz: string, timing: string): void => {
    if (isStarting) return;
    setIsStarting(true);
    setError("");
    call<Started>("POST", "/events", { quiz, timing }).then(
      ({ event, key }) => {
        writeHostKey(event, key);
        location.assign(`/host/${event}`);
      },
      (reason: unknown) => {
        setError(wordsFor(reason));
        setIsStarting(false);
      },
    );
  };
  const remove = (id: string): void => {
    call<unknown>("DELETE", `/quizzes/${id}`).then(load, (reason: unknown) => setError(wordsFor(reason)));
  };

  return (
    <section className="home__shelf" aria-labelledby="library">
      <div className="row row--apart">
        <h2 id="library">Host a quiz</h2>
        <a className="button" data-testid="new-quiz" href="/edit/new">Write a new one</a>
      </div>
      <p className="error error--late" role="alert">{error}</p>
      {error !== "" && shelf === null && (
        <p><button type="button" className="button" data-testid="retry" onClick={load}>Try again</button></p>
      )}
      {shelf !== null && shelf.events.length > 0 && <Running events={shelf.events} />}
      <ul className="stack">
        {shelf?.quizzes.map((quiz) => (
          <QuizRow key={quiz.id} quiz={quiz} isBusy={isStarting} onHost={host} onDelete={remove} />
        ))}
      </ul>
    </section>
  );
}

function Running({ events }: { readonly events: readonly RunningEvent[] }): ReactNode {
  return (
    <>
      <h3>Running now</h3>
      <ul className="stack">
        {events.map((event) => (
          <li key={event.event} className="card shelf">
            <div className="shelf__title">
              <strong>{event.title}</strong>
              <p className="quiet">
                {spokenCode(event.code)} · {event.players} {event.players === 1 ? "player" : "players"}
              </p>
            </div>
            <a className="button" data-testid={`event-${event.event}`} href={`/host/${event.event}`}>Back to hosting</a>
          </li>
        ))}
      </ul>
      <h3>Quizzes</h3>
    </>
  );
}
