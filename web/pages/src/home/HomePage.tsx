import type { ReactNode } from "react";
import { JoinByCode } from "./JoinByCode";
import { Library } from "./Library";
import { Returns } from "./Returns";

export function HomePage(): ReactNode {
  return (
    <div className="page start">
      <main className="home" data-phase="join">
        <section className="home__join" data-look="accent" aria-labelledby="join">
          <a className="brand" href="/" aria-current="page">Holdfast</a>
          <div className="home__door">
            <h1 className="shout" id="join">Got a code?</h1>
            <Returns />
            <JoinByCode />
          </div>
          <p className="quiet">Networks drop. Seats, scores and answers stay.</p>
        </section>
        <Library />
      </main>
    </div>
  );
}
