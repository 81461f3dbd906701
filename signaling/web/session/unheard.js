// @ts-check
/** Tells a person that part of what they said was not heard, because the connection was gone. */

import { problem } from "../state/problems.js";

const TALKING_DBFS = -35;
/** Between two reports of the level. */
const REPORT_MS = 60;
/** Less than this is not worth a word. */
const WORTH_MS = 600;
const SHOWN_MS = 8000;

export class Unheard {
  /** Talking since the gateway was heard last, in ms. */
  #talkedMs = 0;

  /** @param {import("../state/store.js").Store} store */
  constructor(store) {
    this.store = store;
  }

  /** The gateway is there. */
  heard() {
    if (this.store.state.phase === "connected") this.#talkedMs = 0;
  }

  /** The level of an open microphone; whoever has not been in yet expects nobody to hear. @param {number} dbfs */
  level(dbfs) {
    const { phase } = this.store.state;
    const wasIn = phase === "connected" || phase === "reconnecting";
    if (wasIn && dbfs > TALKING_DBFS) this.#talkedMs += REPORT_MS;
  }

  /** The connection is there again. */
  tell() {
    const seconds = this.#talkedMs / 1000;
    this.#talkedMs = 0;
    if (seconds * 1000 < WORTH_MS) return;
    const title = `About ${seconds.toFixed(seconds < 3 ? 1 : 0)} s of what you said was not heard`;
    this.store.raise(problem("unheard", { title }));
    setTimeout(() => this.store.clear("unheard"), SHOWN_MS);
  }
}
