/*
 * The page's key stands behind the # of the link that the program prints: browsers send that part to nobody. It is kept
 * for this origin, so that a reload and a second tab have it too, and taken out of the address.
 */
const KEPT = "holdfast-chat-key";

function read(): string {
  const given = /^#([A-Za-z0-9_-]{16,})$/.exec(location.hash)?.[1];
  if (given !== undefined) {
    keep(given);
    history.replaceState(null, "", location.pathname);
    return given;
  }
  try {
    return localStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}

function keep(key: string): void {
  try {
    localStorage.setItem(KEPT, key);
  } catch {
    // Denied: this page has it all the same, a reload needs the link again.
  }
}

export const pageKey = read();
