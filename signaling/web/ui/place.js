// @ts-check
/** The part of the settings that says where this device is, and what its sound is for. */

import { byId, make, memory } from "./dom.js";

/** @typedef {import("../client.js").SpeakerUse} SpeakerUse */

export class PlaceSettings {
  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.place = /** @type {HTMLInputElement} */ (byId("set-place"));
    this.use = /** @type {HTMLSelectElement} */ (byId("set-use"));
    this.place.addEventListener("change", () => this.#move());
    this.use.addEventListener("change", () => client.setSpeakerUse(/** @type {SpeakerUse} */ (this.use.value)));
  }

  /** Show what holds now. */
  render() {
    const { place, speakerUse, participants, participant } = this.client.state;
    this.place.value = place;
    this.use.value = speakerUse;
    byId("set-use-field").hidden = place === "";
    const others = participants.filter((person) => person.place && person.participant !== participant);
    const names = [...new Set(others.map((person) => String(person.place)))];
    byId("set-places").replaceChildren(...names.map((name) => make("option", { value: name })));
  }

  #move() {
    const place = this.place.value.trim();
    memory.set("place", place);
    this.client.setPlace(place);
    this.render();
  }
}
