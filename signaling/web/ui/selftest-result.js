// @ts-check
/** How the self-test shows what it has measured of one way to the speaker. */

import { make } from "./dom.js";

/** @typedef {import("../audio/selftest/measures.js").Trial} Trial */

const TITLES = { direct: "Straight to the speaker", element: "Through a media element" };
/** More doubt than this says nothing: a page that has to wait for the processor reads its clocks late. */
const BLUR_PPM = 200;
const MARKS = { good: "Good", warning: "Not quite", bad: "Echo" };

/**
 * @param {Trial} off @param {Trial} on with echo cancellation
 * @param {{tone: "good"|"warning"|"bad", words: string, takenDb: number|null}} meaning
 * @param {boolean} isUsual this browser uses it in calls
 */
export function resultCard(off, on, meaning, isUsual) {
  const rows = figures(off, on, meaning.takenDb);
  return make("section", { class: "measured", "data-tone": meaning.tone, "data-route": off.route }, [
    make("h2", { text: `${TITLES[off.route]}${isUsual ? " (used here)" : ""}` }),
    make("p", { class: "verdict" }, [make("b", { text: `${MARKS[meaning.tone]}: ` }), new Text(meaning.words)]),
    make("dl", {}, rows.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })])),
  ]);
}

/** @param {Trial} off @param {Trial} on @param {number|null} takenDb @returns {[string, string][]} */
function figures(off, on, takenDb) {
  const heard = takenDb !== null;
  return [
    ["Room's noise", level(off.noiseDbfs)],
    ["Echo, cancellation off", heard ? level(off.echoDbfs) : "none"],
    ["Echo, cancellation on", heard ? level(on.echoDbfs) + (on.cancels === false ? ", refused" : "") : "none"],
    ["Speaker to microphone", off.roundTripMs === null ? "not heard" : `${Math.round(off.roundTripMs)} ms`],
    ["Drift of the audio clock", drifts(off)],
    ["Frames per second", `${on.frames.perSecond.toFixed(1)} of 50`],
    ["Longest gap between frames", `${Math.round(on.frames.longestGapMs)} ms`],
  ];
}

/** @param {number} dbfs */
function level(dbfs) {
  return `${Math.round(dbfs)} dBFS`.replace("-", "−");
}

/** @param {Trial} trial */
function drifts({ drift }) {
  if (!drift) return "unknown";
  const doubt = Math.max(1, Math.round(2 * drift.errorPpm));
  if (doubt > BLUR_PPM) return "too busy to tell";
  return `${drift.ppm < 0 ? "−" : "+"}${Math.abs(Math.round(drift.ppm))} ± ${doubt} ppm`;
}
