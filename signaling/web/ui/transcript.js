// @ts-check
import { may, sentence } from "../client.js";
import { announce, byId, make, setText } from "./dom.js";

/** @type {[import("../client.js").Format, string][]} */
const FORMATS = [["text", "Text"], ["json", "JSON"], ["srt", "SRT"], ["vtt", "WebVTT"]];

/** The dialog with what was said: files to save; for admins earlier conversations, a search, and deleting. */
export class TranscriptDialog {
  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("transcript"));
    this.trouble = byId("transcript-trouble");
    this.list = byId("transcript-list");
    this.found = byId("transcript-found");
    this.words = /** @type {HTMLInputElement} */ (byId("transcript-words"));
    byId("open-transcript").addEventListener("click", () => this.open());
    byId("close-transcript").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    byId("transcript-delete").addEventListener("click", () => this.#delete());
    byId("transcript-older").addEventListener("click", () => this.#showList(this.oldest));
    byId("transcript-search").addEventListener("submit", (event) => this.#search(event));
    /** Id of the oldest conversation in the list. @type {number|undefined} */
    this.oldest = undefined;
    /** How often the list and the search were asked for: an older answer may come later. */
    this.listTurn = 0;
    this.searchTurn = 0;
  }

  open() {
    const { room, role } = this.client.state;
    setText(byId("transcript-room"), room);
    this.trouble.hidden = true;
    byId("transcript-delete").hidden = role !== "admin";
    byId("transcript-past").hidden = role !== "admin";
    byId("transcript-save").replaceChildren(...this.#links());
    this.#clearSearch();
    this.dialog.showModal();
    if (role === "admin") this.#showList();
  }

  /** Who may not have it is shown no button. @param {import("../client.js").State} state */
  render({ role }) {
    byId("open-transcript").hidden = !may(role, "speak");
  }

  /** One link for each form. @param {number} [id] of a conversation; without: the one that goes on */
  #links(id) {
    return FORMATS.map(([format, words]) => make("a", {
      class: "quiet", href: this.client.archive.address(format, id), download: "", text: words,
    }));
  }

  /** @param {number} [before] only older ones, below those that are there */
  async #showList(before) {
    const turn = (this.listTurn += 1);
    const listed = await this.#try(this.client.archive.list(before));
    if (!listed || turn !== this.listTurn) return;
    if (!before) this.list.replaceChildren();
    this.list.append(...listed.map((one) => this.#row(one)));
    this.oldest = listed.at(-1)?.conversation;
    byId("transcript-none").hidden = this.list.children.length > 0;
    byId("transcript-older").hidden = listed.length < 50;
  }

  /** @param {import("../client.js").Listed} one */
  #row({ conversation, began, ended, entries, people, begins_with: beginsWith }) {
    const remove = make("button", { type: "button", class: "quiet danger", text: "Delete" });
    remove.addEventListener("click", () => this.#delete(conversation));
    const who = people.length ? people.join(", ") : "No names known";
    return make("li", { "data-conversation": String(conversation) }, [
      make("span", { text: `${when(began)}${ended ? "" : ", still going on"}` }),
      make("small", { text: `${who}: ${beginsWith || "…"} (${entries} ${entries === 1 ? "entry" : "entries"})` }),
      make("div", { class: "files", role: "group", "aria-label": `Save or delete ${when(began)}` }, [
        ...this.#links(conversation), remove,
      ]),
    ]);
  }

  /** @param {Event} event */
  async #search(event) {
    event.preventDefault();
    const words = this.words.value.trim();
    if (!words) {
      this.#clearSearch();
      return;
    }
    const turn = (this.searchTurn += 1);
    const result = await this.#try(this.client.archive.search(words));
    if (!result || turn !== this.searchTurn) return;
    this.found.replaceChildren(...result.hits.map((hit) => this.#hit(hit)));
    const count = result.hits.length;
    const more = result.is_complete ? "" : " There is more: add a word.";
    const told = count ? `${count} ${count === 1 ? "entry" : "entries"} found.${more}` : `Nothing found.${more}`;
    setText(byId("transcript-count"), told);
    announce(told);
  }

  /** @param {import("../client.js").Hit} hit */
  #hit({ conversation, time, name, role, snippet }) {
    const who = name || (role === "assistant" ? "Assistant" : "Somebody");
    return make("li", { "data-conversation": String(conversation) }, [
      make("span", { text: snippet }),
      make("small", { text: `${who}, ${when(time)}` }),
      make("div", { class: "files", role: "group", "aria-label": "Save its conversation" }, this.#links(conversation)),
    ]);
  }

  #clearSearch() {
    this.searchTurn += 1;
    this.words.value = "";
    this.found.replaceChildren();
    setText(byId("transcript-count"), "");
  }

  /** @param {number} [id] without: what was said so far */
  async #delete(id) {
    const what = id ? "this conversation" : "what was said so far";
    const words = `Delete ${what} for everybody? It cannot be brought back, and the assistant forgets it, too.`;
    if (!window.confirm(words)) return;
    if (!await this.#try(this.client.archive.remove(id))) return;
    announce("Deleted.");
    this.#clearSearch();
    await this.#showList();
  }

  /** @template T @param {Promise<T>} asked @returns {Promise<T|null>} null: the reason is shown */
  async #try(asked) {
    this.trouble.hidden = true;
    try {
      return await asked;
    } catch (error) {
      setText(this.trouble, sentence(/** @type {any} */ (error).detail ?? String(error)));
      this.trouble.hidden = false;
      return null;
    }
  }
}

/** @param {string} time ISO 8601 */
function when(time) {
  return new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
