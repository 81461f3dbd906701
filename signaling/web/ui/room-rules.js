// @ts-check
/** The part of the settings that is the room's: what holds, and for admins what they may change. */

import { roomFacts } from "../client.js";
import { byId, make, setText } from "./dom.js";

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
    this.news = byId("room-news");
    /** What is shown, by control. @type {Record<string, string|boolean>} */
    this.shown = {};
    /** What this person has just chosen, until the room has it. @type {Record<string, string|boolean>} */
    this.chosen = {};
    /** Controls that somebody else has changed since the dialog opened. @type {Set<string>} */
    this.foreign = new Set();
    for (const choice of this.address) {
      const address = /** @type {import("../client.js").Address} */ (choice.value);
      choice.addEventListener("change", () => this.#change("address", address, { rules: { address } }));
    }
    for (const choice of this.mode) {
      choice.addEventListener("change", () => this.#change("mode", choice.value, { mode: choice.value }));
    }
    for (const [id, { change }] of Object.entries(SWITCHES)) {
      const input = /** @type {HTMLInputElement} */ (byId(id));
      input.addEventListener("change", () => this.#change(id, input.checked, { rules: change(input.checked) }));
    }
    byId("close-room").addEventListener("click", () => this.#close());
  }

  /** The dialog opens: show what holds now. */
  open() {
    setText(this.news, "");
    this.chosen = {};
    this.foreign.clear();
    this.#render(this.#current());
  }

  /** Show what has changed since, and say what of it this person has not done. Nothing else is touched. */
  follow() {
    const current = this.#current();
    const changed = Object.keys(current).filter((name) => current[name] !== this.shown[name]);
    if (!changed.length) return;
    const news = changed.filter((name) => name !== "facts" && current[name] !== this.chosen[name]);
    this.#render(current, changed);
    for (const name of changed) {
      delete this.chosen[name];
      this.foreign.delete(name);
    }
    for (const name of news) this.foreign.add(name);
    const words = [...this.foreign].map((name) => this.#words(name)).join("; ");
    setText(this.news, words && !this.root.hidden ? `Somebody else has changed: ${words}.` : "");
  }

  /** @returns {Record<string, string|boolean>} what holds, by control */
  #current() {
    const { mode, rules, address } = this.client.state;
    const switches = Object.entries(SWITCHES).map(([id, { shows }]) => [id, shows(rules)]);
    return { facts: JSON.stringify(roomFacts(this.client.state)), mode, address, ...Object.fromEntries(switches) };
  }

  /** @param {Record<string, string|boolean>} current @param {string[]} [names] of controls; all */
  #render(current, names = Object.keys(current)) {
    this.root.hidden = this.client.state.role !== "admin";
    for (const name of names) {
      const value = this.shown[name] = current[name];
      if (name === "facts") this.#renderFacts();
      else if (name === "mode") for (const choice of this.mode) choice.checked = choice.value === value;
      else if (name === "address") for (const choice of this.address) choice.checked = choice.value === value;
      else /** @type {HTMLInputElement} */ (byId(name)).checked = value === true;
    }
  }

  #renderFacts() {
    this.facts.replaceChildren(...roomFacts(this.client.state).flatMap(([name, words]) => [
      make("dt", { text: name }), make("dd", { text: words }),
    ]));
  }

  /** A control, and what it shows now. @param {string} name */
  #words(name) {
    if (name === "mode" || name === "address") {
      const choice = this[name].find(({ checked }) => checked);
      const legend = choice?.closest("fieldset")?.querySelector("legend")?.textContent;
      return `${legend}: ${choice?.closest("label")?.querySelector("b")?.textContent}`;
    }
    const input = /** @type {HTMLInputElement} */ (byId(name));
    return `${input.nextElementSibling?.firstChild?.textContent?.trim()}: ${input.checked ? "on" : "off"}`;
  }

  /**
   * The choice stays as it is: the answer may come before the room's own word, which `follow` shows.
   * @param {string} name of the control
   * @param {string|boolean} value
   * @param {{mode?: string, rules?: Partial<Rules>}} change
   */
  async #change(name, value, change) {
    this.chosen[name] = value;
    try {
      await this.client.changeRoom(change);
    } catch (error) {
      this.client.report(/** @type {any} */ (error));
      delete this.chosen[name];
      this.#render(this.#current(), [name]);
    }
  }

  async #close() {
    const { room } = this.client.state;
    if (!window.confirm(`Close ${room}? Everybody in it has to leave.`)) return;
    await this.client.closeRoom().catch((error) => this.client.report(error));
  }
}
