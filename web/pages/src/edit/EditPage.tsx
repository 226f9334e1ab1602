import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { call, wordsFor } from "../shared/api";
import { readJson, removeKey, writeJson } from "../shared/store";
import type { Quiz } from "../shared/types";
import { emptyQuiz, isQuiz } from "./draft";
import { Editor } from "./Editor";

const draftKey = (id: string): string => `holdfast-draft:${id}`;

export function EditPage({ id }: { readonly id: string }): ReactNode {
  const [quiz, setQuiz] = useState<Quiz | null>(() => {
    const draft = readJson(draftKey(id));
    if (isQuiz(draft)) return draft;
    return id === "new" ? emptyQuiz() : null;
  });
  const [hasDraft, setHasDraft] = useState(() => quiz !== null && readJson(draftKey(id)) !== null);
  const [error, setError] = useState("");
  const [round, setRound] = useState(0);

  useEffect(() => {
    if (quiz !== null || id === "new") return undefined;
    let isCurrent = true;
    call<Quiz>("GET", `/quizzes/${id}`).then(
      (loaded) => {
        if (isCurrent) setQuiz({ title: loaded.title, questions: loaded.questions });
      },
      (reason: unknown) => {
        if (isCurrent) setError(wordsFor(reason));
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [id, quiz, round]);

  const change = (next: Quiz): void => {
    setQuiz(next);
    writeJson(draftKey(id), next);
  };
  const save = async (whole: Quiz): Promise<void> => {
    if (id === "new") await call<unknown>("POST", "/quizzes", whole);
    else await call<unknown>("PUT", `/quizzes/${id}`, whole);
    removeKey(draftKey(id));
    location.assign("/");
  };
  const discard = (): void => {
    removeKey(draftKey(id));
    setHasDraft(false);
    setQuiz(id === "new" ? emptyQuiz() : null);
  };

  return (
    <div className="page">
      <header className="head">
        <a className="brand" href="/">Holdfast</a>
        <span className="quiet">Kept in this browser while you write</span>
      </header>
      <main className="edit" data-phase="edit">
        <h1>{id === "new" ? "New quiz" : "Edit quiz"}</h1>
        {hasDraft && (
          <p className="row notice">
            This is your unsaved draft.
            <button type="button" className="button" data-testid="discard-draft" onClick={discard}>Start over</button>
          </p>
        )}
        <p className="error" role="alert">{error}</p>
        {error !== "" && quiz === null && (
          <p>
            <button
              type="button"
              className="button"
              data-testid="retry"
              onClick={() => {
                setError("");
                setRound(round + 1);
              }}
            >
              Try again
            </button>
          </p>
        )}
        {quiz !== null && <Editor quiz={quiz} onChange={change} onSave={save} />}
      </main>
    </div>
  );
}
