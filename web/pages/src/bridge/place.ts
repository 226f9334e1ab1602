/*
 * The link that is given to a visitor carries key, name and channel behind its #, which browsers send to nobody. They are
 * kept for this tab alone, so that two visitors can sit side by side in one browser, and taken out of the address.
 */
export interface Place {
  readonly key: string;
  readonly name: string;
  readonly channel: string;
}

const KEPT = "holdfast-bridge";

export function readPlace(): Place {
  const given = new URLSearchParams(location.hash.slice(1));
  const kept = stored();
  const place = {
    key: given.get("key") ?? kept.key,
    name: given.get("name") ?? kept.name,
    channel: given.get("channel") ?? kept.channel,
  };
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  keepPlace(place);
  return place;
}

export function keepPlace(place: Place): void {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(place));
  } catch {
    // Denied: this tab has it until it is reloaded.
  }
}

function stored(): Place {
  const none = { key: "", name: "", channel: "" };
  try {
    return { ...none, ...(JSON.parse(sessionStorage.getItem(KEPT) ?? "{}") as Partial<Place>) };
  } catch {
    return none;
  }
}
