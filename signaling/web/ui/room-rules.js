// @ts-check
/** The part of the settings that is the room's: for admins, and at once for everybody. */

import { changeRoom, closeRoom } from "../session/access.js";
import { problem, sentence } from "../state/problems.js";
import { byId } from "./dom.js";

/** @typedef {import("../state/store.js").Rules} Rules */

/** Switch → the rule that it shows, and the change that it makes. */
const SWITCHES = {
  "rule-locked": {
    shows: (/** @type {Rules} */ rules) => rules.locked,
    change: (/** @type {boolean} */ on) => ({ locked: on }),
  },
  "rule-enter-muted": {
    shows: (/** @type {Rules} */ rules) => rules.enter_muted,
    change: (/** @type {boolean} */ on) => ({ enter_muted: on }),
  },
  "rule-stop": {
    shows: (/** @type {Rules} */ rules) => rules.stop === "speak",
    change: (/** @type {boolean} */ on) => ({ stop: on ? "speak" : "admin" }),
  },
  "rule-confirm": {
    shows: (/** @type {Rules} */ rules) => rules.confirm === "admin",
    change: (/** @type {boolean} */ on) => ({ confirm: on ? "admin" : "speak" }),
  },
};

export class RoomRules {
  /** @param {import("../session/session.js").Session} session */
  constructor(session) {
    this.session = session;
    this.root = byId("set-room");
    /** @type {HTMLInputElement[]} */
    this.mode = [...this.root.querySelectorAll("input")].filter((input) => input.name === "room-mode");
    for (const choice of this.mode) {
      choice.addEventListener("change", () => this.#change({ mode: choice.value }));
    }
    for (const [id, { change }] of Object.entries(SWITCHES)) {
      const input = /** @type {HTMLInputElement} */ (byId(id));
      input.addEventListener("change", () => this.#change({ rules: change(input.checked) }));
    }
    byId("close-room").addEventListener("click", () => this.#close());
  }

  /** Show what holds now. */
  render() {
    const { role, mode, rules } = this.session.state;
    this.root.hidden = role !== "admin";
    for (const choice of this.mode) choice.checked = choice.value === mode;
    for (const [id, { shows }] of Object.entries(SWITCHES)) {
      /** @type {HTMLInputElement} */ (byId(id)).checked = shows(rules);
    }
  }

  /** @param {{mode?: string, rules?: Partial<Rules>}} change */
  async #change(change) {
    const { session } = this;
    try {
      const { mode, rules } = await changeRoom(session.state.room, change);
      session.store.set({ mode, rules });
    } catch (error) {
      this.#tell(error);
    }
    this.render();
  }

  async #close() {
    const { room } = this.session.state;
    if (!window.confirm(`Close ${room}? Everybody in it has to leave.`)) return;
    await closeRoom(room).catch((error) => this.#tell(error));
  }

  /** @param {any} error */
  #tell(error) {
    const cure = sentence(error.detail ?? String(error));
    this.session.store.raise(problem("refused", { cure, action: "OK", command: "dismiss" }));
  }
}
