// @vitest-environment node
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Replayer } from "./replayer";
import type { Vector } from "./replayer";

const folder = fileURLToPath(new URL("../../vectors/", import.meta.url));

const vectors = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Vector)
  .filter((vector) => vector.for?.includes("client") ?? true);

test.each(vectors.map((vector) => [vector.name, vector] as const))("%s", async (_name, vector) => {
  const replayer = new Replayer();

  await replayer.play(vector);

  expect(vector.steps.length).toBeGreaterThan(0);
});
