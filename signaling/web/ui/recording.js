// @ts-check
import { announce, byId, make, setText } from "./dom.js";

/** While the list is looked at, it is asked for so often: a recording that is over has its files a moment later. */
const AGAIN_MS = 3000;

/** The badge that everybody sees; for admins the button that begins a recording, and the files of those before. */
export class Recording {
  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.badge = byId("recorded");
    this.part = byId("set-recording");
    this.button = /** @type {HTMLButtonElement} */ (byId("record"));
    this.list = byId("recordings");
    this.trouble = byId("recordings-trouble");
    /** How often the list was asked for: an older answer may come later. */
    this.turn = 0;
    /** What the list shows. */
    this.shown = "";
    /** Questions that have no answer yet. */
    this.asking = 0;
    this.button.addEventListener("click", () => client.record(client.state.recording.phase === "off"));
    this.past = /** @type {HTMLDetailsElement} */ (byId("recordings-past"));
    this.past.addEventListener("toggle", () => this.#follow());
  }

  /** @param {import("../client.js").State} state */
  render({ recording, role, mayBeRecorded, phase }) {
    const isOff = recording.phase === "off";
    this.badge.hidden = isOff;
    setText(this.badge, recording.phase === "soon" ? "recorded soon" : "recorded");
    this.part.hidden = role !== "admin" || (!mayBeRecorded && isOff);
    this.button.disabled = phase !== "connected";
    setText(byId("record-word"), isOff ? "Record this room" : "Stop the recording");
  }

  #follow() {
    clearTimeout(this.timer);
    if (!this.past.open) return;
    this.timer = setTimeout(() => this.#follow(), AGAIN_MS);
    const isSeen = this.past.offsetParent !== null; // Not while the dialog is closed.
    if (isSeen && !this.button.disabled && !this.asking) this.#show();
  }

  async #show() {
    const turn = (this.turn += 1);
    this.asking += 1;
    const found = await this.#try(this.client.archive.recordings());
    this.asking -= 1;
    if (!found || turn !== this.turn) return;
    const shown = JSON.stringify(found.map((one) => ({ ...one, files: one.files.map(({ file }) => file) })));
    if (shown === this.shown) return; // Whoever is on one of its links stays there.
    this.shown = shown;
    this.list.replaceChildren(...found.map((one) => this.#row(one)));
    if (!found.length) this.list.append(make("li", { text: "There are none." }));
  }

  /** @param {import("../client.js").Recorded} one */
  #row({ recording, began, ended, by, tracks, files, left_out: leftOut = [] }) {
    const names = new Map(tracks.map((track) => [track.file, track.name]));
    const when = new Date(began).toLocaleString();
    const links = files.map(({ file }) => make("a", {
      class: "quiet", href: this.client.archive.recordingAddress(recording, file), download: "",
      text: file === "mix.flac" ? "All together" : names.get(file) || file,
    }));
    const remove = make("button", { type: "button", class: "quiet danger", text: "Delete" });
    remove.addEventListener("click", () => this.#remove(recording, when));
    const lacks = leftOut.length ? `, without ${leftOut.join(", ")} (it has as many voices as it may)` : "";
    return make("li", {}, [
      make("span", { text: `${when}${ended ? "" : ", still going on"}${by ? `, by ${by}` : ""}${lacks}` }),
      make("div", { class: "files", role: "group", "aria-label": `Save or delete ${when}` }, [...links, remove]),
    ]);
  }

  /** @param {string} recording @param {string} when */
  async #remove(recording, when) {
    if (!window.confirm(`Delete the recording of ${when}, with all its files?`)) return;
    if (!(await this.#try(this.client.archive.removeRecording(recording)))) return;
    announce("The recording is deleted");
    this.#show();
  }

  /** @template T @param {Promise<T>} asked @returns {Promise<T|undefined>} undefined: it is said why not */
  async #try(asked) {
    try {
      const answer = await asked;
      this.trouble.hidden = true;
      return answer;
    } catch (error) {
      setText(this.trouble, /** @type {any} */ (error).detail || "The gateway does not answer.");
      this.trouble.hidden = false;
      return undefined;
    }
  }
}
