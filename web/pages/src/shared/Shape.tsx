import type { ReactNode } from "react";

export const LETTERS = ["A", "B", "C", "D", "E", "F"] as const;

const paths = [
  "M12 2 23 21H1Z",
  "M12 1 23 12 12 23 1 12Z",
  "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20Z",
  "M3 3h18v18H3Z",
  "M12 1l3.2 7.2 7.8.8-5.9 5.2 1.7 7.7L12 18l-6.8 3.9 1.7-7.7L1 9l7.8-.8Z",
  "M7 2h10l6 10-6 10H7L1 12Z",
] as const;

/** Each answer has a shape of its own, so that nobody has to tell colours apart. */
export function Shape({ index }: { readonly index: number }): ReactNode {
  return (
    <svg className="shape" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[index % paths.length]} fill="currentColor" />
    </svg>
  );
}
