// @ts-check
/** Lines that this person has typed: they are shown at once, and given back where the room has not got them. */

import { foldCaption } from "../state/captions.js";
import { problem } from "../state/problems.js";

const SHOWN_MS = 8000;
/** A line may be under way for so long, from the gateway to the assistant and back. */
const UNDER_WAY_MS = 3000;
/** So long at most the gateway keeps lines for an assistant to whom it connects. */
const KEPT_MS = 60_000;

export class Typed {
  /** Items of lines that were on their way when a connection was lost. @type {Set<string>} */
  #doubtful = new Set();
  /** Since when the person is in the room again; null: nothing is to be settled. @type {number|null} */
  #backAtMs = null;
  /** Since when a line that has arrived would be repeated at once. */
  #readyAtMs = 0;

  /**
   * @param {import("../state/store.js").Store} store
   * @param {object} hooks
   * @param {(message: Record<string, unknown>) => boolean} hooks.send
   * @param {(text: string) => void} hooks.giveBack the room has not got this line
   * @param {() => Promise<void>} hooks.catchUp bring the lines up to what the gateway keeps
   */
  constructor(store, { send, giveBack, catchUp }) {
    this.store = store;
    this.send = send;
    this.giveBack = giveBack;
    this.catchUp = catchUp;
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
    this.#backAtMs = null;
    for (const { kind, item } of this.store.state.captions) if (kind === "typed") this.#doubtful.add(item);
  }

  /** The connection is back: what was under way may still come. */
  welcomed() {
    this.#backAtMs = this.#doubtful.size ? performance.now() : null;
    this.#readyAtMs = performance.now();
  }

  /** @param {number} nowMs */
  async tick(nowMs) {
    const backAtMs = this.#backAtMs;
    if (backAtMs === null) return;
    const waits = ["connecting", "reconnecting"].includes(this.store.state.upstream);
    if (waits && nowMs < backAtMs + KEPT_MS) this.#readyAtMs = nowMs;
    if (nowMs < this.#readyAtMs + UNDER_WAY_MS) return;
    this.#readyAtMs = Infinity;
    await this.catchUp();
    if (backAtMs === this.#backAtMs) this.#settle();
  }

  /** What was said is known: what is not in it was lost on the way. */
  #settle() {
    this.#backAtMs = null;
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
