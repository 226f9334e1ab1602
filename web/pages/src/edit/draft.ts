import { isRecord } from "../shared/store";
import type { Quiz, QuizChoice, QuizQuestion } from "../shared/types";

export const limits = {
  title: 120, questions: 100, text: 300, choicesMin: 2, choicesMax: 6, choice: 120,
  limitMin: 5_000, limitMax: 240_000, points: 2_000, explanation: 300,
} as const;

export function emptyQuestion(): QuizQuestion {
  const choice: QuizChoice = { text: "", correct: false };
  return { text: "", choices: [choice, choice, choice, choice], limit_ms: 20_000, points: 1_000, explanation: "" };
}

export function emptyQuiz(): Quiz {
  return { title: "", questions: [emptyQuestion()] };
}

export interface QuestionErrors {
  readonly text?: string;
  readonly choices: readonly (string | undefined)[];
  readonly correct?: string;
  readonly limit?: string;
  readonly points?: string;
  readonly explanation?: string;
}

export interface QuizErrors {
  readonly title?: string;
  readonly questions: readonly QuestionErrors[];
  readonly count: number;
}

/** What is wrong with a quiz, field by field, in words. */
export function errorsOf(quiz: Quiz): QuizErrors {
  const title = textError(quiz.title, 1, limits.title);
  const questions = quiz.questions.map(questionErrors);
  const count = (title === undefined ? 0 : 1) + questions.reduce((sum, errors) => sum + countOf(errors), 0);
  return { ...(title === undefined ? {} : { title }), questions, count };
}

function questionErrors(question: QuizQuestion): QuestionErrors {
  const { limit_ms: limit, points } = question;
  const found = {
    text: textError(question.text, 1, limits.text),
    correct: question.choices.some((choice) => choice.correct) ? undefined : "Mark at least one right answer.",
    limit: isWhole(limit, limits.limitMin, limits.limitMax) ? undefined : "Between 5 and 240 seconds.",
    points: isWhole(points, 0, limits.points) ? undefined : "Between 0 and 2000.",
    explanation: textError(question.explanation, 0, limits.explanation),
  };
  const set = Object.fromEntries(Object.entries(found).filter(([, words]) => words !== undefined));
  return { ...set, choices: question.choices.map((choice) => textError(choice.text, 1, limits.choice)) };
}

function countOf({ choices, ...others }: QuestionErrors): number {
  return Object.keys(others).length + choices.filter((words) => words !== undefined).length;
}

function textError(text: string, min: number, max: number): string | undefined {
  const length = [...text.trim()].length;
  if (length < min) return "This is needed.";
  return length > max ? `At most ${max} characters; these are ${length}.` : undefined;
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/** As the server takes it. */
export function trimmed(quiz: Quiz): Quiz {
  return {
    title: quiz.title.trim(),
    questions: quiz.questions.map((question) => ({
      text: question.text.trim(),
      choices: question.choices.map(({ text, correct }) => ({ text: text.trim(), correct })),
      limit_ms: question.limit_ms,
      points: question.points,
      explanation: question.explanation.trim(),
    })),
  };
}

export function isQuiz(value: unknown): value is Quiz {
  return isRecord(value) && typeof value["title"] === "string" && Array.isArray(value["questions"]) &&
    value["questions"].every((question) => isRecord(question) && Array.isArray(question["choices"]));
}

/** `items` with the one at `index` moved by `by`. */
export function moved<T>(items: readonly T[], index: number, by: number): readonly T[] {
  const item = items[index];
  const to = index + by;
  if (item === undefined || to < 0 || to >= items.length) return items;
  const others = items.filter((_, other) => other !== index);
  return [...others.slice(0, to), item, ...others.slice(to)];
}

export function withItem<T>(items: readonly T[], index: number, item: T): readonly T[] {
  return items.map((other, at) => (at === index ? item : other));
}
