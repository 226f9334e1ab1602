import type { ReactNode } from "react";
import { spokenCode } from "../shared/names";
import { readSeat } from "../shared/seats";
import { Game } from "./Game";
import { JoinForm } from "./JoinForm";
import { giveUpSeat, useSeat } from "./useSeat";

export function PlayPage({ code }: { readonly code: string }): ReactNode {
  const { place, join, joinAgain, lookAgain } = useSeat(code);
  switch (place.at) {
    case "game":
      return (
        <Game
          key={`${place.event} ${place.key}`}
          code={code}
          event={place.event}
          seatKey={place.key}
          onJoinAgain={(news, isSeatLost) => {
            if (isSeatLost) giveUpSeat(code, place.event);
            joinAgain(news);
          }}
        />
      );
    case "join":
      return <JoinForm info={place.info} name={place.name} news={place.news} onJoin={join} />;
    case "looking":
      return (
        <Bare>
          <div className="recovery" data-testid="recovery" data-state="checking">
            <p className="hf-recovery__live" role="status">
              {readSeat(code) === null ? "Looking for the quiz…" : "Looking for your seat…"}
            </p>
          </div>
        </Bare>
      );
    case "unreachable":
      return (
        <Bare>
          <h1>No network?</h1>
          <p role="alert">The quiz could not be reached. If you have a seat, it is kept for you.</p>
          <button type="button" className="button button--main" data-testid="retry" onClick={lookAgain}>Try again</button>
        </Bare>
      );
    case "nowhere":
      return (
        <Bare>
          <h1>No quiz here</h1>
          <p role="alert" data-testid="join-error">No quiz is running under the code {spokenCode(code)}.</p>
          <a className="button button--main" href="/">Type another code</a>
        </Bare>
      );
  }
}

function Bare({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <div className="page">
      <header className="head"><a className="brand" href="/">Holdfast</a></header>
      <main className="centre" data-phase="join">{children}</main>
    </div>
  );
}
