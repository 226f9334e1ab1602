export type Size = "short" | "medium" | "long";

/** How big a text may be set: what is short is shouted, what is long has to fit. */
export function sizeOf(text: string, short = 60, medium = 140): Size {
  const { length } = [...text];
  if (length <= short) return "short";
  return length <= medium ? "medium" : "long";
}

/** For an answer on its tile. */
export function tileSize(text: string): Size {
  return sizeOf(text, 26, 60);
}

/** For a name that fills a page. */
export function nameSize(name: string): Size {
  return sizeOf(name, 14, 26);
}
