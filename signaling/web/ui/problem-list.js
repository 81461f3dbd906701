// @ts-check
import { byId, make, setData, setText } from "./dom.js";

/**
 * @typedef {{card: HTMLElement, title: HTMLElement, cure: HTMLElement, button: HTMLElement,
 *   problem: import("../client.js").Problem}} Card
 */

/** Shows problems, in the lobby or in the room, and says each once to a screen reader. */
export class ProblemList {
  /** @param {(command: string, code: string) => void} onCommand */
  constructor(onCommand) {
    this.onCommand = onCommand;
    this.places = [byId("lobby-problems"), byId("room-problems")];
    this.announce = byId("announce");
    /** By code. @type {Map<string, Card>} */
    this.cards = new Map();
    this.shown = "";
    /** What was said of those that are shown, by code. @type {Map<string, string>} */
    this.said = new Map();
  }

  /** @param {import("../client.js").State} state */
  render(state) {
    const problems = state.problems.map((problem) => ({ ...problem, title: title(problem, state) }));
    const shown = JSON.stringify(problems) + state.phase;
    if (shown === this.shown) return;
    this.shown = shown;
    const lobby = state.phase === "lobby" || state.phase === "joining";
    this.#forget(problems);
    const place = this.places[lobby ? 0 : 1];
    for (const problem of problems) this.#show(problem, place);
    this.#say(state.problems);
  }

  /** Say what is new; that attempts are counted is no news. @param {import("../client.js").Problem[]} problems */
  #say(problems) {
    const words = new Map(problems.map(({ code, title, cure }) => [code, `${title}. ${cure}`]));
    const news = [...words].filter(([code, said]) => this.said.get(code) !== said).map(([, said]) => said);
    if (news.length > 0 || (words.size === 0 && this.said.size > 0)) this.announce.textContent = news.join(" ");
    this.said = words;
  }

  /** Take the cards away whose problems are over. @param {import("../client.js").Problem[]} problems */
  #forget(problems) {
    for (const [code, { card }] of this.cards) {
      if (problems.some((problem) => problem.code === code)) continue;
      card.remove();
      this.cards.delete(code);
    }
  }

  /**
   * A card that is there already stays where it is, and the focus in it.
   * @param {import("../client.js").Problem} problem
   * @param {Element} place
   */
  #show(problem, place) {
    const known = this.cards.get(problem.code) ?? this.#card(problem);
    known.problem = problem;
    setData(known.card, "tone", problem.tone);
    setText(known.title, problem.title);
    setText(known.cure, problem.cure);
    setText(known.button, problem.action ?? "");
    if (!problem.action) known.button.remove();
    else if (!known.button.parentElement) known.card.append(known.button);
    if (known.card.parentElement !== place) place.append(known.card);
  }

  /** @param {import("../client.js").Problem} problem @returns {Card} */
  #card(problem) {
    const title = make("b"), cure = make("p"), button = make("button", { type: "button" });
    const card = make("div", { class: "problem", "data-code": problem.code }, [title, cure]);
    const made = { card, title, cure, button, problem };
    button.addEventListener("click", () => this.onCommand(made.problem.command ?? "", made.problem.code));
    this.cards.set(problem.code, made);
    return made;
  }
}

/** @param {import("../client.js").Problem} problem @param {{attempt: number}} state */
function title(problem, { attempt }) {
  if (attempt === 0) return problem.title;
  if (problem.code === "gone") return `${problem.title}, rejoining (attempt ${attempt})`;
  const retried = ["unreachable", "blocked", "full", "busy", "slow-down"].includes(problem.code);
  return retried ? `${problem.title}, trying again (attempt ${attempt})` : problem.title;
}
