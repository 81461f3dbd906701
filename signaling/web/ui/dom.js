// @ts-check
/** Helpers that the views share. */

/**
 * An element of index.html.
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

/** Change a text only when it differs, so as not to disturb selections and screen readers. */
export function setText(/** @type {Element} */ element, /** @type {string} */ text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Say something to a screen reader.
 * @param {string} words
 * @param {boolean} [now] interrupt what is being said
 */
export function announce(words, now = false) {
  byId(now ? "announce-now" : "announce").textContent = words;
}

/** Whether keys belong to the element with the focus. @param {EventTarget|null} target */
export function isTyping(target) {
  return target instanceof Element && target.closest("input, select, textarea, [contenteditable], dialog") !== null;
}

/** Whether a key belongs to an input method, as for Japanese; Safari tells it by the code only. @param {KeyboardEvent} event */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

/** @param {Element} element @param {string} name @param {string} value */
export function setData(element, name, value) {
  if (element.getAttribute(`data-${name}`) !== value) element.setAttribute(`data-${name}`, value);
}

const REDUCED = matchMedia("(prefers-reduced-motion: reduce)");

/** -55 to -5 dBFS as 0 to 1; in five steps where the person wants less motion. */
function meterFraction(/** @type {number} */ dbfs) {
  const fraction = Math.max(0, Math.min(1, (dbfs + 55) / 50));
  return REDUCED.matches ? Math.ceil(fraction * 5) / 5 : fraction;
}

/** A meter that moves by less than a step is not drawn again. */
const STEPS = 50;

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
    const text = (Math.round(this.shown * STEPS) / STEPS).toFixed(2);
    if (element.dataset.shown === text) return;
    element.dataset.shown = text;
    element.style.setProperty("--level", text);
  }
}

/** @type {Map<string, number>} */
const tones = new Map();

/** A CSS class for one of six tones, given in the order in which people were first seen. @param {string} id */
export function toneClass(id) {
  if (id === "assistant") return "c-assistant";
  if (!tones.has(id)) tones.set(id, tones.size % 6);
  return `c${tones.get(id)}`;
}

/** After a reconnect the same person has a new id. @param {string} before @param {string} now */
export function keepTone(before, now) {
  const tone = tones.get(before);
  if (tone !== undefined) tones.set(now, tone);
}

/** Choices that outlast the page, where the browser allows it. */
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
      // Private windows may refuse storage; the choice then lasts as long as the page.
    }
  },
};

/**
 * Fill a device menu and keep the choice.
 * @param {HTMLSelectElement} select
 * @param {{id: string, label: string}[]} devices
 * @param {string} chosen
 * @param {string} fallback label of the default
 */
export function fillDevices(select, devices, chosen, fallback) {
  const named = devices.filter((device) => device.id && device.id !== "default");
  const options = [{ id: "", label: fallback }, ...named];
  select.replaceChildren(...options.map(({ id, label }) => make("option", { value: id, text: label })));
  select.value = options.some(({ id }) => id === chosen) ? chosen : "";
}
