// @ts-check
/** How far the assistant's voice was played: the gateway is told, and a person sees where a reply was cut off. */

import { markInterrupted } from "../state/captions.js";

/** How long the assistant is shown as interrupted. */
const SHOWN_MS = 2500;

export class PlayedReports {
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #showing;

  /**
   * @param {import("../state/store.js").Store} store
   * @param {(message: Record<string, unknown>) => boolean} send
   */
  constructor(store, send) {
    this.store = store;
    this.send = send;
  }

  /** One of the playback worklet. @param {any} report */
  take(report) {
    const { epoch, why, atSeconds } = report;
    const playedMs = Math.round(report.playedMs);
    const bufferedMs = Math.round(report.bufferedMs);
    const exact = report.stampNs === null ? {} : { stamp_ns: report.stampNs, offset_samples: report.offsetSamples };
    if (why !== "progress") this.store.note("played", { why, epoch, playedMs, bufferedMs, atSeconds });
    const cutOff = why === "flush" && bufferedMs > 0;
    if (cutOff) this.#interrupted();
    this.send({
      type: "played", epoch, played_ms: playedMs, buffered_ms: bufferedMs, ...exact, last: why === "flush",
    });
  }

  /** A reply was cut off in mid-word. */
  #interrupted() {
    this.store.set({ captions: markInterrupted(this.store.state.captions) });
    this.showInterrupted();
  }

  /** For a moment, so that people see it. */
  showInterrupted() {
    this.store.set({ interrupted: true });
    clearTimeout(this.#showing);
    this.#showing = setTimeout(() => this.store.set({ interrupted: false }), SHOWN_MS);
  }
}
