import type { ReactNode } from "react";

export function Elsewhere({ title, onPlayHere }: { readonly title: string; readonly onPlayHere: () => void }): ReactNode {
  return (
    <section className="poster" role="alert">
      <h1>{title}</h1>
      <p>Your seat, your score and your answers are the same there.</p>
      <button type="button" className="button button--main" data-testid="play-here" onClick={onPlayHere}>Play here</button>
    </section>
  );
}
