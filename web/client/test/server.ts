import type { Socket, SocketEvents } from "../src/index";
import type { ClientFrame, Positions } from "../src/wire";
import type { World } from "./world";

/*
 * A server small enough to read: sessions, tokens, streams and channels of protocol version 1 with
 * the reference application of web/vectors. It answers within 5 ms of the world's time.
 *
 * Recipes
 *   new FakeServer(world)               answers every tab of this world
 *   server.isDown = true                refuses connections (and `cut()` closes those there are)
 *   server.isSilent = true              the network swallows everything, both ways; nobody is told
 *   server.cut()                        closes all connections without a word
 *   server.publish("room", data)        an event for everybody
 *   server.lose(1)                      the next event frame never arrives
 *   server.loseAcks = true              commits, but neither answers nor acknowledges
 *   server.bye({ code, name, again })   the last frame for all connections, then closed
 *   server.forgetSessions()             as after a disaster: every session is unknown
 *   server.refuseNext({ code, … })      the next `send` is refused with this error
 *   server.handled                      bodies in the order in which they were handled, once each
 *   server.frames                       what clients sent, without pings and pongs
 */

type Data = Record<string, unknown>;
interface Channel { epoch: string; log: unknown[] }
interface Kept { id: string; token: string; next: string | null; streams: Map<string, number>; me: Channel; link: Connection | null }
interface Connection { events: SocketEvents; session: Kept | null; isOpen: boolean }

export class FakeServer {
  isDown = false;
  isSilent = false;
  loseAcks = false;
  clockAhead = 5_000_000;
  attempts: number[] = [];
  readonly handled: unknown[] = [];
  readonly frames: ClientFrame[] = [];
  readonly room: Channel = { epoch: "e-room", log: [] };
  readonly #world: World;
  readonly #sessions = new Map<string, Kept>();
  #connections: Connection[] = [];
  #lastId = 0;
  #losing = 0;
  #refusals: Data[] = [];

  constructor(world: World) {
    this.#world = world;
    world.accept = (_protocol, events) => this.#accept(events);
  }

  get openConnections(): number {
    return this.#connections.filter((connection) => connection.isOpen).length;
  }

