/*
 * The gateway's API over WebSocket: JSON-RPC calls out, events in. The connection comes back by itself, says which event
 * was seen last, and makes calls again that had no answer: messages carry a name by which the gateway knows them again.
 */
export type LinkState = "connecting" | "open" | "away" | "refused";

export interface Notice {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export class CallError extends Error {
  constructor(message: string, readonly code: number, readonly retryAfter: number | null) {
    super(message);
  }
}

interface Waiting {
  readonly text: string;
  readonly done: (result: unknown) => void;
  readonly failed: (error: Error) => void;
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: { readonly retry_after?: number } };
}

const FIRST_DELAY_MS = 400;
const DELAY_MAX_MS = 8_000;
const SILENCE_MS = 12_000;
const NOT_AUTHENTICATED = -32000;
const POSITION = "holdfast-bridge-position";

/** The last event that this tab has seen, also before a reload. */
function keptPosition(): number | null {
  try {
    return Number(sessionStorage.getItem(POSITION)) || null;
  } catch {
    return null;
  }
}

export class BridgeLink {
  private socket: WebSocket | null = null;
  private readonly waiting = new Map<number, Waiting>();
  private number = 0;
  private after = keptPosition();
  private tries = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private beat: ReturnType<typeof setInterval> | undefined;
  private heardAt = 0;
  private isClosed = false;

  constructor(
    private readonly url: string,
    private readonly key: string,
    private readonly onState: (state: LinkState, mud: string) => void,
    private readonly onNotice: (notice: Notice) => void,
  ) {
    globalThis.addEventListener("online", this.hurry);
    this.connect();
  }

  close(): void {
    this.isClosed = true;
    globalThis.removeEventListener("online", this.hurry);
    clearTimeout(this.timer);
    clearInterval(this.beat);
    this.socket?.close();
  }

  /** Calls a method; a call whose connection breaks is made again on the next one. */
  call<T>(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<T> {
    const id = (this.number += 1);
    const text = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    return new Promise<T>((done, failed) => {
      this.waiting.set(id, { text, done: done as (result: unknown) => void, failed });
      if (this.isOpen) this.socket?.send(text);
    });
  }

  /** Try now instead of in a while. */
  readonly hurry = (): void => {
    if (this.socket !== null || this.isClosed) return;
    clearTimeout(this.timer);
    this.connect();
  };

  private isOpen = false;

  private connect(): void {
    this.onState(this.tries === 0 ? "connecting" : "away", "");
    const socket = (this.socket = new WebSocket(this.url));
    socket.addEventListener("open", () => this.greet(socket));
    socket.addEventListener("message", (event) => this.received(String(event.data)));
    socket.addEventListener("close", () => {
      if (this.socket === socket) this.lost();
    });
  }

  private greet(socket: WebSocket): void {
    const after = this.after === null ? {} : { after: this.after };
    const params = { api_key: this.key, ...after };
    socket.send(JSON.stringify({ jsonrpc: "2.0", id: 0, method: "authenticate", params }));
    this.heardAt = Date.now();
    clearInterval(this.beat);
    this.beat = setInterval(() => this.look(socket), SILENCE_MS / 3);
  }

  /** A half-open connection says nothing: ask, and leave it when no answer comes. */
  private look(socket: WebSocket): void {
    if (Date.now() - this.heardAt > SILENCE_MS) {
      socket.close();
      if (this.socket === socket) this.lost();
    } else if (this.isOpen) {
      void this.call("heartbeat").catch(() => undefined);
    }
  }

  private lost(): void {
    this.socket = null;
    this.isOpen = false;
    clearInterval(this.beat);
    if (this.isClosed) return;
    this.onState("away", "");
    const most = Math.min(DELAY_MAX_MS, FIRST_DELAY_MS * 2 ** this.tries);
    this.tries += 1;
    this.timer = setTimeout(() => this.connect(), most * (0.5 + Math.random() / 2));
  }

  private received(text: string): void {
    this.heardAt = Date.now();
    const answer = JSON.parse(text) as Answer;
    if (answer.method !== undefined) {
      const params = answer.params ?? {};
      const { event_id: number } = params;
      if (typeof number === "number") this.seen(number);
      this.onNotice({ method: answer.method, params });
    } else if (answer.id === 0) {
      this.welcomed(answer);
    } else if (answer.id !== undefined) {
      this.settle(answer.id, answer);
    }
  }

  private seen(number: number): void {
    this.after = number;
    try {
      sessionStorage.setItem(POSITION, String(number));
    } catch {
      // Denied: a reload begins with what comes then.
    }
  }

  private welcomed({ error, result }: Answer): void {
    if (error?.code === NOT_AUTHENTICATED) {
      this.close();
      this.onState("refused", "");
      return;
    }
    if (error !== undefined) return this.socket?.close();
    const { mud_name: mud, event_id: last } = result as { mud_name: string; event_id: number };
    this.after ??= last;
    this.isOpen = true;
    this.tries = 0;
    this.onState("open", mud);
    for (const { text } of this.waiting.values()) this.socket?.send(text);
  }

  private settle(id: number, { error, result }: Answer): void {
    const call = this.waiting.get(id);
    if (call === undefined) return;
    this.waiting.delete(id);
    if (error === undefined) call.done(result);
    else call.failed(new CallError(error.message, error.code, error.data?.retry_after ?? null));
  }
}
