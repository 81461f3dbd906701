// @ts-check
/** Having the room recorded, and objecting: an objection is kept until nothing is recorded. */

import { problem } from "../state/problems.js";

export class RecordingWish {
  #objects = false;

  /**
   * @param {import("../state/store.js").Store} store
   * @param {(message: Record<string, unknown>) => boolean} send
   */
  constructor(store, send) {
    this.store = store;
    this.send = send;
    store.subscribe(({ recording }) => {
      if (recording.phase === "off") this.#over();
    });
  }

  /** @param {boolean} on false: this person objects @returns {boolean} sent; an objection is said later otherwise */
  say(on) {
    this.#objects = !on && this.store.state.recording.phase !== "off";
    const sent = this.send({ type: "record", on });
    if (this.#objects && !sent) this.store.raise(problem("objecting"));
    return sent;
  }

  /** The connection is a new one: what was said on the one before may never have arrived. */
  connected() {
    if (this.#objects && this.send({ type: "record", on: false })) this.store.clear("objecting");
  }

  #over() {
    this.#objects = false;
    this.store.clear("objecting");
  }
}
