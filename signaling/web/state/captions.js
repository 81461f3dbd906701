// @ts-check
/**
 * Folds captions into the list of lines; a later caption of an item replaces the earlier one. Sans-I/O.
 *
 * Lines stand in the order of the conversation, not of arrival: the words of a person may come after the answer. The
 * gateway numbers the places; a line that has none yet (typed here a moment ago) stands where it came.
 */

const LINE_LIMIT = 200;

/** Why the assistant did not say all of it, or not aloud. @type {Record<string, string>} */
const CUTS = {
  content_filter: "Stopped by a content filter",
  max_output_tokens: "Cut off: the answer was too long",
  incomplete: "Cut off",
  failed: "Cut off: the assistant failed",
  cancelled: "Cancelled",
  written: "Written, not spoken",
  not_transcribed: "Could not be written down",
  too_long: "Cut off: there are more words than are kept",
};
/** Nothing is missing in a line with such a mark. */
const WHOLE = ["written"];

/**
 * Put a line in its place: the line of a known item is rewritten, a new one goes where its number says.
 * @param {import("./store.js").Caption[]} lines
 * @param {import("./store.js").Caption} line
 * @returns {import("./store.js").Caption[]} a new list
 */
export function foldCaption(lines, line) {
  // The speaker may become known late, so only the item tells which line it is.
  const index = lines.findIndex((known) => known.item === line.item);
  if (isEmpty(line)) return index < 0 || lines[index].text ? lines : lines.filter((_, place) => place !== index);
  if (index >= 0) {
    const before = lines[index];
    // A late interim text must not replace the final one.
    if (before.final && !line.final) return lines;
    const interrupted = Boolean(before.interrupted || line.interrupted || wasCut(before, line));
    return replaced(lines, index, { ...before, ...line, interrupted });
  }
  // Typed text is shown at once; the gateway's line for it takes its place.
  const typed = lines.findIndex((known) => (
    known.kind === "typed" && known.speaker === line.speaker && known.text === line.text
  ));
  if (typed < 0) return placed(lines, line).slice(-LINE_LIMIT);
  // One that is not kept yet may still be lost with the room: it is given back then.
  return line.final ? replaced(lines, typed, line) : lines;
}

/**
 * The lines without one that this person has typed and the assistant has not got.
 * @param {import("./store.js").Caption[]} lines
 * @param {string} text
 */
export function withoutTyped(lines, text) {
  const index = lines.findLastIndex((line) => line.kind === "typed" && line.text === text);
  return index < 0 ? lines : lines.filter((_, place) => place !== index);
}

/**
 * The lines after the gateway has numbered the places anew.
 * @param {import("./store.js").Caption[]} lines
 * @param {Record<string, number>} places by item
 */
export function moveCaptions(lines, places) {
  const moved = lines.map((line) => (
    Object.hasOwn(places, line.item) ? { ...line, position: Number(places[line.item]) } : line
  ));
  return moved.reduce((/** @type {import("./store.js").Caption[]} */ sorted, line) => placed(sorted, line), []);
}

/**
 * The lines with what was said before: what captions have told meanwhile is newer, and stays.
 * @param {import("./store.js").Caption[]} lines
 * @param {import("./store.js").Caption[]} asked the lines when it was asked for
 * @param {import("./store.js").Caption[]} history in order
 */
export function foldHistory(lines, asked, history) {
  const told = new Set(lines.filter((line) => !asked.includes(line)).map((line) => line.item));
  return history.filter((line) => !told.has(line.item)).reduce(foldCaption, lines);
}

/**
 * @param {import("./store.js").Caption[]} lines @param {number} index
 * @param {import("./store.js").Caption} line what stands there from now on, or where its own place is
 */
function replaced(lines, index, line) {
  const stays = line.position === undefined || line.position === lines[index].position;
  if (stays) return lines.map((known, place) => (place === index ? line : known));
  return placed(lines.filter((_, place) => place !== index), line);
}

/** @param {import("./store.js").Caption[]} lines @param {import("./store.js").Caption} line */
function placed(lines, line) {
  const place = line.position ?? Infinity;
  const next = lines.findIndex((known) => known.position !== undefined && known.position > place);
  return next < 0 ? [...lines, line] : [...lines.slice(0, next), line, ...lines.slice(next)];
}

/**
 * Speech in which there were no words: noise. Its place was kept while it was written down.
 * @param {import("./store.js").Caption} line
 */
function isEmpty({ kind, speaker, text, final, cut, picture }) {
  return final && !text && !cut && !picture && kind === "speech" && speaker !== "assistant";
}

/** Whether only the place of words is there, which are being written down. @param {import("./store.js").Caption} line */
export function isAwaited({ text, final, speaker, picture }) {
  return !text && !final && !picture && speaker !== "assistant";
}

/** Why the line ends as it does, for people; empty: it is whole. @param {import("./store.js").Caption} line */
export function cutWords({ cut, interrupted }) {
  if (cut) return CUTS[cut] ?? CUTS.incomplete;
  return interrupted ? "interrupted" : "";
}

/**
 * Whether a text is only the beginning of what was shown before: nobody heard the rest. It may be shown as unfinished
 * first.
 * @param {import("./store.js").Caption} before @param {import("./store.js").Caption} line
 */
function wasCut(before, line) {
  const text = line.text.trimEnd();
  return line.speaker === "assistant" && text.length < before.text.trimEnd().length && before.text.startsWith(text);
}

/** The text as it is shown: one that was cut ends with a dash. @param {import("./store.js").Caption} line */
export function shownText({ text, final, interrupted, cut }) {
  if (!final) return text || "…";
  return interrupted || (cut && !WHOLE.includes(cut)) ? `${text.trimEnd().replace(/[\s.,;:…–—-]+$/, "")} —`.trimStart() : text;
}

/**
 * The assistant was interrupted: mark its last line.
 * @param {import("./store.js").Caption[]} lines
 */
export function markInterrupted(lines) {
  const last = lines.findLastIndex((line) => line.speaker === "assistant" && line.kind === "speech");
  if (last < 0) return lines;
  return lines.map((line, index) => (
    index === last ? { ...line, final: true, interrupted: true } : line
  ));
}
