/** Values of the placeholders of one conversation, by name. */
export type Bindings = Map<string, unknown>;

const isPlaceholder = (value: unknown): value is string => typeof value === "string" && value.startsWith("$");
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !isList(value);

/** Binds what is not bound yet to the values at the same places. */
export function bindAll(pattern: unknown, actual: unknown, bindings: Bindings): void {
  if (isPlaceholder(pattern)) {
    if (pattern !== "$any" && pattern !== "$now" && !bindings.has(pattern)) bindings.set(pattern, actual);
  } else if (isList(pattern) && isList(actual)) {
    pattern.forEach((part, index) => bindAll(part, actual[index], bindings));
  } else if (isObject(pattern) && isObject(actual)) {
    for (const [key, part] of Object.entries(pattern)) bindAll(part, actual[key], bindings);
  }
}

/** The pattern with values instead of placeholders; `make` makes those that are not bound. */
export function fill(pattern: unknown, bindings: Bindings, make: (name: string) => unknown): unknown {
  if (isPlaceholder(pattern)) {
    if (pattern === "$any" || pattern === "$now") return make(pattern);
    if (!bindings.has(pattern)) bindings.set(pattern, make(pattern));
    return bindings.get(pattern);
  }
  if (isList(pattern)) return pattern.map((part) => fill(part, bindings, make));
  if (!isObject(pattern)) return pattern;
  return Object.fromEntries(
    Object.entries(pattern).map(([key, part]) => [String(fill(key, bindings, make)), fill(part, bindings, make)]),
  );
}
