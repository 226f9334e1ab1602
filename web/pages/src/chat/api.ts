import { ApiError } from "../shared/api";
import { isRecord } from "../shared/store";
import { pageKey } from "./key";
import type { Board, FoundLine, Identity, Line, NotedError } from "./types";

type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface Rows {
  readonly revision: number;
  /** These are the latest lines, whatever was known before. */
  readonly whole: boolean;
  readonly rows: readonly Line[];
  readonly gone: readonly string[];
}

async function ask(method: Method, path: string, body?: BodyInit, type?: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "omit",
      headers: { Authorization: `Bearer ${pageKey}`, ...(type === undefined ? {} : { "Content-Type": type }) },
      ...(body === undefined ? {} : { body }),
    });
  } catch {
    throw new ApiError(0, "The program on this computer does not answer.");
  }
  if (response.ok) return response;
  const answer: unknown = await response.json().catch(() => null);
  const error = isRecord(answer) && isRecord(answer["error"]) ? answer["error"] : {};
  const code = typeof error["code"] === "number" ? error["code"] : 0;
  throw new ApiError(code, typeof error["message"] === "string" ? error["message"] : "That did not work.");
}

async function call<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const response = await ask(method, `/api${path}`, text, text === undefined ? undefined : "application/json");
  const answer = await response.text();
  return (answer === "" ? null : JSON.parse(answer)) as T;
}

const part = encodeURIComponent;

export const api = {
  rows: (talk: string, query: string) => call<Rows>("GET", `/chat/talks/${part(talk)}${query}`),
  search: (words: string) => call<readonly FoundLine[]>("GET", `/chat/talks/?words=${part(words)}`),
  forget: (talk: string, through: number) => call<null>("DELETE", `/chat/talks/${part(talk)}?through=${through}`),
  addIdentity: (name: string) => call<Identity>("POST", "/chat/identities", { name }),
  invite: (identity: string, name: string) =>
    call<{ readonly link: string; readonly contact: string }>("POST", "/chat/invitations", { identity, name }),
  accept: (identity: string, link: string, name: string) =>
    call<{ readonly id: string }>("POST", "/chat/contacts", { identity, link, name }),
  words: (contact: string) => call<readonly string[]>("GET", `/chat/contacts/${part(contact)}/words`),
  change: (contact: string, body: { name?: string; reads?: boolean; verified?: boolean }) =>
    call<null>("PUT", `/chat/contacts/${part(contact)}`, body),
  remove: (contact: string) => call<null>("DELETE", `/chat/contacts/${part(contact)}`),
  openRoom: (identity: string, name: string, members: readonly string[]) =>
    call<{ readonly id: string }>("POST", "/chat/rooms/", { identity, name, members }),
  addMember: (room: string, contact: string) => call<null>("PUT", `/chat/rooms/${part(room)}/members/${part(contact)}`),
  removeMember: (room: string, contact: string) =>
    call<null>("DELETE", `/chat/rooms/${part(room)}/members/${part(contact)}`),
  leaveRoom: (room: string) => call<null>("DELETE", `/chat/rooms/${part(room)}`),
  board: () => call<Board>("GET", "/chat/node/board"),
  errors: () => call<readonly NotedError[]>("GET", "/chat/node/errors"),
  retry: () => call<null>("POST", "/chat/node/retry"),
  network: () => call<null>("POST", "/chat/node/network"),
  demo: (gateway: string, act: string) => call<null>("POST", `/demo/gateways/${part(gateway)}/${act}`),
  beginUpload: (talk: string, body: unknown) =>
    call<{ readonly kept: readonly number[]; readonly piece: number; readonly pieces: number }>(
      "POST", `/chat/files/${part(talk)}`, body),
  addPiece: (file: string, number: number, data: Blob) =>
    ask("PUT", `/api/chat/files/${part(file)}/${number}`, data, "application/octet-stream"),
  file: async (talk: string, file: string) =>
    (await ask("GET", `/api/chat/files/${part(talk)}/${part(file)}`)).blob(),
};
