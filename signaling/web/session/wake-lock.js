// @ts-check
/** Keeps the screen on during a call, where the browser can. */

export class WakeLock {
  /** @type {WakeLockSentinel|undefined} */
  #lock;
  #wanted = false;
  #asking = false;

  /** A browser drops the lock when the page is hidden: ask again when it is seen. */
  async request() {
    this.#wanted = true;
    const holds = this.#lock !== undefined && !this.#lock.released;
    if (holds || this.#asking || document.hidden || !navigator.wakeLock) return;
    this.#asking = true;
    this.#lock = await navigator.wakeLock.request("screen").catch(() => undefined);
    this.#asking = false;
    if (!this.#wanted) this.release();
  }

  release() {
    this.#wanted = false;
    this.#lock?.release().catch(() => {});
    this.#lock = undefined;
  }
}
