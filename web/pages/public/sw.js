/* Keeps the pages and their assets, so that a reload without a network still shows them. Never the state. */
const PAGES = "holdfast-pages-1";
const ASSETS = "holdfast-assets-1";
/* A network that says nothing for this long is as good as none. */
const PATIENCE_MS = 3000;

function pageOf(path) {
  for (const name of ["play", "host", "screen", "edit"]) {
    if (path === `/${name}` || path.startsWith(`/${name}/`)) return `/${name}.html`;
  }
  return path === "/" || path === "/index.html" ? "/index.html" : null;
}

async function keep(key, response) {
  if (!response.ok || response.redirected) return;
  const cache = await caches.open(PAGES);
  await cache.put(key, response);
}

/* The network's page; the kept one when there is no answer, or only that of a gateway before a dead server. */
async function page(request, key) {
  const kept = await (await caches.open(PAGES)).match(key);
  const network = fetch(request).then((response) => {
    keep(key, response.clone()).catch(() => undefined);
    return response.status >= 500 && kept !== undefined ? kept : response;
  });
  if (kept === undefined) return network;
  const late = new Promise((resolve) => setTimeout(() => resolve(kept), PATIENCE_MS));
  return Promise.race([network.catch(() => kept), late]);
}

/* The name of an asset is made of its content: what is kept is what the server has. */
async function asset(request) {
  const cache = await caches.open(ASSETS);
  const kept = await cache.match(request.url);
  if (kept !== undefined) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request.url, response.clone());
  return response;
}

/* Assets that no kept page names any more are those of an earlier version. */
async function tidy() {
  const pages = await caches.open(PAGES);
  const texts = await Promise.all((await pages.keys()).map(async (key) => (await pages.match(key)).text()));
  const named = new Set(texts.flatMap((text) => text.match(/\/assets\/[\w.-]+/g) ?? []));
  if (named.size === 0) return;
  const assets = await caches.open(ASSETS);
  const old = (await assets.keys()).filter(({ url }) => !named.has(new URL(url).pathname));
  await Promise.all(old.map((request) => assets.delete(request)));
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (["/api", "/ws", "/health"].some((path) => url.pathname === path || url.pathname.startsWith(`${path}/`))) return;
  if (url.pathname.startsWith("/assets/")) return event.respondWith(asset(request));
  const key = request.mode === "navigate" ? pageOf(url.pathname) : null;
  if (key !== null) event.respondWith(page(request, key));
});

/* A page that was loaded before this worker ran names what it was made of. */
self.addEventListener("message", (event) => {
  const { page: path, assets } = event.data ?? {};
  if (typeof path !== "string" || !Array.isArray(assets)) return;
  const key = pageOf(path);
  const work = assets.map((url) => asset(new Request(url)));
  if (key !== null) work.push(fetch(path).then((response) => keep(key, response)));
  event.waitUntil(Promise.allSettled(work).then(tidy).catch(() => undefined));
});
