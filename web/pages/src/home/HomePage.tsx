import type { ReactNode } from "react";
import { JoinByCode } from "./JoinByCode";
import { Library } from "./Library";
import { Returns } from "./Returns";

export function HomePage(): ReactNode {
  return (
    <div className="page">
      <header className="head"><a className="brand" href="/" aria-current="page">Holdfast</a></header>
      <main className="home" data-phase="join">
        <section className="home__join">
          <h1>Got a code?</h1>
          <Returns />
          <JoinByCode />
        </section>
        <Library />
      </main>
      <footer className="foot quiet">Networks drop. Seats, scores and answers stay.</footer>
    </div>
  );
}
