// @ts-check
/** The part of the settings that is the room's: what holds, and for admins what they may change. */

import { roomFacts } from "../client.js";
import { byId, make } from "./dom.js";

/** @typedef {import("../client.js").Rules} Rules */

/**
 * Switch → the rule that it shows, and the change that it makes.
 * @type {Record<string, {shows: (rules: Rules) => boolean, change: (on: boolean) => Partial<Rules>}>}
 */
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
  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.root = byId("set-room");
    this.facts = byId("room-facts");
    /** @type {HTMLInputElement[]} */
    this.mode = [...this.root.querySelectorAll("input")].filter((input) => input.name === "room-mode");
    /** @type {HTMLInputElement[]} */
    this.address = [...this.root.querySelectorAll("input")].filter((input) => input.name === "room-address");
    for (const choice of this.address) {
      const address = /** @type {import("../client.js").Address} */ (choice.value);
      choice.addEventListener("change", () => this.#change({ rules: { address } }));
    }
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
    const { role, mode, rules, address } = this.client.state;
    this.facts.replaceChildren(...roomFacts(this.client.state).flatMap(([name, words]) => [
      make("dt", { text: name }), make("dd", { text: words }),
    ]));
    this.root.hidden = role !== "admin";
    for (const choice of this.mode) choice.checked = choice.value === mode;
    for (const choice of this.address) choice.checked = choice.value === address;
    for (const [id, { shows }] of Object.entries(SWITCHES)) {
      /** @type {HTMLInputElement} */ (byId(id)).checked = shows(rules);
    }
  }

  /** @param {{mode?: string, rules?: Partial<Rules>}} change */
  async #change(change) {
    await this.client.changeRoom(change).catch((error) => this.client.report(error));
    this.render();
  }

  async #close() {
    const { room } = this.client.state;
    if (!window.confirm(`Close ${room}? Everybody in it has to leave.`)) return;
    await this.client.closeRoom().catch((error) => this.client.report(error));
  }
}
