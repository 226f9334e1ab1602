import { createRoot } from "react-dom/client";
import type { ReactNode } from "react";
import { Announcer } from "./Announcer";
import "./base.css";
import "./looks.css";
import "./parts.css";

export function mount(page: ReactNode): void {
  const root = document.getElementById("root");
  if (root === null) return;
  createRoot(root).render(<Announcer>{page}</Announcer>);
  keepForLater();
}

/** The last part of the address: a code or an id. */
export function lastOfPath(): string {
  return decodeURIComponent(location.pathname.split("/").filter((part) => part !== "")[1] ?? "");
}

/** So that a reload without a network still shows the page. */
function keepForLater(): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  const register = async (): Promise<void> => {
    await navigator.serviceWorker.register("/sw.js");
    const { active } = await navigator.serviceWorker.ready;
    const assets = performance.getEntriesByType("resource").map((entry) => entry.name)
      .filter((name) => name.startsWith(`${location.origin}/assets/`));
    active?.postMessage({ page: location.pathname, assets });
  };
  const later = (): void => {
    register().catch(() => undefined);
  };
  if (document.readyState === "complete") later();
  else window.addEventListener("load", later, { once: true });
}
