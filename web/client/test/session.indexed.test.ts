// @vitest-environment node
import { World } from "./world";

// Where messages are kept changes nothing about what a session does.
World.hasDatabase = true;
await import("./session.test");
