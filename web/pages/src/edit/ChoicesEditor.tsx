import type { ReactNode } from "react";
import { LETTERS, Mark } from "../shared/Shape";
import type { QuizChoice } from "../shared/types";
import { limits, withItem } from "./draft";

interface ChoicesEditorProps {
  readonly choices: readonly QuizChoice[];
  readonly number: number;
  readonly errors: readonly (string | undefined)[];
  readonly correctError: string | undefined;
  readonly onChange: (choices: readonly QuizChoice[]) => void;
}

export function ChoicesEditor({ choices, number, errors, correctError, onChange }: ChoicesEditorProps): ReactNode {
  const correctId = `correct-${number}`;
  return (
    <fieldset className="stack edit__choices" aria-describedby={correctId}>
      <legend className="label">Answers, the right ones ticked</legend>
      <ul className="stack">
        {choices.map((choice, index) => {
          const letter = LETTERS[index] ?? "";
          const errorId = `choice-error-${number}-${index}`;
          return (
            <li key={index}>
              <div className="edit__choice">
                <Mark index={index} />
                <input
                  className="input"
                  aria-label={`Answer ${letter} of question ${number}`}
                  aria-invalid={errors[index] !== undefined}
                  aria-describedby={errorId}
                  dir="auto"
                  data-testid={`question-${number - 1}-choice-${index}`}
                  value={choice.text}
                  onChange={(event) => onChange(withItem(choices, index, { ...choice, text: event.target.value }))}
                />
                <label className="edit__right">
                  <input
                    type="checkbox"
                    data-testid={`question-${number - 1}-correct-${index}`}
                    checked={choice.correct}
                    aria-invalid={correctError !== undefined}
                    onChange={(event) => onChange(withItem(choices, index, { ...choice, correct: event.target.checked }))}
                  />
                  Right<span className="unseen">: answer {letter} of question {number}</span>
                </label>
                <button
                  type="button"
                  className="button button--plain"
                  aria-label={`Remove answer ${letter} of question ${number}`}
                  disabled={choices.length <= limits.choicesMin}
                  onClick={() => onChange(choices.filter((_, other) => other !== index))}
                >
                  ✕
                </button>
              </div>
              <p className="error edit__error" id={errorId}>{errors[index]}</p>
            </li>
          );
        })}
      </ul>
      <p className="error edit__error" id={correctId}>{correctError}</p>
      <p>
        <button
          type="button"
          className="button"
          data-testid={`question-${number - 1}-add-choice`}
          disabled={choices.length >= limits.choicesMax}
          onClick={() => onChange([...choices, { text: "", correct: false }])}
        >
          Add an answer
        </button>
      </p>
    </fieldset>
  );
}
