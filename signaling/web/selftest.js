// @ts-check
/** The self-test: two ways to the speaker, each without and with echo cancellation; figures, and what they mean. */

import { listDevices } from "./audio/devices.js";
import { canChooseOutput, usualRoute } from "./audio/output.js";
import { PLAN, betterRoute, verdict } from "./audio/selftest/measures.js";
import { carryOut } from "./audio/selftest/trial.js";
import { environmentProblem, microphoneProblem } from "./state/problems.js";
import { resultCard } from "./ui/selftest-result.js";
import { byId, fillDevices, memory, setText } from "./ui/dom.js";

/** @typedef {Awaited<ReturnType<typeof carryOut>>} Trial */

const ROUTES = /** @type {const} */ (["direct", "element"]);
const TRIALS = ROUTES.flatMap((route) => [{ route, cancel: false }, { route, cancel: true }]);
const TRIAL_MS = 1000 * (PLAN.end + 0.9);
const NETWORK_LOOKS = 5;

class SelfTest {
  constructor() {
    this.microphone = /** @type {HTMLSelectElement} */ (byId("mic"));
    this.output = /** @type {HTMLSelectElement} */ (byId("out"));
    this.start = byId("start");
    this.progress = /** @type {HTMLProgressElement} */ (/** @type {unknown} */ (byId("progress")));
    this.stopping = new AbortController();
    /** @type {object|null} */
    this.report = null;
    this.start.addEventListener("click", () => this.run());
    byId("stop").addEventListener("click", () => this.stopping.abort());
    byId("copy").addEventListener("click", () => this.#copy());
    byId("use-route").addEventListener("click", () => this.#useRoute());
    this.#refreshDevices();
    const unfit = environmentProblem();
    if (unfit) this.#trouble(`${unfit.title}. ${unfit.cure}`);
  }

  async #refreshDevices() {
    const { microphones, speakers } = await listDevices();
    fillDevices(this.microphone, microphones, this.microphone.value || memory.get("microphone"), "Default microphone");
    fillDevices(this.output, speakers, this.output.value, "Default speaker");
    byId("out-field").hidden = !canChooseOutput() || speakers.length === 0;
  }

  async run() {
    this.#begin();
    const context = new AudioContext({ latencyHint: "interactive" });
    try {
      await context.audioWorklet.addModule(new URL("./audio/worklets/probe.js", import.meta.url));
      /** @type {Trial[]} */
      const trials = [];
      for (const [index, wish] of TRIALS.entries()) {
        this.#step(index, wish);
        const devices = { microphoneId: this.microphone.value, outputId: this.output.value };
        trials.push(await carryOut(context, { ...wish, ...devices }, this.stopping.signal));
        if (index % 2 === 1) this.#show(trials[index - 1], trials[index]);
      }
      await this.#finish(trials, context);
    } catch (error) {
      if (!this.stopping.signal.aborted) this.#trouble(words(error));
    } finally {
      await context.close().catch(() => {});
      this.#end();
    }
  }

  #begin() {
    this.stopping = new AbortController();
    byId("results").replaceChildren();
    byId("trouble").hidden = true;
    byId("export").hidden = true;
    byId("running").hidden = false;
    this.start.hidden = true;
    byId("stop").focus();
  }

  #end() {
    clearInterval(this.ticking);
    byId("running").hidden = true;
    this.start.hidden = false;
    setText(this.start, "Test again");
    this.start.focus();
    this.#refreshDevices();
  }

  /** @param {number} index @param {{route: string, cancel: boolean}} wish */
  #step(index, { route, cancel }) {
    const way = route === "direct" ? "Straight to the speaker" : "Through a media element";
    setText(byId("step"), `${index + 1} of ${TRIALS.length}: ${way}, echo cancellation ${cancel ? "on" : "off"}`);
    clearInterval(this.ticking);
    const beganMs = performance.now();
    this.ticking = setInterval(() => {
      const part = Math.min(1, (performance.now() - beganMs) / TRIAL_MS);
      this.progress.value = (index + part) / TRIALS.length;
    }, 200);
  }

  /** @param {Trial} off @param {Trial} on */
  #show(off, on) {
    byId("results").append(resultCard(off, on, verdict(off, on), off.route === usualRoute()));
  }

  /** @param {Trial[]} trials @param {AudioContext} context */
  async #finish(trials, context) {
    const verdicts = ROUTES.map((route, index) => ({
      route, ...verdict(trials[2 * index], trials[2 * index + 1]),
    }));
    const taken = Object.fromEntries(verdicts.map(({ route, takenDb }) => [route, takenDb]));
    const better = betterRoute(taken, usualRoute());
    this.report = {
      test: "mixminus self-test", version: 1, at: new Date().toISOString(), browser: navigator.userAgent,
      gateway_round_trip_ms: await networkMs(), rate_hz: context.sampleRate,
      usual_route: usualRoute(), better_route: better, trials, verdicts,
    };
    this.#offer(better);
  }

  /** @param {"direct"|"element"|null} better */
  #offer(better) {
    byId("use-route").hidden = better === null;
    byId("use-route").dataset.route = better ?? "";
    const file = new Blob([JSON.stringify(this.report, null, 2)], { type: "application/json" });
    const save = /** @type {HTMLAnchorElement} */ (byId("save"));
    URL.revokeObjectURL(save.href);
    save.href = URL.createObjectURL(file);
    byId("export").hidden = false;
  }

  async #copy() {
    await navigator.clipboard.writeText(JSON.stringify(this.report, null, 2)).then(
      () => setText(byId("copy-word"), "Copied"),
      () => this.#trouble("The browser does not let this page copy. Save it as a file instead."),
    );
  }

  #useRoute() {
    memory.set("route", byId("use-route").dataset.route ?? "");
    byId("use-route").hidden = true;
    setText(byId("copy-word"), "Copy as JSON");
    byId("results").append(Object.assign(document.createElement("p"), {
      className: "guest", textContent: "From now on this browser uses the better way.",
    }));
  }

  /** @param {string} text */
  #trouble(text) {
    setText(byId("trouble"), text);
    byId("trouble").hidden = false;
  }
}

/** How long the gateway takes to answer, in the middle of some requests; null: it does not. */
async function networkMs() {
  const took = [];
  for (let look = 0; look < NETWORK_LOOKS; look += 1) {
    const beganMs = performance.now();
    const answer = await fetch("healthz", { cache: "no-store" }).catch(() => null);
    if (!answer) return null;
    took.push(performance.now() - beganMs);
  }
  return took.sort((a, b) => a - b)[Math.floor(NETWORK_LOOKS / 2)];
}

/** @param {unknown} error */
function words(error) {
  const { title, cure } = microphoneProblem(error, false);
  return `${title}. ${cure.replace("try again", "start again")}`;
}

Object.assign(window, { selftest: new SelfTest() });
