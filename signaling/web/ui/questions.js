// @ts-check
import { may } from "../client.js";
import { announce, byId, isTyping, make, setText } from "./dom.js";

/** A card this young takes no answer: the tap was meant for something else. */
const DEAF_MS = 500;
/** The gateway says when a question is over; this long after its timeout the page drops it itself. */
const GRACE_MS = 2000;

/** @typedef {import("../client.js").Question} Question */
/** @typedef {{card: HTMLElement, left: HTMLElement, buttons: HTMLButtonElement[], question: Question}} Card */

/** Tool calls that need a yes: a card for each, until somebody has answered. */
export class Questions {
  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.place = byId("questions");
    /** By id of the tool call. @type {Map<string, Card>} */
    this.cards = new Map();
    /** @type {Element|null} */
    this.focusBefore = null;
  }

  /** @param {import("../client.js").State} state */
  render({ questions, role, rules }) {
    const mayAnswer = may(role, rules.confirm);
    const open = new Set(questions.map(({ call }) => call));
    for (const [call, { card }] of this.cards) {
      if (open.has(call)) continue;
      const focused = card.contains(document.activeElement);
      card.remove();
      this.cards.delete(call);
      if (focused && this.focusBefore instanceof HTMLElement) this.focusBefore.focus({ preventScroll: true });
    }
    for (const question of questions) {
      const known = this.cards.get(question.call) ?? this.#add(question);
      if (known.question.question !== question.question) {
        setText(byId(`question-${question.call}`), question.question);
        announce(question.question, true);
      }
      known.question = question;
      for (const button of known.buttons) {
        button.disabled = question.answered || !mayAnswer;
        button.title = mayAnswer ? "" : "Others in the room answer this";
      }
    }
  }

  /** @param {Question} question @returns {Card} */
  #add(question) {
    const { call, asker } = question;
    const no = this.#button(call, "No", false);
    const yes = this.#button(call, "Yes, do it", true);
    const left = make("span", { class: "left", "aria-hidden": "true" });
    const by = asker ? `The assistant asks, for ${asker}` : "The assistant asks";
    const card = make("div", {
      class: "question", role: "alertdialog", tabindex: "-1", "aria-label": by, "aria-describedby": `question-${call}`,
    }, [
      make("p", { class: "by", text: by }), left,
      make("p", { class: "asked", id: `question-${call}`, text: question.question }),
      make("div", { class: "answers" }, [no, yes]),
    ]);
    const known = { card, left, buttons: [no, yes], question };
    this.cards.set(call, known);
    this.place.append(card);
    this.#draw(known, performance.now());
    const seconds = Math.round(question.timeoutMs / 1000);
    announce(`${by}: ${question.question} Answer yes or no within ${seconds} seconds.`, true);
    const { activeElement } = document;
    if (!isTyping(activeElement) && !this.client.state.pressed) {
      if (!this.place.contains(activeElement)) this.focusBefore = activeElement;
      card.focus({ preventScroll: true });
    }
    return known;
  }

  /** @param {string} call @param {string} text @param {boolean} allow */
  #button(call, text, allow) {
    const attributes = { type: "button", class: allow ? "yes" : "no", text };
    const button = /** @type {HTMLButtonElement} */ (make("button", attributes));
    button.addEventListener("click", () => {
      const known = this.cards.get(call);
      if (known && performance.now() - known.question.atMs >= DEAF_MS) this.client.confirm(call, allow);
    });
    return button;
  }

  /** Called about 20 times a second. @param {number} nowMs */
  animate(nowMs) {
    for (const known of this.cards.values()) this.#draw(known, nowMs);
  }

  /** @param {Card} known @param {number} nowMs */
  #draw({ card, left, question }, nowMs) {
    const { call, atMs, timeoutMs, answered } = question;
    const leftMs = Math.max(0, atMs + timeoutMs - nowMs);
    setText(left, answered ? "sent" : `${Math.ceil(leftMs / 1000)} s`);
    const part = (leftMs / timeoutMs).toFixed(3);
    if (card.style.getPropertyValue("--part") !== part) card.style.setProperty("--part", part);
    if (leftMs === 0 && nowMs - atMs - timeoutMs > GRACE_MS) this.client.dropQuestion(call);
  }
}
