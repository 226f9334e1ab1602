import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { ApiError, call } from "../shared/api";
import { spokenCode } from "../shared/names";
import { forgetSeat, readSeat, seatCodes } from "../shared/seats";
import { quizCodes } from "../shared/types";
import type { EventInfo } from "../shared/types";

interface Return {
  readonly code: string;
  readonly title: string;
  readonly name: string;
  readonly isOver: boolean;
}

/** Quizzes in which this browser has a seat, also over ones for as long as the server has their result. */
export function Returns(): ReactNode {
  const [returns, setReturns] = useState<readonly Return[]>([]);
  useEffect(() => {
    let isCurrent = true;
    Promise.all(seatCodes().map(find)).then((found) => {
      if (isCurrent) setReturns(found.filter((one) => one !== null).sort((a, b) => Number(a.isOver) - Number(b.isOver)));
    }, () => undefined);
    return () => {
      isCurrent = false;
    };
  }, []);
  if (returns.length === 0) return null;
  return (
    <ul className="stack" aria-label="Your seats">
      {returns.map(({ code, title, name, isOver }) => (
        <li key={code} className={isOver ? "card return return--over" : "card return"}>
          <p>
            {isOver ? "You played" : "You have a seat in"} <strong>{title}</strong>{name !== "" && <> as <strong><bdi>{name}</bdi></strong></>}.
          </p>
          <a className={isOver ? "button" : "button button--main"} data-testid={`return-${code}`} href={`/play/${code}`}>
            {isOver ? "See the result" : `Back to ${spokenCode(code)}`}
          </a>
        </li>
      ))}
    </ul>
  );
}

async function find(code: string): Promise<Return | null> {
  const record = readSeat(code);
  if (record?.seat == null) return null;
  try {
    const info = await call<EventInfo>("GET", `/events/${code}`);
    if (record.event !== info.event) {
      // Codes are used again for later events.
      forgetSeat(code);
      return null;
    }
    return { code, title: info.title, name: record.name ?? "", isOver: info.phase === "final" };
  } catch (error) {
    if (error instanceof ApiError && error.code === quizCodes.EVENT_NOT_FOUND) forgetSeat(code);
    // Not reached is not gone.
    else return { code, title: `quiz ${spokenCode(code)}`, name: record.name ?? "", isOver: false };
    return null;
  }
}
