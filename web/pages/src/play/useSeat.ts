import { useCallback, useEffect, useState } from "react";
import { ApiError, call } from "../shared/api";
import { forgetSession } from "../shared/session";
import { forgetSeat, keyFor, readSeat, takeHashKey, writeSeat } from "../shared/seats";
import type { SeatRecord } from "../shared/seats";
import { cleanName } from "../shared/names";
import { quizCodes } from "../shared/types";
import type { EventInfo, SeatAnswer } from "../shared/types";

export type Place =
  | { readonly at: "looking" }
  | { readonly at: "unreachable" }
  | { readonly at: "nowhere" }
  | { readonly at: "join"; readonly info: EventInfo; readonly name: string; readonly news: string }
  | { readonly at: "game"; readonly event: string; readonly key: string | null };

export interface SeatControl {
  readonly place: Place;
  readonly join: (name: string) => Promise<void>;
  /** Back to the form; `news` says why. */
  readonly joinAgain: (news: string) => void;
  readonly lookAgain: () => void;
}

/** Where this browser stands in the event of a code: it has a seat, may take one, or there is none. */
export function useSeat(code: string): SeatControl {
  const [place, setPlace] = useState<Place>(() => known(code) ?? { at: "looking" });
  const [look, setLook] = useState(0);
  const [news, setNews] = useState<string | null>(null);

  useEffect(() => {
    if (place.at !== "looking") return undefined;
    let isCurrent = true;
    find(code, news).then((found) => {
      if (isCurrent) setPlace(found);
    }, () => undefined);
    return () => {
      isCurrent = false;
    };
  }, [code, place.at, look, news]);

  const lookAgain = useCallback(() => {
    setPlace({ at: "looking" });
    setLook((last) => last + 1);
  }, []);
  const joinAgain = useCallback((words: string) => {
    setNews(words);
    lookAgain();
  }, [lookAgain]);
  const join = useCallback(async (typed: string) => {
    const name = cleanName(typed);
    const before = readSeat(code);
    const record: SeatRecord = { key: keyFor(before, name), event: null, seat: null, name };
    // Before it is sent: if the answer gets lost, the same key comes back to the same seat.
    writeSeat(code, record);
    let seat: SeatAnswer;
    try {
      seat = await call<SeatAnswer>("POST", `/events/${code}/seats`, { name, key: record.key });
    } catch (error) {
      // Refused for certain: the seat that this device had under another name stays its own.
      const isRefused = error instanceof ApiError && error.code !== 0;
      if (isRefused && before !== null) writeSeat(code, before);
      throw error;
    }
    if (before?.key !== record.key) forgetSession(seat.event, "player");
    writeSeat(code, { key: record.key, event: seat.event, seat: seat.seat, name: seat.name });
    setPlace({ at: "game", event: seat.event, key: record.key });
  }, [code]);
  return { place, join, joinAgain, lookAgain };
}

/** What needs no network: a seat that the server has confirmed to this browser. */
function known(code: string): Place | null {
  const key = takeHashKey();
  const record = readSeat(code);
  if (key !== null && key !== record?.key) {
    if (record?.event) forgetSession(record.event, "player");
    writeSeat(code, { key, event: null, seat: null, name: null });
    return null;
  }
  if (record?.event == null || record.seat === null) return null;
  return { at: "game", event: record.event, key: record.key };
}

async function find(code: string, news: string | null): Promise<Place> {
  let info: EventInfo;
  try {
    info = await call<EventInfo>("GET", `/events/${code}`);
  } catch (error) {
    const isGone = error instanceof ApiError && error.code === quizCodes.EVENT_NOT_FOUND;
    return isGone ? { at: "nowhere" } : { at: "unreachable" };
  }
  const record = readSeat(code);
  const isFromLink = record !== null && record.key !== null && record.name === null;
  if (news === null && isFromLink) {
    forgetSession(info.event, "player");
    writeSeat(code, { ...record, event: info.event });
    return { at: "game", event: info.event, key: record.key };
  }
  if (news === null && info.you !== null) {
    // The cookie knows: storage was cleared, or the answer to joining got lost.
    const key = record?.key ?? null;
    writeSeat(code, { key, event: info.event, seat: info.you.seat, name: info.you.name });
    return { at: "game", event: info.event, key: record?.name === info.you.name ? key : null };
  }
  return { at: "join", info, name: record?.name ?? "", news: news ?? "" };
}

/** A seat that the server no longer knows. */
export function giveUpSeat(code: string, event: string): void {
  forgetSession(event, "player");
  forgetSeat(code);
}

