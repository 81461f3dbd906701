// @ts-check
/** Pure: what the assistant's tools do, in words, and the questions that they ask. */

/**
 * @typedef {object} ToolEvent
 * @property {string} name
 * @property {string} call
 * @property {"running"|"asking"|"done"|"failed"|"timeout"|"refused"|"cancelled"} status
 * @property {string} [detail]
 * @property {string} [participant]
 * @property {string} [question]
 * @property {number} [timeout_ms]
 */

const OPEN = ["running", "asking"];
/** Names that begin so only look; all others do something. */
const LOOKS = /^(get|list|read|find|search|look_?up|fetch|query|show)[_-]+/i;
const DEFAULT_TIMEOUT_MS = 20000;

/** "get_lights" → "lights", "docs__search_pages" → "pages (docs)". @param {string} name */
export function plainName(name) {
  const { server, tool } = parts(name);
  const words = tool.replace(LOOKS, "").replace(/[_-]+/g, " ").trim() || tool;
  return server ? `${words} (${server.replace(/[_-]+/g, " ")})` : words;
}

/** Tools of a server are called server__tool. @param {string} name */
function parts(name) {
  const at = name.indexOf("__");
  return at > 0 ? { server: name.slice(0, at), tool: name.slice(at + 2) } : { server: "", tool: name };
}

/**
 * One line for the captions.
 * @param {ToolEvent} event
 * @param {string} who name of the participant of the event, or empty
 */
export function toolWords({ name, status, detail = "" }, who = "") {
  const what = plainName(name);
  const because = detail ? `: ${detail}` : "";
  switch (status) {
    case "running": return `${LOOKS.test(parts(name).tool) ? "Looking something up" : "Working on it"}: ${what} …`;
    case "asking": return `Asks first: ${what}`;
    case "done": return `${LOOKS.test(parts(name).tool) ? "Looked up" : "Done"}: ${what}`;
    case "timeout": return `${capital(what)} took too long`;
    case "refused": return `Not done: ${what} (${refusal(detail, who)})`;
    case "cancelled": return `Given up: ${what}`;
    default: return `${capital(what)} did not work${because}`;
  }
}

/** @param {string} detail @param {string} who */
function refusal(detail, who) {
  if (detail === "no") return `${who || "somebody"} said no`;
  if (detail === "no answer") return "nobody said yes";
  return detail || "not allowed";
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * Tools at work, after this event.
 * @param {Record<string, string>} tools names by call
 * @param {ToolEvent} event
 */
export function foldTools(tools, { call, name, status }) {
  const { [call]: _, ...others } = tools;
  return status === "running" ? { ...others, [call]: plainName(name) } : others;
}

/**
 * Open questions, after this event: any other status of the call ends its question.
 * @param {import("./store.js").Question[]} questions
 * @param {ToolEvent} event
 * @param {string} asker
 * @param {number} nowMs
 */
export function foldQuestions(questions, event, asker, nowMs) {
  const others = questions.filter((known) => known.call !== event.call);
  if (event.status !== "asking") return others.length === questions.length ? questions : others;
  const timeoutMs = Number(event.timeout_ms) > 0 ? Number(event.timeout_ms) : DEFAULT_TIMEOUT_MS;
  const question = event.question || `May I use ${plainName(event.name)}?`;
  return [...others, { call: event.call, question, asker, atMs: nowMs, timeoutMs, answered: false }];
}

/** Is the call still open? @param {ToolEvent} event */
export function isOpen({ status }) {
  return OPEN.includes(status);
}
