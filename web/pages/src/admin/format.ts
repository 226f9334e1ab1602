/** Numbers as a person reads them. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return "0";
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0);
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} GB`;
  return `${(value / 1e6).toFixed(0)} MB`;
}

export function milliseconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "–";
  const ms = seconds * 1000;
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

export function duration(seconds: number): string {
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** A value of a program's own section. */
export function cell(value: string | number | boolean | null | undefined): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? count(value) : value;
}

export function clock(at: number): string {
  return new Date(at * 1000).toLocaleTimeString();
}

const partNames: Readonly<Record<string, string>> = {
  store: "The store", sessions: "Sessions", disk: "The disk", loop: "The event loop", tasks: "Background tasks",
  program: "The program",
};

export function partName(name: string): string {
  return partNames[name] ?? name;
}

/** `writes_waiting` → `writes waiting`. */
export function spoken(name: string): string {
  return name.replace(/_bytes$/, "").replaceAll("_", " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

export function detail(name: string, value: unknown): string {
  if (typeof value !== "number") return String(value);
  if (name.endsWith("bytes")) return bytes(value);
  if (name === "lag" || name.endsWith("stall")) return milliseconds(value);
  return count(value);
}
