// @ts-check
import { cutWords, holdsToTalk, pictureWords, shownText } from "../client.js";
import { byId, make, setData, setText, toneClass } from "./dom.js";

const NEAR_END_PX = 60;

/** What was said and done, line by line; follows the latest line unless the reader has scrolled up. */
export class Captions {
  constructor() {
    this.list = byId("captions");
    this.empty = byId("captions-empty");
    this.title = byId("empty-title");
    this.latest = byId("captions-latest");
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    /** @type {import("../client.js").Caption[]|null} */
    this.shown = null;
    this.persona = "";
    this.following = true;
    this.heightPx = 0;
    // A question or a problem takes space from the list: the latest line stays in sight.
    new ResizeObserver(() => this.#resized()).observe(this.list);
    this.list.addEventListener("scroll", () => this.#scrolled());
    this.latest.addEventListener("click", () => this.#toEnd());
  }

  #resized() {
    this.heightPx = this.list.clientHeight;
    if (this.following) this.#toEnd();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    if (clientHeight !== this.heightPx) return;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.following) this.latest.hidden = true;
  }

  #toEnd() {
    this.following = true;
    this.latest.hidden = true;
    this.list.scrollTop = this.list.scrollHeight;
  }

  /** @param {import("../client.js").State} state */
  render(state) {
    const { captions, phase, persona } = state;
    setText(this.title, phase === "connected" ? invitation(state) : "One moment …");
    if (captions === this.shown && persona === this.persona) return;
    this.persona = persona;
    const grown = captions.length > (this.shown?.length ?? 0);
    this.shown = captions;
    this.empty.hidden = captions.length > 0;
    const keys = captions.map((line) => line.item);
    for (const [key, row] of this.rows) {
      if (keys.includes(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
    for (const [index, line] of captions.entries()) this.#renderLine(keys[index], line, index);
    if (this.following) this.#toEnd();
    else if (grown) this.latest.hidden = false;
  }

  /**
   * A small copy of a picture, once.
   * @param {HTMLElement} row @param {import("../client.js").ShownPicture} picture @param {string} name
   */
  #renderPicture(row, { thumbnail, widthPx, heightPx }, name) {
    if (!thumbnail || row.querySelector("img")) return;
    const alt = `Picture shown by ${name}`;
    const image = make("img", { class: "shown", src: `data:image/jpeg;base64,${thumbnail}`, alt });
    image.title = widthPx ? `${alt}, ${widthPx} × ${heightPx} for the assistant` : alt;
    image.addEventListener("load", () => this.following && this.#toEnd());
    row.children[0].after(image);
  }

  /** @param {string} key @param {import("../client.js").Caption} line @param {number} index */
  #renderLine(key, line, index) {
    let row = this.rows.get(key);
    if (!row) {
      row = make("div", { "data-kind": line.kind }, [
        make("div", { class: "by" }), make("div", { class: "text" }), make("div", { class: "cut" }),
      ]);
      this.rows.set(key, row);
    }
    const tone = `said ${toneClass(line.speaker)}`;
    if (row.className !== tone) row.className = tone;
    if (this.list.children[index] !== row) this.list.insertBefore(row, this.list.children[index] ?? null);
    const [by, text, cut] = [".by", ".text", ".cut"].map((place) => /** @type {Element} */ (row?.querySelector(place)));
    setText(by, line.speaker === "assistant" && line.name === "Assistant" ? this.persona || line.name : line.name);
    if (line.picture) this.#renderPicture(row, line.picture, line.name);
    setText(text, wordsOf(line));
    setText(cut, cutWords(line));
    setData(row, "cut", line.cut ?? "");
    setData(row, "status", line.status ?? "");
    setData(row, "interim", String(!line.final));
  }
}

/** @param {import("../client.js").Caption} line */
function wordsOf(line) {
  const { picture, text } = line;
  if (!picture) return shownText(line);
  return picture.thumbnail ? text : [pictureWords(picture), text].filter(Boolean).join(": ");
}

/** @param {import("../client.js").State} state */
function invitation(state) {
  if (state.role === "listen") return "Listen along.";
  if (state.listenOnly) return "Type something.";
  if (state.mutedByAdmin) return "You are muted.";
  if (state.upstream === "failed") return "The assistant is unavailable.";
  if (state.upstream !== "ready") return "One moment: the assistant is on its way.";
  if (holdsToTalk(state)) return "Hold the button and speak.";
  return state.muted ? "You are muted." : "Say something.";
}
