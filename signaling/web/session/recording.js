// @ts-check
/** Having the room recorded, and objecting: an objection is kept as long as what it was made for. */

import { problem } from "../state/problems.js";

export class RecordingWish {
  /** The recording to which this person objects, as told last. @type {import("../state/store.js").Recording|null} */
  #objectsTo = null;
  /** What was said on a connection before may never have arrived. */
  #mayBeLost = false;

  /**
   * @param {import("../state/store.js").Store} store
   * @param {(message: Record<string, unknown>) => boolean} send
   */
  constructor(store, send) {
    this.store = store;
    this.send = send;
  }

  /** @param {boolean} on false: this person objects @returns {boolean} sent; an objection is said later otherwise */
  say(on) {
    const { recording } = this.store.state;
    this.#objectsTo = on || recording.phase === "off" ? null : recording;
    const sent = this.send({ type: "record", on });
    if (this.#objectsTo === null) return sent;
    this.#mayBeLost = !sent;
    if (!sent) this.store.raise(problem("objecting"));
    return sent;
  }

  /** The connection is a new one. */
  connected() {
    this.#mayBeLost = true;
  }

  /** The gateway tells what is recorded. @param {import("../state/store.js").Recording} recording */
  told(recording) {
    if (this.#objectsTo === null) return;
    if (!goesOn(this.#objectsTo, recording)) {
      this.over();
      return;
    }
    this.#objectsTo = recording;
    if (this.#mayBeLost && this.send({ type: "record", on: false })) this.#heard();
  }

  /** Nobody objects any more: what it was made for has ended, or the person has left. */
  over() {
    this.#objectsTo = null;
    this.store.clear("objecting");
  }

  #heard() {
    this.#mayBeLost = false;
    this.store.clear("objecting");
  }
}

/**
 * Whether it is still the same recording; its words change as it begins.
 * @param {import("../state/store.js").Recording} before
 * @param {import("../state/store.js").Recording} now
 */
function goesOn(before, now) {
  if (now.phase === "off") return false;
  return before.phase === now.phase ? before.words === now.words : before.phase === "soon";
}
