// @ts-check
import { Ballistics, announce, byId, isTyping, memory, setText } from "./dom.js";

/** A press this short was meant as a click: explain the button. */
const CLICK_MS = 350;
const HINT_MS = 2500;

/**
 * The talk button: held by mouse, pen, finger or key, or several of them until the last one lets go. When the
 * page loses the focus or is hidden, all let go.
 */
export class TalkButton {
  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.button = byId("talk");
    this.word = byId("talk-word");
    this.meter = new Ballistics();
    /** @type {Set<string>} */
    this.holders = new Set();
    this.downAtMs = 0;
    this.hintUntilMs = 0;
    const { button } = this;
    button.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(name, (event) => this.#pointerUp(/** @type {PointerEvent} */ (event)));
    }
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    // A click without a pointer comes from a screen reader or a switch, which cannot hold.
    button.addEventListener("click", (event) => event.detail === 0 && this.#toggle());
    document.addEventListener("keydown", (event) => this.#keyDown(event));
    document.addEventListener("keyup", (event) => this.#keyUp(event));
    window.addEventListener("blur", () => this.letGo());
    document.addEventListener("visibilitychange", () => document.hidden && this.letGo());
  }

  /** @param {PointerEvent} event */
  #pointerDown(event) {
    if (event.button !== 0) return;
    this.button.setPointerCapture(event.pointerId);
    this.#hold(`pointer ${event.pointerId}`);
  }

  /** @param {PointerEvent} event */
  #pointerUp(event) {
    if (!this.holders.has(`pointer ${event.pointerId}`)) return;
    if (event.type === "pointerup" && performance.now() - this.downAtMs < CLICK_MS) this.#hint();
    this.#release(`pointer ${event.pointerId}`);
  }

  /** Whether a key event is meant for the button. @param {KeyboardEvent} event */
  #isKey(event) {
    if (this.button.hidden || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.target === this.button) return event.key === " " || event.key === "Enter";
    if (event.key !== " " || memory.get("keys", "on") !== "on") return false;
    const target = /** @type {Element|null} */ (event.target instanceof Element ? event.target : null);
    return !isTyping(target) && !target?.closest("button, a, summary, label");
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    if (!this.#isKey(event)) return;
    event.preventDefault();
    if (!event.repeat) this.#hold(keyHolder(event));
  }

  /** @param {KeyboardEvent} event */
  #keyUp(event) {
    const holder = keyHolder(event);
    if (!this.holders.has(holder)) return;
    event.preventDefault();
    this.#release(holder);
  }

  #toggle() {
    if (this.holders.has("switch")) this.#release("switch");
    else this.#hold("switch");
  }

  /** @param {string} holder */
  #hold(holder) {
    if (this.holders.size === 0) this.downAtMs = performance.now();
    this.holders.add(holder);
    this.hintUntilMs = 0;
    if (!this.client.press(true)) this.holders.clear();
  }

  /** @param {string} holder */
  #release(holder) {
    this.holders.delete(holder);
    if (this.holders.size === 0) this.client.press(false);
  }

  letGo() {
    this.holders.clear();
    this.client.press(false);
  }

  #hint() {
    this.hintUntilMs = performance.now() + HINT_MS;
    announce("Hold the button while you speak.");
  }

  /**
   * @param {import("../client.js").State} state
   * @param {boolean} shown
   */
  render(state, shown) {
    if (this.button.hidden === shown) {
      this.button.hidden = !shown;
      if (!shown) this.letGo();
    }
    // The connection was lost while the button was held.
    if (!state.pressed) this.holders.clear();
    this.button.setAttribute("aria-pressed", String(state.pressed));
    this.button.setAttribute("aria-disabled", String(state.phase !== "connected" || state.mutedByAdmin));
    this.#renderWord(state);
  }

  /** @param {{pressed: boolean, phase: string, mutedByAdmin: boolean}} state */
  #renderWord({ pressed, phase, mutedByAdmin }) {
    const hint = performance.now() < this.hintUntilMs;
    const up = mutedByAdmin ? "Muted by an admin" : hint ? "Keep holding while you speak" : "Hold to talk";
    setText(this.word, phase !== "connected" ? "One moment …" : pressed ? "Speak, then let go" : up);
  }

  /** Called about 20 times a second. @param {number} dbfs */
  animate(dbfs) {
    if (this.button.hidden) return;
    this.meter.show(this.button, dbfs);
    this.#renderWord(this.client.state);
  }
}

/** The key itself, since its character is another one when it goes up beside Option. @param {KeyboardEvent} event */
function keyHolder({ code, key }) {
  return `key ${code || key}`;
}
