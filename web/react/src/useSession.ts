import { useSyncExternalStore } from "react";
import type { Session, SessionState } from "../../client/src/index";

/** The state of a session, rendered anew with each change. Who starts and stops it is the page. */
export function useSession(session: Session): SessionState {
  const read = (): SessionState => session.state;
  return useSyncExternalStore(session.subscribe, read, read);
}
