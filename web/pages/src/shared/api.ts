import { isRecord } from "./store";
import { quizCodes } from "./types";

/** `code` is 0 when the server was not reached. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

type Method = "GET" | "POST" | "PUT" | "DELETE";

/** Of the quiz. */
export function call<T>(method: Method, path: string, body?: unknown): Promise<T> {
  return callAt<T>(method, `/api/quiz${path}`, body);
}

export async function callAt<T>(method: Method, url: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      credentials: "same-origin",
      ...(body === undefined
        ? {}
        : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(0, "The server could not be reached.");
  }
  const text = await response.text();
  const answer = parse(text);
  if (response.ok) return answer as T;
  const error = isRecord(answer) && isRecord(answer["error"]) ? answer["error"] : {};
  const code = typeof error["code"] === "number" ? error["code"] : 0;
  throw new ApiError(code, typeof error["message"] === "string" ? error["message"] : "The server could not answer.");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const words: Readonly<Record<number, string>> = {
  0: "The server could not be reached. Check the network and try again.",
  [quizCodes.EVENT_NOT_FOUND]: "No quiz is running under this code.",
  [quizCodes.NAME_TAKEN]: "Somebody here already has this name. Pick another one.",
  [quizCodes.NAME_INVALID]: "This name can’t be used. Try letters and numbers.",
  [quizCodes.EVENT_LOCKED]: "The host has closed the door: nobody can join right now.",
  [quizCodes.EVENT_OVER]: "This quiz is over.",
  [quizCodes.EVENT_FULL]: "This quiz is full.",
  [quizCodes.SEAT_REMOVED]: "The host has removed you from this quiz.",
  [quizCodes.SEAT_UNKNOWN]: "We can’t find your seat. Join again.",
  [quizCodes.NOT_THE_HOST]: "Only the host can do this. Open this page with the host’s personal link.",
  [quizCodes.QUIZ_NOT_FOUND]: "This quiz does not exist, or it is someone else’s.",
  [quizCodes.QUIZ_INVALID]: "Something in this quiz is not right yet.",
  [quizCodes.ANSWER_LATE]: "That arrived after the answer was shown, so it could not count. You lose nothing.",
  [quizCodes.ANSWER_INVALID]: "That answer did not fit this question.",
  [quizCodes.NO_PLAYERS]: "Nobody has joined yet.",
  [quizCodes.TOO_MANY]: "That is as many as there may be at once. Finish or delete one first.",
};

/** What people read for an error of the API, the session or a message. */
export function wordsFor(error: unknown): string {
  const code = isRecord(error) || error instanceof Error ? (error as { code?: unknown }).code : undefined;
  const known = typeof code === "number" ? words[code] : undefined;
  return known ?? (error instanceof Error && error.message !== "" ? error.message : "That did not work. Try again.");
}

export function codeOf(error: unknown): number | null {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "number" ? code : null;
}
