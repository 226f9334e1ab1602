/*
 * The page's key stands behind the # of the link that the program prints: browsers send that part to nobody. Once the
 * program has taken it, it is kept for this origin, so that a reload and a second tab have it too, and goes out of the
 * address. A wrong one is not kept: it would lock the other tabs out.
 */
const KEPT = "holdfast-chat-key";

const given = /^#([A-Za-z0-9_-]{16,})$/.exec(location.hash)?.[1];

function kept(): string {
  try {
    return localStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}

export const pageKey = given ?? kept();

/** The program has taken the key. */
export function keepKey(): void {
  if (given === undefined || location.hash !== `#${given}`) return;
  history.replaceState(null, "", location.pathname);
  try {
    localStorage.setItem(KEPT, given);
  } catch {
    // Denied: this page has it all the same, a reload needs the link again.
  }
}
