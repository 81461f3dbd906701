// @ts-check
/** Whether this person is heard: mute, push-to-talk, and a hint to those who talk while muted. */

import { holdsToTalk } from "../state/store.js";

const TALKING_DBFS = -35;
/** Loud level reports, one every 60 ms, that make talking. */
const TALKING_REPORTS = 8;
/** When the button is released, the last word is still on its way from the microphone. */
const RELEASE_MS = 80;

export class Talk {
  #loudReports = 0;
  #gatewayWantsPresses = true;
  /** The gateway has been told that the button is down. */
  #isTold = false;
  #pressedAtMs = 0;

  /**
   * @param {import("../state/store.js").Store} store
   * @param {object} hooks
   * @param {(muted: boolean) => void} hooks.setMuted close or open the way out of the page
   * @param {(message: Record<string, unknown>) => void} hooks.send
   */
  constructor(store, { setMuted, send }) {
    this.store = store;
    this.setMicrophoneMuted = setMuted;
    this.send = send;
  }

  get state() {
    return this.store.state;
  }

  /**
   * Apply the state to the microphone: nothing leaves the page while the talk button is up, nor before the gateway
   * has said whether this room has one.
   */
  apply() {
    if (this.state.pushToTalk) this.#gatewayWantsPresses = true;
    this.setMicrophoneMuted(!this.isOpen);
  }

  get #muted() {
    return this.state.muted || this.state.listenOnly;
  }

  /** Tell the gateway whether this person is muted. */
  announce() {
    this.send({ type: "mute", muted: this.#muted });
  }

  /** What is said leaves the page. */
  get isOpen() {
    const { participant, pressed } = this.state;
    return participant !== "" && !this.#muted && (!holdsToTalk(this.state) || pressed);
  }

  /** A new connection; the button may have been held all the time. */
  connected() {
    this.#gatewayWantsPresses = true;
    this.announce();
    this.apply();
    this.#isTold = this.state.pressed;
    if (this.state.pressed) this.send({ type: "ptt", down: true });
  }

  /** In a place the button decides whose microphone is open, whatever the rule of the room is. */
  get #tellsPresses() {
    return this.#gatewayWantsPresses || Boolean(this.state.place);
  }

  /** The gateway has no push-to-talk: do not send presses. */
  pressesUnwanted() {
    this.#gatewayWantsPresses = false;
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    if (!muted && this.state.mutedByAdmin) return;
    this.#loudReports = 0;
    this.store.set({ muted, talkingWhileMuted: false });
    this.apply();
    this.announce();
  }

  /** @param {"open"|"hold"} talk open microphone, or push-to-talk */
  setMode(talk) {
    this.press(false);
    this.store.set({ talk });
    if (talk === "hold" && this.state.muted) this.setMuted(false);
    else this.apply();
  }

  /**
   * The talk button goes down or up.
   * @param {boolean} down
   * @returns {boolean} whether the button is held now
   */
  press(down) {
    const { pressed, phase, listenOnly } = this.state;
    const held = down && phase === "connected" && !listenOnly && !this.state.mutedByAdmin;
    if (held === pressed) return held;
    if (held && this.state.muted) this.setMuted(false);
    this.store.set({ pressed: held });
    if (held) this.#pressedAtMs = performance.now();
    const how = held ? {} : { held_ms: Math.round(performance.now() - this.#pressedAtMs) };
    if (held ? this.#tellsPresses : this.#isTold) this.send({ type: "ptt", down: held, ...how });
    this.#isTold = held && this.#tellsPresses;
    if (held) this.apply();
    else setTimeout(() => this.apply(), RELEASE_MS);
    return held;
  }

  /** The microphone's level, every 60 ms. @param {number} dbfs */
  level(dbfs) {
    const { muted, talkingWhileMuted } = this.state;
    const loud = muted && dbfs > TALKING_DBFS;
    this.#loudReports = loud ? this.#loudReports + 1 : Math.max(0, this.#loudReports - 0.1);
    const talking = muted && this.#loudReports >= TALKING_REPORTS;
    if (talking !== talkingWhileMuted) this.store.set({ talkingWhileMuted: talking });
  }
}
