import type { ReactNode } from "react";
import { useTick } from "./hooks";

/** Three, two, one, by the session's clock. */
export function Ready({ now, until }: { readonly now: () => number; readonly until: number }): ReactNode {
  useTick(100);
  const left = Math.max(1, Math.ceil((until - now()) / 1_000));
  return (
    <p className="ready">
      <span>Get ready</span>
      <span className="ready__digit shout" aria-hidden="true">{left}</span>
    </p>
  );
}
