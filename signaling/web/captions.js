// @ts-check
/** Pure: folds caption messages into the list of lines. */

const LINE_LIMIT = 200;

/**
 * Put a line in its place: an item that is known is rewritten, a new one goes to the end.
 * @param {import("./state.js").Caption[]} lines
 * @param {import("./state.js").Caption} line
 * @returns {import("./state.js").Caption[]} a new list
 */
export function foldCaption(lines, line) {
  const same = (/** @type {import("./state.js").Caption} */ known) => (
    known.item === line.item && known.speaker === line.speaker
  );
  const index = lines.findIndex(same);
  if (index >= 0) {
    // A late interim text must not undo the final one.
    if (lines[index].final && !line.final) return lines;
    return lines.map((known, place) => (place === index ? { ...known, ...line } : known));
  }
  // What was typed is shown at once; the gateway's own line about it takes its place.
  const typed = lines.findIndex((known) => (
    known.kind === "typed" && known.speaker === line.speaker && known.text === line.text
  ));
  if (typed >= 0) return lines.map((known, place) => (place === typed ? line : known));
  return [...lines, line].slice(-LINE_LIMIT);
}

/**
 * The assistant was cut off: mark its unfinished line.
 * @param {import("./state.js").Caption[]} lines
 */
export function markInterrupted(lines) {
  const open = lines.findLastIndex((line) => line.speaker === "assistant" && line.kind === "speech");
  if (open < 0) return lines;
  return lines.map((line, index) => (
    index === open ? { ...line, final: true, interrupted: true } : line
  ));
}
