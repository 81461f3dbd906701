// @ts-check
/** What the gateway keeps of the conversation, as lines of the page. Sans-I/O. */

import { withoutMark } from "./pictures.js";
import { toolItem, toolWords } from "./tools.js";

/** @typedef {import("../session/archive.js").Entry} Entry */
/** @typedef {import("./store.js").Caption} Caption */

/**
 * @param {Entry[]} items in order
 * @param {Caption[]} [lines] what the page has: it knows pictures, of which the gateway keeps words only
 * @returns {Caption[]} those that are shown
 */
export function historyLines(items, lines = []) {
  const pictures = new Map(lines.map(({ item, picture }) => [item, picture]));
  return items.filter(isShown).map((entry) => (
    entry.kind === "tool" ? toolLine(entry) : shown(line(entry), pictures.get(entry.item))
  ));
}

/** @param {Caption} words @param {Caption["picture"]} picture @returns {Caption} */
function shown(words, picture) {
  return picture ? { ...words, picture, text: withoutMark(words.text) } : words;
}

/** What nobody could write down, and what a page is never told, has no line. @param {Entry} entry */
function isShown({ kind, role, text, failure }) {
  return kind === "tool" || (role !== "system" && Boolean(text || failure));
}

/** @param {Entry} entry @returns {Caption} */
function line({
  item, position, role, participant, name, text = "", final, heard_ms: heardMs, failure,
}) {
  const isAssistant = role === "assistant";
  const cut = failure ? (isAssistant ? failure : "not_transcribed") : "";
  return {
    item, position, text, final, kind: "speech", speaker: isAssistant ? "assistant" : participant || "user",
    name: isAssistant ? "Assistant" : name || "Room", interrupted: heardMs !== undefined, ...(cut ? { cut } : {}),
  };
}

/** @param {Entry} entry @returns {Caption} */
function toolLine({ position, name, call = "", status = "done" }) {
  const event = { name, call, status: /** @type {any} */ (status) };
  return {
    item: toolItem(call), position, speaker: "tool", name: "Tool", text: toolWords(event), final: status !== "running",
    status, kind: "tool",
  };
}
