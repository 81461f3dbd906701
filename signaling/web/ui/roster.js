// @ts-check
import { Floor, holdsToTalk, howToAsk } from "../client.js";
import { Ballistics, announce, byId, keepTone, make, setData, setText, toneClass } from "./dom.js";

const TALKING_DBFS = -45;

const WORDS = {
  idle: "Idle", listening: "Listening", thinking: "Thinking", speaking: "Speaking",
};

/**
 * @typedef {object} Row
 * @property {HTMLElement} row
 * @property {HTMLElement} word
 * @property {HTMLElement} name
 * @property {SVGElement} verified
 * @property {HTMLElement} tags what else is to be known: place, role, floor
 * @property {string} told the tags that are shown
 * @property {HTMLButtonElement} more what an admin may do
 * @property {import("../client.js").Participant} person
 * @property {Ballistics} meter
 * @property {boolean} muted
 */

/** The assistant, and below it who is in the room: me first, the others as they came; nobody changes places. */
export class Roster {
  /**
   * @param {import("../client.js").Client} client
   * @param {(person: import("../client.js").Participant) => void} onPerson an admin opens somebody's row
   */
  constructor(client, onPerson) {
    this.client = client;
    this.onPerson = onPerson;
    this.list = byId("roster");
    this.assistant = byId("assistant");
    this.word = byId("assistant-word");
    this.simulator = byId("simulator");
    this.address = byId("address-word");
    this.assistantName = byId("assistant-name");
    this.noTranscript = byId("no-transcript");
    this.assistantMeter = new Ballistics();
    this.floor = new Floor();
    this.me = "me";
    /** Who was in the room when it was last told. @type {{me: string, others: Map<string, string>}|null} */
    this.heardOf = null;
    /** By participant id. @type {Map<string, Row>} */
    this.rows = new Map();
  }

  /** @param {import("../client.js").State} state */
  render(state) {
    this.#renderAssistant(state);
    const others = state.participants.filter((person) => person.participant !== state.participant);
    const mine = state.participants.find((person) => person.participant === state.participant);
    const me = {
      ...mine, participant: state.participant || "me", name: state.name, muted: state.muted || state.listenOnly,
      role: state.role, verified: state.verified,
    };
    if (me.participant !== this.me) keepTone(this.me, me.participant);
    this.me = me.participant;
    const people = [me, ...others];
    const wanted = new Set(people.map((person) => person.participant));
    for (const [id, known] of this.rows) {
      if (wanted.has(id)) continue;
      known.row.remove();
      this.rows.delete(id);
    }
    for (const [index, person] of people.entries()) this.#renderPerson(person, index === 0);
    this.#sayWhoCame(state, others);
  }

