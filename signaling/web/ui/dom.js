// @ts-check
/** The few helpers that the views share. */

/**
 * An element that index.html promises.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return /** @type {T} */ (element);
}

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes] `text` sets the text
 * @param {Node[]} [children]
 */
export function make(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Change text only when it differs, so that selections and screen readers are left alone. */
export function setText(/** @type {Element} */ element, /** @type {string} */ text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Say something to a screen reader.
 * @param {string} words
 * @param {boolean} [now] it must not wait
 */
export function announce(words, now = false) {
  byId(now ? "announce-now" : "announce").textContent = words;
}

/** Where keys belong to what has the focus. @param {EventTarget|null} target */
export function isTyping(target) {
  return target instanceof Element && target.closest("input, select, textarea, [contenteditable], dialog") !== null;
}

/** @param {Element} element @param {string} name @param {string} value */
export function setData(element, name, value) {
  if (element.getAttribute(`data-${name}`) !== value) element.setAttribute(`data-${name}`, value);
}

const REDUCED = matchMedia("(prefers-reduced-motion: reduce)");

/** dBFS to 0..1 over the 50 dB that matter for speech; in five steps where motion is unwelcome. */
export function meterFraction(/** @type {number} */ dbfs) {
  const fraction = Math.max(0, Math.min(1, (dbfs + 55) / 50));
  return REDUCED.matches ? Math.ceil(fraction * 5) / 5 : fraction;
}

/** A meter falls slower than it rises. */
export class Ballistics {
  constructor() {
    this.shown = 0;
  }

  /** @param {HTMLElement} element gets --level @param {number} dbfs */
  show(element, dbfs) {
    const wanted = meterFraction(dbfs);
    this.shown = REDUCED.matches ? wanted : Math.max(wanted, this.shown * 0.82);
    if (this.shown < 0.01) this.shown = 0;
    const text = this.shown.toFixed(3);
    if (element.dataset.shown === text) return;
    element.dataset.shown = text;
    element.style.setProperty("--level", text);
  }
}

/** @type {Map<string, number>} */
const tones = new Map();

/** One of six tones, given in the order in which people were first seen. @param {string} id */
export function toneClass(id) {
  if (id === "assistant") return "c-assistant";
  if (!tones.has(id)) tones.set(id, tones.size % 6);
  return `c${tones.get(id)}`;
}

/** The same person under a new id, after a reconnect. @param {string} before @param {string} now */
export function keepTone(before, now) {
  const tone = tones.get(before);
  if (tone !== undefined) tones.set(now, tone);
}

/** Remember a choice; a browser that forbids storage just forgets. */
export const memory = {
  /** @param {string} key @param {string} [fallback] */
  get(key, fallback = "") {
    try {
      return localStorage.getItem(`mixminus.${key}`) ?? fallback;
    } catch {
      return fallback;
    }
  },
  /** @param {string} key @param {string} value */
  set(key, value) {
    try {
      localStorage.setItem(`mixminus.${key}`, value);
    } catch {
      // Private windows may refuse; the choice then lasts as long as the page.
    }
  },
};

/**
 * Fill a device menu and keep the choice.
 * @param {HTMLSelectElement} select
 * @param {{id: string, label: string}[]} devices
 * @param {string} chosen
 * @param {string} fallback label of the empty choice
 */
export function fillDevices(select, devices, chosen, fallback) {
  const named = devices.filter((device) => device.id && device.id !== "default");
  const options = [{ id: "", label: fallback }, ...named];
  select.replaceChildren(...options.map(({ id, label }) => make("option", { value: id, text: label })));
  select.value = options.some(({ id }) => id === chosen) ? chosen : "";
}
