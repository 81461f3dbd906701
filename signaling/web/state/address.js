// @ts-check
/**
 * The one reader of the page's address. Sans-I/O.
 *
 * Anybody can make somebody's browser open an address. So an address only fills in what the person sees and can
 * change before they press Join; it never does what a button does.
 */

/** Longest value that is taken over. */
const MOST_CHARACTERS = 4096;
const MOST_BUFFER_MS = 800;

/**
 * What an address asks for: `?room=kitchen&name=Ada`, `#kitchen`, or `#room=kitchen&token=…`. The fragment wins.
 * @param {{search: string, hash: string}} address a `Location`
 */
export function readAddress({ search, hash }) {
  const fragment = hash.replace(/^#/, "");
  const named = fragment.includes("=");
  const inside = new URLSearchParams(named ? fragment : "");
  const query = new URLSearchParams(search);
  const value = (/** @type {string} */ key) => (inside.get(key) ?? query.get(key) ?? "").slice(0, MOST_CHARACTERS);
  const bufferMs = Number(value("buffer"));
  const talk = value("talk");
  return {
    room: (named ? "" : decoded(fragment)) || value("room") || "home",
    name: value("name"),
    mode: value("mode") === "conference" ? "conference" : "assistant",
    token: value("token"),
    /** The token of an invitation: in the fragment only, which no server sees. */
    invite: (inside.get("invite") ?? "").slice(0, MOST_CHARACTERS),
    raw: value("raw") === "1",
    talk: talk === "hold" || talk === "open" ? talk : null,
    allowWorker: value("worker") !== "0",
    jitter: bufferMs > 0 ? { targetMs: Math.min(bufferMs, MOST_BUFFER_MS), fixed: true } : {},
  };
}

/** Percent-encoding resolved; a text that is not valid stays as it is. @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text).slice(0, MOST_CHARACTERS);
  } catch {
    return text.slice(0, MOST_CHARACTERS);
  }
}
