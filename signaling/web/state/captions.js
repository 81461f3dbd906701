// @ts-check
/** Folds captions into the list of lines; a later caption of an item replaces the earlier one. Sans-I/O. */

const LINE_LIMIT = 200;

/**
 * Put a line in its place: the line of a known item is rewritten, a new one goes to the end.
 * @param {import("./store.js").Caption[]} lines
 * @param {import("./store.js").Caption} line
 * @returns {import("./store.js").Caption[]} a new list
 */
export function foldCaption(lines, line) {
  // The speaker may become known late, so only the item tells which line it is.
  const index = lines.findIndex((known) => known.item === line.item);
  if (index >= 0) {
    const before = lines[index];
    // A late interim text must not replace the final one.
    if (before.final && !line.final) return lines;
    const interrupted = Boolean(before.interrupted || line.interrupted || wasCut(before, line));
    const merged = { ...before, ...line, interrupted };
    return lines.map((known, place) => (place === index ? merged : known));
  }
  // Typed text is shown at once; the gateway's line for it takes its place.
  const typed = lines.findIndex((known) => (
    known.kind === "typed" && known.speaker === line.speaker && known.text === line.text
  ));
  if (typed >= 0) return lines.map((known, place) => (place === typed ? line : known));
  return [...lines, line].slice(-LINE_LIMIT);
}

/**
 * Whether a final text is only the beginning of what was shown before: nobody heard the rest.
 * @param {import("./store.js").Caption} before @param {import("./store.js").Caption} line
 */
function wasCut(before, line) {
  const text = line.text.trimEnd();
  return line.speaker === "assistant" && line.final && text.length < before.text.trimEnd().length
    && before.text.startsWith(text);
}

/** The text as it is shown: an interrupted one ends with a dash. @param {import("./store.js").Caption} line */
export function shownText({ text, final, interrupted }) {
  if (!final) return text || "…";
  return interrupted ? `${text.trimEnd().replace(/[\s.,;:…–—-]+$/, "")} —`.trimStart() : text;
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
