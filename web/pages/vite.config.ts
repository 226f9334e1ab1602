import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const OUT = here("../../src/holdfast/server/pages");
const SERVER = "http://127.0.0.1:8400";

/** Writes `.gz` and `.br` beside every text file, so that the server compresses nothing itself. */
function precompressed(): Plugin {
  return {
    name: "precompressed",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(OUT, { recursive: true, encoding: "utf8" })) {
        if (![".js", ".css", ".html", ".svg"].includes(extname(name))) continue;
        const path = join(OUT, name);
        const plain = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }));
        writeFileSync(
          `${path}.br`,
          brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
        );
      }
    },
  };
}

export default defineConfig({
  root: here("."),
  plugins: [react(), precompressed()],
  resolve: {
    alias: {
      "@holdfast/client": here("../client/src/index.ts"),
      "@holdfast/react": here("../react/src/index.ts"),
    },
  },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: Object.fromEntries(
        ["index", "play", "host", "screen", "edit", "admin", "chat", "bridge"].map((name) => [name, here(`./${name}.html`)]),
      ),
    },
  },
  server: {
    proxy: {
      "/api": SERVER,
      "/health": SERVER,
      "/ws": { target: SERVER, ws: true },
    },
  },
});
