export type Status = "healthy" | "degraded" | "unhealthy";

export interface Part {
  readonly status: Status;
  readonly message?: string;
  readonly [detail: string]: unknown;
}

export interface Gateway {
  readonly state: string;
  readonly grade?: string;
  readonly latency?: number | null;
  readonly attempts: number;
  readonly uptime: number | null;
  readonly messages_in: number;
  readonly messages_out: number;
}

export type Cell = string | number | boolean | null;

export interface PanelTable {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** How many rows more there are than are shown. */
  readonly more: number;
  readonly empty: string;
}

/** A section that the program fills; the page knows nothing of what it means. */
export interface Panel {
  readonly title: string;
  readonly figures: Readonly<Record<string, Cell>>;
  readonly tables: readonly PanelTable[];
  /** Why it could not be filled; empty when it could. */
  readonly error: string;
}

export interface AdminState {
  readonly now: number;
  readonly isDemo: boolean;
  readonly health: { readonly status: Status; readonly uptime_s: number; readonly components: Readonly<Record<string, Part>> };
  readonly figures: Readonly<Record<string, number | null>>;
  readonly byLabel: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly rates: Readonly<Record<string, number>>;
  readonly commits: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly alerts: readonly { readonly name: string; readonly severity: string; readonly advice: string }[];
  readonly breakers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly gateways: readonly { readonly connections: Readonly<Record<string, Gateway>> }[];
  readonly outboxes: readonly Readonly<Record<string, number>>[];
  /** Null for a program without sessions: it shows panels of its own. */
  readonly limits: { readonly connections: number; readonly sessions: number } | null;
  readonly panels: Readonly<Record<string, Panel>>;
  readonly errors: { readonly total: number; readonly emergencies: readonly string[] };
  readonly tasks: Readonly<Record<string, { readonly isRunning: boolean; readonly restarts: number; readonly lastError: string }>>;
  readonly shutdown: { readonly phase: string; readonly reason: string };
}

export interface Line {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly remote: string;
  readonly rttMs: number | null;
  readonly silentFor: number;
  readonly channels: number;
}

export interface Connected {
  readonly states: Readonly<Record<string, number>>;
  readonly connections: readonly Line[];
}

export type Window = "1m" | "5m" | "60m";

export interface Trend {
  readonly name: string;
  readonly title: string;
  readonly kind: "counter" | "gauge" | "duration";
  readonly points: readonly (readonly [number, number])[];
}

export interface Trends {
  readonly window: number;
  readonly plots: readonly Trend[];
}

export interface Happened {
  readonly errors: readonly { readonly at: number; readonly category: string; readonly severity: string; readonly code: string; readonly message: string }[];
  readonly alerts: readonly { readonly at: number; readonly alert: string; readonly state: string; readonly severity: string; readonly value: number | null; readonly advice: string }[];
}

export interface LogLine {
  readonly at: number;
  readonly level: string;
  readonly logger: string;
  readonly text: string;
}