  cut(): void {
    for (const connection of this.#connections) this.#close(connection);
  }

  bye(bye: Data): void {
    for (const connection of this.#connections) {
      if (!connection.isOpen) continue;
      this.#say(connection, { t: "bye", message: "", retry_after: null, ...bye });
      this.#close(connection);
    }
  }

  lose(count: number): void {
    this.#losing = count;
  }

  refuseNext(error: Data): void {
    this.#refusals.push(error);
  }

  forgetSessions(): void {
    this.#sessions.clear();
  }

  publish(channel: "room", data: unknown): void {
    this.room.log.push(data);
    for (const { link } of this.#sessions.values()) {
      if (link !== null) this.#event(link, channel, this.room.log.length, data);
    }
  }

  #accept(events: SocketEvents): Socket {
    this.attempts.push(this.#world.now);
    const connection: Connection = { events, session: null, isOpen: true };
    this.#connections.push(connection);
    this.#soon(() => {
      if (!connection.isOpen || this.isSilent) return;
      if (this.isDown) this.#close(connection);
      else events.opened();
    });
    return {
      send: (text) => {
        if (connection.isOpen && !this.isSilent) this.#soon(() => this.#receive(connection, text));
      },
      close: () => this.#forget(connection),
    };
  }

  #receive(connection: Connection, text: string): void {
    if (!connection.isOpen) return;
    for (const line of text.split("\n")) {
      const frame = JSON.parse(line) as ClientFrame;
      if (frame.t !== "ping" && frame.t !== "pong") this.frames.push(frame);
      this.#handle(connection, frame);
    }
  }

  #handle(connection: Connection, frame: ClientFrame): void {
    const { session } = connection;
    switch (frame.t) {
      case "hello":
        return this.#hello(connection, frame.stream);
      case "resume":
        return this.#resume(connection, frame);
      case "ping":
        return this.#say(connection, { t: "pong", n: frame.n, now: this.#world.now + this.clockAhead });
      case "confirm":
        if (session?.next != null) [session.token, session.next] = [session.next, null];
        return;
      case "send":
        if (session !== null) this.#send(connection, session, frame);
        return;
      case "sync": {
        if (session === null) return;
        const acked = Object.fromEntries(session.streams);
        return this.#say(connection, { t: "synced", acked, channels: this.#catchUp(session, frame.channels) });
      }
      case "leave":
        if (session !== null) this.#sessions.delete(session.id);
        return;
      case "pong":
        return;
    }
  }

  #hello(connection: Connection, stream: string): void {
    const id = this.#name("s");
    const session: Kept = {
      id, token: this.#name("r"), next: null, streams: new Map([[stream, 0]]),
      me: { epoch: this.#name("e"), log: [] }, link: connection,
    };
    this.#sessions.set(id, session);
    connection.session = session;
    this.#say(connection, {
      t: "welcome", session: id, token: session.token, ...this.#opening(),
      channels: { "@me": { epoch: session.me.epoch, offset: 0, snapshot: {} }, room: this.#roomNow() },
    });
  }

  #resume(connection: Connection, frame: Extract<ClientFrame, { t: "resume" }>): void {
    const session = this.#sessions.get(frame.session);
    if (session === undefined) return this.#reject(connection, 6001, "SESSION_EXPIRED");
    if (frame.token === session.next) [session.token, session.next] = [session.next, null];
    if (frame.token !== session.token) return this.#reject(connection, 6003, "TOKEN_REJECTED");
    const { link } = session;
    if (link !== null && link !== connection) {
      this.#say(link, { t: "bye", code: 6005, name: "SESSION_REPLACED", message: "", again: false, retry_after: null });
      this.#close(link);
    }
    session.link = connection;
    session.next ??= this.#name("r");
    connection.session = session;
    const acked = Object.fromEntries([frame.stream, ...frame.pending].map((s) => [s, session.streams.get(s) ?? 0]));
    this.#say(connection, {
      t: "restored", session: session.id, token: session.next, ...this.#opening(), acked,
      channels: this.#catchUp(session, frame.channels),
    });
  }

  #catchUp(session: Kept, positions: Positions): Data {
    const [me, room] = [positions["@me"], positions["room"]];
    return {
      "@me": me === undefined ? { epoch: session.me.epoch, offset: session.me.log.length, snapshot: {} } : replay(session.me, me[1]),
      room: room === undefined || room[0] !== this.room.epoch ? this.#roomNow() : replay(this.room, room[1]),
    };
  }

  #send(connection: Connection, session: Kept, frame: Extract<ClientFrame, { t: "send" }>): void {
    const { stream, seq, body } = frame;
    const last = session.streams.get(stream) ?? 0;
    const refuse = (error: Data): void =>
      this.#say(connection, { t: "error", message: "", retry_after: null, stream, seq, ...error });
    const refusal = this.#refusals.shift();
    if (refusal !== undefined) return refuse(refusal);
    if (seq > last + 1) return refuse({ code: 7005, name: "SEQUENCE_GAP" });
    if (seq === last + 1) {
      session.streams.set(stream, seq);
      this.handled.push(body);
      const { say, refuse: why } = body as { say?: string; refuse?: string };
      if (say !== undefined) this.publish("room", { say });
      const answer = why === undefined
        ? { ok: { n: this.handled.length } }
        : { error: { code: 10_000, name: "REFUSED", message: why, details: {} } };
      session.me.log.push({ re: { stream, seq }, ...answer });
      if (!this.loseAcks) this.#event(connection, "@me", session.me.log.length, session.me.log.at(-1));
    }
    if (!this.loseAcks) this.#say(connection, { t: "ack", stream, seq });
  }

  #event(connection: Connection, ch: string, o: number, data: unknown): void {
    if (this.#losing > 0) this.#losing -= 1;
    else this.#say(connection, { t: "event", ch, o, data });
  }

  #reject(connection: Connection, code: number, name: string): void {
    this.#say(connection, { t: "bye", code, name, message: "", again: false, retry_after: null });
    this.#close(connection);
  }

  #opening(): Data {
    return { now: this.#world.now + this.clockAhead, ping_ms: 15_000, grace_ms: 30_000 };
  }

  #roomNow(): Data {
    const { epoch, log } = this.room;
    return { epoch, offset: log.length, snapshot: { count: log.length } };
  }

  #say(connection: Connection, frame: Data): void {
    const text = JSON.stringify(frame);
    this.#soon(() => {
      if (!this.isSilent && this.#connections.includes(connection)) connection.events.received(text);
    });
  }

  /** Closes after what was said before has arrived. */
  #close(connection: Connection): void {
    if (!connection.isOpen) return;
    connection.isOpen = false;
    if (connection.session?.link === connection) connection.session.link = null;
    this.#soon(() => {
      if (!this.#connections.includes(connection)) return;
      this.#forget(connection);
      connection.events.closed();
    });
  }

  #forget(connection: Connection): void {
    connection.isOpen = false;
    if (connection.session?.link === connection) connection.session.link = null;
    this.#connections = this.#connections.filter((each) => each !== connection);
  }

  #soon(action: () => void): void {
    this.#world.timers.set(action, 5);
  }

  #name(kind: string): string {
    this.#lastId += 1;
    return `${kind}${this.#lastId}`;
  }
}

function replay(channel: Channel, from: number): Data {
  const events = channel.log.slice(from).map((data, index) => [from + index + 1, data]);
  return { epoch: channel.epoch, offset: channel.log.length, events };
}
