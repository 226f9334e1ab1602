import type { ReactNode } from "react";
import type { QuizQuestion } from "../shared/types";
import { ChoicesEditor } from "./ChoicesEditor";
import { limits } from "./draft";
import type { QuestionErrors } from "./draft";
import { Field } from "./Field";

interface QuestionEditorProps {
  readonly question: QuizQuestion;
  readonly number: number;
  readonly count: number;
  readonly errors: QuestionErrors | undefined;
  readonly onChange: (question: QuizQuestion) => void;
  readonly onMove: (by: number) => void;
  readonly onDuplicate: () => void;
  readonly onRemove: () => void;
}

export function QuestionEditor(props: QuestionEditorProps): ReactNode {
  const { question, number, count, errors, onChange, onMove, onDuplicate, onRemove } = props;
  const testId = (name: string): string => `question-${number - 1}-${name}`;
  return (
    <fieldset className="card stack edit__question">
      <legend className="unseen">Question {number}</legend>
      <div className="row row--apart">
        <h2 aria-hidden="true">{number}</h2>
        <div className="row">
          <button
            type="button"
            className="button"
            aria-label={`Move question ${number} up`}
            disabled={number === 1}
            onClick={() => onMove(-1)}
          >
            ↑
          </button>
          <button
            type="button"
            className="button"
            aria-label={`Move question ${number} down`}
            disabled={number === count}
            onClick={() => onMove(1)}
          >
            ↓
          </button>
          <button
            type="button"
            className="button"
            aria-label={`Duplicate question ${number}`}
            data-testid={testId("duplicate")}
            disabled={count >= limits.questions}
            onClick={onDuplicate}
          >
            Duplicate
          </button>
          <button
            type="button"
            className="button button--plain"
            aria-label={`Remove question ${number}`}
            disabled={count === 1}
            onClick={onRemove}
          >
            Remove
          </button>
        </div>
      </div>
      <Field label="Question" error={errors?.text}>
        {(field) => (
          <textarea
            {...field}
            className="input"
            rows={2}
            dir="auto"
            data-testid={testId("text")}
            value={question.text}
            onChange={(event) => onChange({ ...question, text: event.target.value })}
          />
        )}
      </Field>
      <ChoicesEditor
        choices={question.choices}
        number={number}
        errors={errors?.choices ?? []}
        correctError={errors?.correct}
        onChange={(choices) => onChange({ ...question, choices })}
      />
      <div className="edit__numbers">
        <Field label="Seconds to answer" error={errors?.limit}>
          {(field) => (
            <NumberInput
              field={field}
              testId={testId("seconds")}
              value={question.limit_ms / 1_000}
              onChange={(seconds) => onChange({ ...question, limit_ms: Math.round(seconds * 1_000) })}
            />
          )}
        </Field>
        <Field label="Points" error={errors?.points}>
          {(field) => (
            <NumberInput
              field={field}
              testId={testId("points")}
              value={question.points}
              onChange={(points) => onChange({ ...question, points })}
            />
          )}
        </Field>
      </div>
      <Field label="Explanation, shown with the answer (may be left out)" error={errors?.explanation}>
        {(field) => (
          <textarea
            {...field}
            className="input"
            rows={2}
            dir="auto"
            data-testid={testId("explanation")}
            value={question.explanation}
            onChange={(event) => onChange({ ...question, explanation: event.target.value })}
          />
        )}
      </Field>
    </fieldset>
  );
}

interface NumberInputProps {
  readonly field: { readonly id: string; readonly "aria-invalid": boolean; readonly "aria-describedby": string };
  readonly testId: string;
  readonly value: number;
  readonly onChange: (value: number) => void;
}

function NumberInput({ field, testId, value, onChange }: NumberInputProps): ReactNode {
  return (
    <input
      {...field}
      className="input"
      type="number"
      inputMode="numeric"
      data-testid={testId}
      value={Number.isFinite(value) ? value : ""}
      onChange={(event) => onChange(event.target.valueAsNumber)}
    />
  );
}
