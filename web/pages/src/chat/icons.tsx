import type { ReactNode } from "react";
import type { LineState } from "./types";

const paths = {
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.5 15.5 20 20",
  plus: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6 6 18",
  send: "M4 12 20 4l-5 16-4-7-7-1ZM11 13l9-9",
  clip: "M8 12.5 14.5 6a3.2 3.2 0 0 1 4.5 4.5l-8.2 8.2a5 5 0 0 1-7-7L11 4.5",
  people: "M9 11a3.2 3.2 0 1 0 0-6.4A3.2 3.2 0 0 0 9 11ZM3 19c.5-3.5 2.8-5 6-5s5.500 1.500 6 5M16 5.500a2.800 2.800 0 0 1 0 5.300M17.500 14.500c2 .6 3.200 2 3.500 4.500",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.700-5.700L12 7M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.700 5.700L12 17",
  invite: "M10 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7ZM3.500 20c.6-4 3-6 6.500-6 1.500 0 2.800.4 3.800 1.100M18 14v6M15 17h6",
  mask: "M4 7c5-2 11-2 16 0 0 6-3 11-8 12C7 18 4 13 4 7ZM8.500 11h2M13.500 11h2M9.500 15c1.500 1 3.500 1 5 0",
  down: "M6 9l6 6 6-6",
  file: "M7 3h7l5 5v13H7ZM14 3v5h5",
  shield: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6ZM9 12l2 2 4-4",
  retry: "M5 12a7 7 0 1 0 2-5M5 4v4h4",
} as const;

export function Icon({ name }: { readonly name: keyof typeof paths }): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}

/** What each state means, for who points at it or does not see it. */
export const stateWords: Readonly<Record<LineState, string>> = {
  waiting: "kept in this page; the program on this computer does not have it yet",
  uploading: "being read in",
  queued: "waits for a gateway",
  at_gateway: "at a gateway, sealed, until it is picked up",
  delivered: "delivered",
  read: "read",
  expired: "expired: it was not picked up in time",
  failed: "not sent",
  received: "received",
};

const marks: Readonly<Record<LineState, ReactNode>> = {
  waiting: <path d="M8 4v4l2.500 2M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13Z" strokeDasharray="3 2" />,
  uploading: <path d="M8 4v4l2.500 2M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13Z" strokeDasharray="3 2" />,
  queued: <path d="M8 4v4l2.500 2M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13Z" />,
  at_gateway: <path d="M3 8.500l3.500 3.500L13 4.500" />,
  delivered: <path d="M1 8.500l3.500 3.500L11 4.500M8 11l1 1 6-7.500" />,
  read: <path d="M1 8.500l3.500 3.500L11 4.500M8 11l1 1 6-7.500" />,
  expired: <path d="M8 4v5M8 11.800v.2M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13Z" />,
  failed: <path d="M8 4v5M8 11.800v.2M8 1.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13Z" />,
  received: null,
};

export function StateMark({ state, error = "" }: { readonly state: LineState; readonly error?: string }): ReactNode {
  const words = error === "" ? stateWords[state] : error;
  return (
    <span className="mark-state" data-state={state} title={words} data-testid="state">
      <svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" strokeWidth="1.800" strokeLinecap="round" strokeLinejoin="round">
        {marks[state]}
      </svg>
      <span className="unseen">{words}</span>
    </span>
  );
}
