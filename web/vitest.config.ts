import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      "@holdfast/client": here("./client/src/index.ts"),
      "@holdfast/react": here("./react/src/index.ts"),
    },
  },
  test: { include: ["*/test/**/*.test.{ts,tsx}"], environment: "jsdom" },
});
