// @ts-check
import { byId, make } from "./dom.js";

/** Shows problems, in the lobby or in the room, and says each once to a screen reader. */
export class ProblemList {
  /** @param {(command: string, code: string) => void} onCommand */
  constructor(onCommand) {
    this.onCommand = onCommand;
    this.places = [byId("lobby-problems"), byId("room-problems")];
    this.announce = byId("announce");
    this.shown = "";
    this.said = "";
  }

  /** @param {import("../client.js").State} state */
  render(state) {
    const problems = state.problems.map((problem) => ({ ...problem, title: title(problem, state) }));
    const shown = JSON.stringify(problems) + state.phase;
    if (shown === this.shown) return;
    this.shown = shown;
    const lobby = state.phase === "lobby" || state.phase === "joining";
    for (const [index, place] of this.places.entries()) {
      const here = (index === 0) === lobby;
      place.replaceChildren(...(here ? problems.map((problem) => this.#card(problem)) : []));
    }
    const said = problems.map((problem) => `${problem.title}. ${problem.cure}`).join(" ");
    if (said !== this.said) this.announce.textContent = said;
    this.said = said;
  }

  /** @param {import("../client.js").Problem} problem */
  #card({ code, title: heading, cure, tone, action, command }) {
    const card = make("div", { class: "problem", "data-tone": tone, "data-code": code }, [
      make("b", { text: heading }), make("p", { text: cure }),
    ]);
    if (!action) return card;
    const button = make("button", { type: "button", text: action });
    button.addEventListener("click", () => this.onCommand(command ?? "", code));
    card.append(button);
    return card;
  }
}

/** @param {import("../client.js").Problem} problem @param {{attempt: number}} state */
function title(problem, { attempt }) {
  if (attempt === 0) return problem.title;
  if (problem.code === "gone") return `${problem.title}, rejoining (attempt ${attempt})`;
  const retried = ["unreachable", "blocked", "full", "busy", "slow-down"].includes(problem.code);
  return retried ? `${problem.title}, trying again (attempt ${attempt})` : problem.title;
}
