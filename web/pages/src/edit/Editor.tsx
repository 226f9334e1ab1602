import { useRef, useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { wordsFor } from "../shared/api";
import type { Quiz, QuizQuestion } from "../shared/types";
import { emptyQuestion, errorsOf, limits, moved, trimmed, withItem } from "./draft";
import { Field } from "./Field";
import { QuestionEditor } from "./QuestionEditor";

interface EditorProps {
  readonly quiz: Quiz;
  readonly onChange: (quiz: Quiz) => void;
  readonly onSave: (quiz: Quiz) => Promise<void>;
}

export function Editor({ quiz, onChange, onSave }: EditorProps): ReactNode {
  // Nobody is told about mistakes in what was not written yet: not before the first try to save.
  const [isChecked, setIsChecked] = useState(false);
  const [problem, setProblem] = useState("");
  const [isSaving, setIsSaving] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const errors = errorsOf(quiz);
  const { questions } = quiz;

  const set = (next: readonly QuizQuestion[]): void => onChange({ ...quiz, questions: next });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isSaving) return;
    setIsChecked(true);
    setProblem("");
    if (errors.count > 0) {
      setProblem(errors.count === 1 ? "One thing is not right yet." : `${errors.count} things are not right yet.`);
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid='true']")?.focus());
      return;
    }
    setIsSaving(true);
    onSave(trimmed(quiz)).catch((reason: unknown) => {
      setProblem(wordsFor(reason));
      setIsSaving(false);
    });
  };

  return (
    <form className="stack" ref={form} onSubmit={submit} noValidate>
      <Field label="Title" error={isChecked ? errors.title : undefined}>
        {(props) => (
          <input
            {...props}
            className="input input--big"
            data-testid="quiz-title"
            dir="auto"
            value={quiz.title}
            onChange={(event) => onChange({ ...quiz, title: event.target.value })}
          />
        )}
      </Field>
      <ol className="stack">
        {questions.map((question, index) => (
          <li key={index}>
            <QuestionEditor
              question={question}
              number={index + 1}
              count={questions.length}
              errors={isChecked ? errors.questions[index] : undefined}
              onChange={(next) => set(withItem(questions, index, next))}
              onMove={(by) => set(moved(questions, index, by))}
              onDuplicate={() => set([...questions.slice(0, index + 1), question, ...questions.slice(index + 1)])}
              onRemove={() => set(questions.filter((_, other) => other !== index))}
            />
          </li>
        ))}
      </ol>
      <div className="row row--apart edit__foot">
        <button
          type="button"
          className="button"
          data-testid="add-question"
          disabled={questions.length >= limits.questions}
          onClick={() => set([...questions, emptyQuestion()])}
        >
          Add a question
        </button>
        <p className="error" role="alert" data-testid="edit-error">{problem}</p>
        <button type="submit" className="button button--main" data-testid="save-quiz" aria-disabled={isSaving}>
          {isSaving ? "Saving…" : "Save"}
        </button>
      </div>
    </form>
  );
}
