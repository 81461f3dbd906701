// @ts-check
import { mute, remove } from "../session/access.js";
import { problem, sentence } from "../state/problems.js";
import { byId, setText } from "./dom.js";

/** What an admin does with somebody in the room. */
export class PersonDialog {
  /** @param {import("../session/session.js").Session} session */
  constructor(session) {
    this.session = session;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("person"));
    this.participant = "";
    byId("close-person").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    byId("person-mute").addEventListener("click", () => this.#act(mute, { muted: true, locked: false }));
    byId("person-lock").addEventListener("click", () => this.#act(mute, { muted: true, locked: true }));
    byId("person-unlock").addEventListener("click", () => this.#act(mute, { muted: false, locked: false }));
    byId("person-remove").addEventListener("click", () => this.#act(remove, undefined));
  }

  /** @param {import("../state/store.js").Participant} person */
  open(person) {
    this.participant = person.participant;
    setText(byId("person-name"), person.name || "Guest");
    const role = { listen: "Listens only", speak: "Listens and speaks", admin: "Admin" }[person.role ?? "admin"];
    setText(byId("person-about"), `${role}. ${person.verified ? "The name comes from an invitation." : "The name was chosen freely."}`);
    const listens = person.role === "listen";
    for (const id of ["person-mute", "person-lock", "person-unlock"]) byId(id).hidden = listens;
    this.dialog.showModal();
  }

  /**
   * @param {(room: string, participant: string, wish: any) => Promise<unknown>} action
   * @param {object|undefined} wish
   */
  async #act(action, wish) {
    this.dialog.close();
    try {
      await action(this.session.state.room, this.participant, wish);
    } catch (error) {
      const detail = /** @type {any} */ (error).detail ?? String(error);
      this.session.store.raise(problem("refused", { cure: sentence(detail), action: "OK", command: "dismiss" }));
    }
  }
}
