import { expect } from "vitest";
import { chooseCredentials, CredentialStore } from "../src/credentials";
import type { Credentials } from "../src/credentials";
import type { Effect } from "../src/effects";
import { Machine } from "../src/machine";
import { Outbox } from "../src/outbox";
import { randomName } from "../src/platform";
import { SafeStore } from "../src/store";
import { parse } from "../src/wire";
import { bindAll, fill } from "./placeholders";
import type { Bindings } from "./placeholders";
import { World } from "./world";

/*
 * Plays the server's part of the conversations in web/vectors against the machine. What the
 * session's shell does (storing the token, choosing it for the next attempt) is done here in the
 * same few lines, without link and timers.
 */

type Data = Record<string, unknown>;
export interface Vector {
  readonly name: string;
  readonly for?: readonly string[];
  readonly steps: readonly Step[];
}
type Step = Readonly<Record<string, unknown>> & { readonly tab?: string };

class Client {
  machine!: Machine;
  outbox!: Outbox;
  readonly credentials: CredentialStore;
  readonly emitted: unknown[] = [];
  readonly events: Record<string, unknown[]> = {};
  readonly snapshots: Data = {};
  readonly ids = new Map<string, string>();
  readonly outcomes = new Map<string, unknown>();
  status = "closed";
  retryAfterMs = 0;
  rejected: Credentials | null = null;
  prefersStored = false;
  resendAfterMs: number | null = null;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.credentials = new CredentialStore(new SafeStore(world.storage), "vector");
    this.load();
  }

  load(): void {
    this.outbox = new Outbox({
      store: new SafeStore(this.#world.storage), name: "vector",
      newStream: () => randomName(this.#world.tab().platform), wall: () => this.#world.now,
    });
    this.machine = new Machine(this.outbox);
    this.status = "closed";
  }

  connect(): void {
    const credentials = chooseCredentials({
      stored: this.credentials.read(), mine: this.machine.credentials,
      rejected: this.rejected, prefersStored: this.prefersStored,
    });
    this.perform(credentials === null ? this.machine.hello({ as: "tester" }) : this.machine.resume(credentials));
  }

  perform(effects: readonly Effect[]): void {
    for (const effect of effects) this.#do(effect);
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case "transmit":
        if (effect.frame.t !== "ping" && effect.frame.t !== "pong") this.emitted.push(effect.frame);
        return;
      case "keep":
        return this.credentials.write(effect.credentials);
      case "forget":
        return this.credentials.forget(effect.credentials);
      case "opened":
        [this.status, this.rejected, this.prefersStored] = ["open", null, false];
        return;
      case "snapshot":
        this.snapshots[effect.channel] = effect.data;
        this.events[effect.channel] = [];
        return;
      case "event":
        (this.events[effect.channel] ??= []).push(effect.data);
        return;
      case "settled":
        this.outcomes.set(effect.message.id, effect.outcome);
        return;
      case "resend_later":
        this.resendAfterMs = effect.afterMs;
        return;
      case "close":
        [this.status, this.retryAfterMs] = [effect.next, effect.retryAfterMs];
        if (effect.next === "reread") this.rejected = this.machine.credentials;
        return;
      default:
        return;
    }
  }
}

export class Replayer {
  readonly #world = new World();
  readonly #bindings: Bindings = new Map();
  readonly #clients = new Map<string, Client>();

  async play(vector: Vector): Promise<void> {
    for (const [index, step] of vector.steps.entries()) {
      try {
        await this.#play(this.#client(step.tab ?? "a"), step);
      } catch (error) {
        throw new Error(`${vector.name}, step ${index + 1}: ${JSON.stringify(step)}`, { cause: error });
      }
    }
    this.#expectNothingMore();
  }

  async #play(client: Client, step: Step): Promise<void> {
    if ("client" in step) {
      const frame = client.emitted.shift();
      expect(frame, "the client emits nothing").toBeDefined();
      const wanted = step["client"] as Data;
      const compared = Object.fromEntries(Object.keys(wanted).map((key) => [key, (frame as Data)[key]]));
      bindAll(wanted, compared, this.#bindings);
      expect(compared).toEqual(fill(wanted, this.#bindings, this.#make));
    } else if ("server" in step) {
      const frames = Array.isArray(step["server"]) ? step["server"] : [step["server"]];
      for (const frame of frames) {
        // Filled even if lost, since the names it brings may be used again.
        const text = JSON.stringify(fill(frame, this.#bindings, this.#make));
        if (step["lost"] === true) continue;
        for (const parsed of parse(text)) client.perform(client.machine.received(parsed));
      }
    } else if ("app" in step) {
      this.#app(client, step["app"] as Data);
    } else if ("event" in step) {
      this.#expectNothingMore();
      this.#event(client, step["event"] as string, step);
    } else if ("expect" in step) {
      this.#expect(client, fill(step["expect"], this.#bindings, this.#make) as Data);
    } else if (!("publish" in step)) {
      throw new Error("unknown step");
    }
  }

  #event(client: Client, event: string, step: Step): void {
    switch (event) {
      case "connect":
        return client.connect();
      case "cut":
        client.machine.lost();
        client.status = "closed";
        return;
      case "closed":
        return client.machine.lost();
      case "restart":
        return;
      case "reload":
        client.machine.lost();
        return client.load();
      case "take_back":
        expect(client.status).toBe("replaced");
        client.prefersStored = true;
        return;
      case "corrupt_token":
      case "store_token": {
        const session = client.credentials.read()?.session ?? "";
        const token = fill(step["token"], this.#bindings, this.#make) as string;
        return client.credentials.write({ session, token });
      }
      case "wait":
        expect(client.resendAfterMs).toBe(step["ms"]);
        return client.perform(client.machine.resend());
      default:
        throw new Error("unknown event");
    }
  }

  #app(client: Client, app: Data): void {
    if ("send" in app) {
      client.ids.set(app["as"] as string, client.outbox.add(app["send"]).id);
      client.perform(client.machine.flush());
      return;
    }
    const id = client.ids.get(app["settled"] as string) ?? "";
    expect([...client.outcomes.keys()]).toContain(id);
    const outcome = client.outcomes.get(id);
    if ("ok" in app) expect(outcome).toEqual({ kind: "ok", data: app["ok"] });
    else expect(outcome).toMatchObject({ kind: "error", error: app["error"] });
  }

  #expect(client: Client, wanted: Data): void {
    const { status, pending, positions, snapshots, events } = wanted;
    if (status !== undefined) expect(client.status).toBe(status);
    if (wanted["retry_after_ms"] !== undefined) expect(client.retryAfterMs).toBe(wanted["retry_after_ms"]);
    if (pending !== undefined) expect(client.outbox.messages).toHaveLength(pending as number);
    if (positions !== undefined) expect(client.machine.positions).toEqual(positions);
    if (snapshots !== undefined) expect(client.snapshots).toMatchObject(snapshots as Data);
    for (const [channel, list] of Object.entries((events ?? {}) as Data)) expect(client.events[channel]).toEqual(list);
  }

  #expectNothingMore(): void {
    for (const client of this.#clients.values()) expect(client.emitted).toEqual([]);
  }

  #client(tab: string): Client {
    const known = this.#clients.get(tab) ?? new Client(this.#world);
    this.#clients.set(tab, known);
    return known;
  }

  readonly #make = (name: string): unknown =>
    name === "$now" ? 1_790_000_000_000 + this.#world.now : randomName(this.#world.tab().platform);
}
