// @ts-check
/** What the assistant's tools do, in words, and the questions they ask. Sans-I/O. */

/**
 * @typedef {object} ToolEvent
 * @property {string} name
 * @property {string} call id of the tool call
 * @property {"running"|"asking"|"done"|"failed"|"timeout"|"refused"} status
 * @property {string} [title] of a tool whose name may be no words
 * @property {string} [detail]
 * @property {string} [participant]
 * @property {string} [question]
 * @property {number} [timeout_ms]
 */

const OPEN = ["running", "asking"];
/** Tools with such names only look something up; all others do something. */
const LOOKUP = /^(get|list|read|find|search|look_?up|fetch|query|show)[_-]+/i;
const HASHED = /_[0-9a-f]{8}$/;
const DEFAULT_TIMEOUT_MS = 20000;

/** `get_lights` → "lights", `docs__search_pages` → "pages (docs)". @param {string} name */
export function plainName(name) {
  const { server, tool } = parts(name);
  const words = tool.replace(LOOKUP, "").replace(/[_-]+/g, " ").trim() || tool;
  return server ? `${words} (${server.replace(/[_-]+/g, " ")})` : words;
}

/** A name that ends in a hash says less than the title. @param {Pick<ToolEvent, "name" | "title">} event */
function shown({ name, title }) {
  return title && HASHED.test(name) ? title : plainName(name);
}

/** Tools of an MCP server are named `server__tool`. @param {string} name */
function parts(name) {
  const at = name.indexOf("__");
  return at > 0 ? { server: name.slice(0, at), tool: name.slice(at + 2) } : { server: "", tool: name };
}

/**
 * One line for the captions.
 * @param {ToolEvent} event
 * @param {string} person name of the event's participant, or empty
 */
export function toolWords({ name, title, status, detail = "" }, person = "") {
  const what = shown({ name, title });
  const lookup = LOOKUP.test(parts(name).tool);
  switch (status) {
    case "running": return `${lookup ? "Looking up" : "Working on it"}: ${what} …`;
    case "asking": return `Waiting for a yes: ${what}`;
    case "done": return `${lookup ? "Looked up" : "Done"}: ${what}`;
    case "timeout": return `Took too long: ${what}`;
    case "refused": return `Not done: ${what} (${refusal(detail, person)})`;
    default: return `Failed: ${what}${detail ? ` (${detail})` : ""}`;
  }
}

/** @param {string} detail @param {string} person */
function refusal(detail, person) {
  if (detail === "no") return `${person || "someone"} said no`;
  if (detail === "no answer") return "nobody answered";
  return detail || "not allowed";
}

/**
 * The running tools after this event.
 * @param {Record<string, string>} tools names by id of the tool call
 * @param {ToolEvent} event
 */
export function foldTools(tools, { call, name, title, status }) {
  const { [call]: _, ...others } = tools;
  return status === "running" ? { ...others, [call]: shown({ name, title }) } : others;
}

/**
 * The open questions after this event: any other status of the tool call ends its question.
 * @param {import("./store.js").Question[]} questions
 * @param {ToolEvent} event
 * @param {string} asker
 * @param {number} nowMs
 */
export function foldQuestions(questions, event, asker, nowMs) {
  const others = questions.filter((known) => known.call !== event.call);
  if (event.status !== "asking") return others.length === questions.length ? questions : others;
  const timeoutMs = Number(event.timeout_ms) > 0 ? Number(event.timeout_ms) : DEFAULT_TIMEOUT_MS;
  const question = event.question || `May I use ${shown(event)}?`;
  return [...others, { call: event.call, question, asker, atMs: nowMs, timeoutMs, answered: false }];
}

/** Whether the tool call goes on. @param {ToolEvent} event */
export function isOpen({ status }) {
  return OPEN.includes(status);
}

/** Id of the line of a tool call. @param {string} call */
export function toolItem(call) {
  return `tool-${call}`;
}
