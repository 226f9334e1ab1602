import type { Effect } from "./effects";
import type { Identity } from "./identity";
import type { Machine } from "./machine";
import type { Outbox } from "./outbox";

export interface HandshakeOptions {
  readonly identity: Identity;
  readonly outbox: Outbox;
  readonly machine: Machine;
  readonly auth: () => unknown;
  readonly perform: (effects: readonly Effect[]) => void;
  /** What `auth` needed was not to be had. */
  readonly failed: () => void;
}

/** From the open socket to the first frame: what do other tabs know, and who are we? */
export class Handshake {
  readonly #options: HandshakeOptions;
  /** Goes up with each connection, so that a slow answer does not speak into a later one. */
  #turn = 0;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  begin(): void {
    this.callOff();
    const ifCurrent = this.#guard();
    // Another tab may have settled, sent or renumbered what we hold, and an earlier page load may
    // have left messages; sent without looking they could count twice.
    void this.#options.outbox.refresh().then(() => ifCurrent(() => this.#open()));
  }

  callOff(): void {
    this.#turn += 1;
  }

  #open(): void {
    const { identity, outbox, machine, perform } = this.#options;
    const mine = machine.credentials;
    if (identity.wasCleared(mine)) outbox.saveAll();
    const credentials = identity.choose(mine);
    if (credentials === null) this.#introduce();
    else perform(machine.resume(credentials));
  }

  #introduce(): void {
    const { auth, machine, perform, failed } = this.#options;
    const ifCurrent = this.#guard();
    // Whatever `auth` needs (a request, mostly) may fail just as a connection does.
    Promise.resolve().then(() => auth()).then(
      (value) => ifCurrent(() => perform(machine.hello(value))),
      () => ifCurrent(failed),
    );
  }

  #guard(): (action: () => void) => void {
    const turn = this.#turn;
    return (action) => {
      if (turn === this.#turn) action();
    };
  }
}
