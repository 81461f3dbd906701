// @ts-check
/**
 * Who holds the floor: who began to speak first, and keeps it in the pauses between words. Sans-I/O.
 *
 * Levels are those that others hear: a microphone that the gateway holds back, because another one of its place is
 * louder, is quiet in them.
 */

/** Louder is speech. */
const TALKING_DBFS = -45;
/** A pause as long as this ends a turn. */
const PAUSE_MS = 800;

export class Floor {
  /** Whoever holds it; empty: nobody. */
  holder = "";
  #heardAtMs = -Infinity;

  /**
   * @param {Iterable<[string, number]>} levels in dBFS by participant, of people only
   * @param {number} nowMs
   * @returns {string} who holds it now
   */
  hear(levels, nowMs) {
    let [loudest, best] = ["", TALKING_DBFS];
    let holds = false;
    for (const [id, dbfs] of levels) {
      holds ||= id === this.holder && dbfs > TALKING_DBFS;
      if (dbfs > best) [loudest, best] = [id, dbfs];
    }
    if (holds) this.#heardAtMs = nowMs;
    else if (nowMs - this.#heardAtMs >= PAUSE_MS) {
      this.holder = loudest;
      if (loudest) this.#heardAtMs = nowMs;
    }
    return this.holder;
  }
}
