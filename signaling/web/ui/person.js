// @ts-check
import { byId, setText } from "./dom.js";

/** What an admin does with somebody in the room. */
export class PersonDialog {
  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("person"));
    this.participant = "";
    byId("close-person").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    byId("person-mute").addEventListener("click", () => this.#mute({ muted: true, locked: false }));
    byId("person-lock").addEventListener("click", () => this.#mute({ muted: true, locked: true }));
    byId("person-unlock").addEventListener("click", () => this.#mute({ muted: false, locked: false }));
    byId("person-remove").addEventListener("click", () => this.#act(client.remove(this.participant)));
  }

  /** @param {import("../client.js").Participant} person */
  open(person) {
    this.participant = person.participant;
    setText(byId("person-name"), person.name || "Guest");
    const role = { listen: "Listens only", speak: "Listens and speaks", admin: "Admin" }[person.role ?? "admin"];
    setText(byId("person-about"), `${role}. ${person.verified ? "The name comes from an invitation." : "The name was chosen freely."}`);
    const listens = person.role === "listen";
    byId("person-mute").hidden = listens || person.muted;
    byId("person-lock").hidden = listens;
    byId("person-unlock").hidden = listens || !person.muted;
    this.dialog.showModal();
  }

  /** @param {{muted: boolean, locked: boolean}} wish */
  #mute(wish) {
    this.#act(this.client.muteOther(this.participant, wish));
  }

  /** @param {Promise<unknown>} done */
  async #act(done) {
    this.dialog.close();
    await done.catch((error) => this.client.report(error));
  }
}
