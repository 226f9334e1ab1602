import type { ReactNode } from "react";

export const LETTERS = ["A", "B", "C", "D", "E", "F"] as const;

const shapes = [
  { path: "M20 3 39 36H1Z", letterAt: 31 },
  { path: "M20 0 40 20 20 40 0 20Z", letterAt: 26 },
  { path: "M20 1a19 19 0 1 0 0 38 19 19 0 0 0 0-38Z", letterAt: 26.5 },
  { path: "M3 3h34v34H3Z", letterAt: 26.5 },
  { path: "M20 0 38 15 31 38H9L2 15Z", letterAt: 27 },
  { path: "M11 3h18l10 17-10 17H11L1 20Z", letterAt: 26.5 },
] as const;

/**
 * What an answer is known by: a colour, a shape and a letter, so that nobody has to tell colours
 * apart. The letter is also there as text, for those who hear it.
 */
export function Mark({ index }: { readonly index: number }): ReactNode {
  const { path, letterAt } = shapes[index % shapes.length] ?? shapes[0];
  const letter = LETTERS[index];
  return (
    <span className={`mark colour--${index}`}>
      <svg viewBox="0 0 40 40" aria-hidden="true" focusable="false">
        <path d={path} fill="currentColor" />
        <text x="20" y={letterAt} textAnchor="middle">{letter}</text>
      </svg>
      <span className="unseen">{letter}: </span>
    </span>
  );
}
