// @ts-check
/** Lines that this person has typed: they are shown at once, and given back where the room has not got them. */

import { foldCaption } from "../state/captions.js";
import { problem } from "../state/problems.js";

const SHOWN_MS = 8000;

export class Typed {
  /** Items of lines that were on their way when a connection was lost. @type {Set<string>} */
  #doubtful = new Set();

  /**
   * @param {import("../state/store.js").Store} store
   * @param {object} hooks
   * @param {(message: Record<string, unknown>) => boolean} hooks.send
   * @param {(text: string) => void} hooks.giveBack the room has not got this line
   */
  constructor(store, { send, giveBack }) {
    this.store = store;
    this.send = send;
    this.giveBack = giveBack;
  }

  /** @param {string} text @returns {boolean} sent */
  say(text) {
    if (!this.send({ type: "say", text })) return false;
    const { participant, name, captions } = this.store.state;
    const line = {
      item: `typed-${performance.now()}`, speaker: participant, name, text, final: true,
      kind: /** @type {const} */ ("typed"),
    };
    this.store.set({ captions: foldCaption(captions, line) });
    return true;
  }

  /** The connection is lost: what the gateway has not repeated by now may never have arrived. */
  lost() {
    for (const { kind, item } of this.store.state.captions) if (kind === "typed") this.#doubtful.add(item);
  }

  /** The connection is back, and what was said is known: what is not in it was lost on the way. */
  settle() {
    const { captions } = this.store.state;
    const lost = captions.filter(({ kind, item }) => kind === "typed" && this.#doubtful.has(item));
    this.#doubtful.clear();
    if (!lost.length) return;
    this.store.set({ captions: captions.filter((line) => !lost.includes(line)) });
    for (const { text } of lost) this.giveBack(text);
    this.store.raise(problem("unsaid"));
    setTimeout(() => this.store.clear("unsaid"), SHOWN_MS);
  }
}
