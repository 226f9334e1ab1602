/*
 * The usual way in which a channel's events change its state: each event is a patch whose
 * top-level fields replace those of the snapshot. `roster` is merged by one more level, and null
 * removes an entry there, so that one member's change does not cost the whole list.
 */

/** The next state of a channel from its state and the data of one event; must not change either. */
export type Reduce = (channel: string, state: unknown, data: unknown) => unknown;

export const applyPatch: Reduce = (_channel, state, data) => {
  if (!isRecord(data)) return state;
  const before = isRecord(state) ? state : {};
  const after: Record<string, unknown> = { ...before, ...data };
  if (isRecord(data["roster"])) {
    after["roster"] = mergeEntries(isRecord(before["roster"]) ? before["roster"] : {}, data["roster"]);
  }
  return after;
};

function mergeEntries(
  before: Readonly<Record<string, unknown>>,
  changes: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const merged = Object.entries({ ...before, ...changes });
  return Object.fromEntries(merged.filter(([, entry]) => entry !== null));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