  /**
   * Tell a screen reader who came and went, once the room is known.
   * @param {import("../client.js").State} state @param {import("../client.js").Participant[]} others
   */
  #sayWhoCame({ participant, participants }, others) {
    if (participants.length === 0) return;
    const before = this.heardOf;
    const now = new Map(others.map((person) => [person.participant, person.name || "Guest"]));
    this.heardOf = { me: participant, others: now };
    if (before?.me !== participant) return;
    const came = [...now].filter(([id]) => !before.others.has(id)).map(([, name]) => `${name} has joined.`);
    const went = [...before.others].filter(([id]) => !now.has(id)).map(([, name]) => `${name} has left.`);
    if (came.length + went.length > 0) announce([...came, ...went].join(" "));
  }

  /** @param {import("../client.js").State} state */
  #renderAssistant(state) {
    const away = state.phase !== "connected" || ["failed", "reconnecting", "connecting"].includes(state.upstream);
    const cutOff = state.interrupted && !away && state.assistant !== "speaking";
    setData(this.assistant, "state", away ? "away" : cutOff ? "interrupted" : state.assistant);
    setText(this.word, assistantWord(state));
    setText(this.assistantName, state.persona || "Assistant");
    const how = howToAsk(state);
    this.address.hidden = how === "";
    setText(this.address, how);
    this.simulator.hidden = !state.simulated;
    this.noTranscript.hidden = state.keepsTranscript;
  }

  /** @param {import("../client.js").Participant} person @param {boolean} me */
  #renderPerson(person, me) {
    let known = this.rows.get(person.participant);
    if (!known) {
      known = this.#makeRow(person);
      this.rows.set(person.participant, known);
      if (me) this.list.prepend(known.row);
      else this.list.append(known.row);
    }
    known.muted = person.muted;
    known.person = person;
    known.verified.toggleAttribute("hidden", !person.verified);
    known.more.hidden = me || this.client.state.role !== "admin";
    known.more.setAttribute("aria-label", `${person.name}: mute or remove`);
    const shown = me ? `${person.name} (you)` : person.name || "Guest";
    setText(known.name, shown);
    known.name.title = shown;
    setText(/** @type {Element} */ (known.row.querySelector(".avatar")), initials(person.name));
    this.#renderTags(known);
    this.#renderWord(known, me);
  }

  /** @param {Row} known */
  #renderTags(known) {
    const tags = tagsOf(known.person, this.client.state);
    const told = JSON.stringify(tags);
    if (told === known.told) return;
    known.told = told;
    known.tags.replaceChildren(...tags.map(({ symbol, words, tone = "" }) => (
      make("span", { class: "tag", "data-tone": tone }, [icon(symbol, ""), make("span", { text: words })])
    )));
  }

  /** @param {import("../client.js").Participant} person @returns {Row} */
  #makeRow(person) {
    const name = make("span", { class: "name" });
    const word = make("span", { class: "word" });
    const verified = icon("i-verified", "verified");
    verified.setAttribute("role", "img");
    verified.setAttribute("aria-label", "verified");
    verified.append(title("The name comes from an invitation"));
    const tags = make("span", { class: "tags" });
    const more = /** @type {HTMLButtonElement} */ (make("button", { type: "button", class: "more-about" }, [icon("i-dots", "")]));
    const row = make("li", { class: `person ${toneClass(person.participant)}` }, [
      make("span", { class: "avatar", "aria-hidden": "true" }),
      make("span", { class: "line" }, [name, verified, word, more]),
      make("span", { class: "meter", "aria-hidden": "true" }, [make("i")]), tags,
    ]);
    const known = {
      row, word, name, verified, tags, told: "", more, person, meter: new Ballistics(), muted: false,
    };
    more.addEventListener("click", () => this.onPerson(known.person));
    return known;
  }

  /** @param {Row} known @param {boolean} me */
  #renderWord(known, me) {
    const { state, levels } = this.client;
    const id = me ? "me" : [...this.rows].find(([, row]) => row === known)?.[0] ?? "";
    const waits = me && holdsToTalk(state) && !state.pressed;
    const talking = !waits && (levels.get(id) ?? -100) > TALKING_DBFS;
    const unheard = me && state.muted && state.talkingWhileMuted;
    const listens = known.person.role === "listen";
    const word = listens ? "listens" : unheard ? "muted, not heard"
      : me && state.listenOnly ? "no microphone"
        : known.muted ? "muted" : waits ? "hold to talk" : this.#talkWord(id, talking);
    setText(known.word, word);
    setData(known.row, "state", listens ? "quiet" : unheard ? "unheard" : known.muted ? "muted" : talking ? "talking" : "quiet");
    setData(known.row, "floor", String(id === this.floor.holder && this.rows.size > 1));
  }

  /** @param {string} id @param {boolean} talking */
  #talkWord(id, talking) {
    if (id === this.floor.holder && this.rows.size > 1) return "has the floor";
    return talking ? "talking" : "quiet";
  }

  /** Levels of people by the ids of their rows. @returns {[string, number][]} */
  #voices() {
    const { state, levels } = this.client;
    return [...this.rows].map(([id, known]) => {
      const me = id === (state.participant || "me");
      const silent = known.muted || (me && holdsToTalk(state) && !state.pressed);
      return [me ? "me" : id, silent ? -100 : levels.get(me ? "me" : id) ?? -100];
    });
  }

  /** Called about 20 times a second. */
  animate() {
    const { state, levels } = this.client;
    this.floor.hear(this.#voices(), performance.now());
    this.assistantMeter.show(this.assistant, levels.get("assistant") ?? -100);
    for (const [id, known] of this.rows) {
      const me = id === (state.participant || "me");
      const waits = me && holdsToTalk(state) && !state.pressed;
      const level = waits ? -100 : levels.get(me ? "me" : id) ?? -100;
      known.meter.show(known.row, known.muted ? -100 : level);
      this.#renderWord(known, me);
    }
  }
}

/**
 * What a strip says of a person besides name and level, each with a sign.
 * @param {import("../client.js").Participant} person @param {import("../client.js").State} state
 * @returns {{symbol: string, words: string, tone?: string}[]}
 */
function tagsOf({ place, plays, hears, role }, { participants, persona }) {
  const heard = participants.find((other) => other.participant === hears)?.name || persona || "the assistant";
  const hasRoles = participants.some((other) => other.role !== role);
  return [
    ...(place ? [{ symbol: "i-place", words: place }] : []),
    ...(hears ? [{ symbol: "i-ear", words: `hears ${heard}`, tone: "warning" }] : []),
    ...(plays === false ? [{ symbol: "i-quiet", words: "no sound here" }] : []),
    ...(role === "admin" && hasRoles ? [{ symbol: "i-key", words: "admin" }] : []),
  ];
}

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} name of a symbol of index.html @param {string} className */
function icon(name, className) {
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${name}`);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.append(use);
  return svg;
}

/** @param {string} words */
function title(words) {
  const element = document.createElementNS(SVG, "title");
  element.textContent = words;
  return element;
}

/** @param {string} name */
function initials(name) {
  const words = name.trim().split(/\s+/).filter(Boolean);
  return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("") || "?";
}

/** @param {import("../client.js").State} state */
export function assistantWord(state) {
  if (state.phase === "reconnecting") return "Away";
  if (state.upstream === "failed") return "Unavailable";
  if (state.upstream === "reconnecting") return "Reconnecting";
  if (state.upstream === "connecting") return "Joining";
  if (state.interrupted && state.assistant !== "speaking") return "Interrupted";
  if (state.questions.length > 0 && state.assistant !== "speaking") return "Asking you";
  const [tool] = Object.values(state.tools);
  if (tool && state.assistant !== "speaking") return `Using ${tool}`;
  return WORDS[/** @type {keyof typeof WORDS} */ (state.assistant)] ?? state.assistant;
}
