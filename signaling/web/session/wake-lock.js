// @ts-check
/** Keeps the screen on during a call, where the browser can. */

export class WakeLock {
  /** @type {WakeLockSentinel|undefined} */
  #lock;

  /** A browser drops the lock when the page is hidden: ask again when it is seen. */
  async request() {
    if (document.hidden || !navigator.wakeLock) return;
    this.#lock = await navigator.wakeLock.request("screen").catch(() => undefined);
  }

  release() {
    this.#lock?.release().catch(() => {});
    this.#lock = undefined;
  }
}
