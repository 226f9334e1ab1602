import { useState } from "react";
import type { ReactNode } from "react";
import type { QuizSummary } from "../shared/types";

interface QuizRowProps {
  readonly quiz: QuizSummary;
  readonly isBusy: boolean;
  readonly onHost: (id: string, timing: string) => void;
  readonly onDelete: (id: string) => void;
}

export function QuizRow({ quiz, isBusy, onHost, onDelete }: QuizRowProps): ReactNode {
  const [timing, setTiming] = useState("fair");
  const [isAsking, setIsAsking] = useState(false);
  return (
    <li className="card shelf">
      <div className="shelf__title">
        <strong>{quiz.title}</strong>
        <p className="quiet">
          {quiz.questions} {quiz.questions === 1 ? "question" : "questions"}{quiz.sample && " · a sample to try"}
        </p>
      </div>
      <div className="row">
        <select
          className="input shelf__timing"
          aria-label={`How time counts in ${quiz.title}`}
          value={timing}
          onChange={(event) => setTiming(event.target.value)}
        >
          <option value="fair">Fair time: slow networks cost nothing</option>
          <option value="server_clock">Arrival counts: for exams</option>
          <option value="no_speed">No speed: right is right</option>
        </select>
        <button
          type="button"
          className="button button--main"
          data-testid={`quiz-host-${quiz.id}`}
          aria-label={`Host ${quiz.title}`}
          aria-disabled={isBusy}
          onClick={() => onHost(quiz.id, timing)}
        >
          Host
        </button>
        {!quiz.sample && (
          <>
            <a
              className="button"
              data-testid={`quiz-edit-${quiz.id}`}
              aria-label={`Edit ${quiz.title}`}
              href={`/edit/${quiz.id}`}
            >
              Edit
            </a>
            <button
              type="button"
              className="button button--plain"
              data-testid={`quiz-delete-${quiz.id}`}
              aria-label={isAsking ? `Really delete ${quiz.title}` : `Delete ${quiz.title}`}
              onBlur={() => setIsAsking(false)}
              onClick={() => {
                if (isAsking) onDelete(quiz.id);
                setIsAsking(!isAsking);
              }}
            >
              {isAsking ? "Really delete" : "Delete"}
            </button>
          </>
        )}
      </div>
    </li>
  );
}
