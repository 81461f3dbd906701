// @ts-check
/** HTTP to the gateway: POST of the offer, DELETE on leaving (as in WHIP). */

const TIMEOUT_MS = 10000;
const PICTURE_TIMEOUT_MS = 40000;
const ICE_TIMEOUT_MS = 3000;
/** Address of the page: this module is served below it, at `web/session/`. */
const BASE = new URL("../../", import.meta.url);
const ROOM_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** The gateway could not be reached, or refused. `message` is the problem's title. */
export class SignalError extends Error {
  /**
   * @param {string} message
   * @param {number} status HTTP status; 0: no answer
   * @param {string} detail the gateway's explanation
   * @param {number} retryAfterMs 0: not given
   * @param {string} [ticket] for the line in front of a full gateway; empty: there is none
   */
  constructor(message, status, detail, retryAfterMs, ticket = "") {
    super(message);
    this.status = status;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
    this.ticket = ticket;
  }

  /** The name belongs to somebody in the room, perhaps to a former stay of the same person. */
  get nameTaken() {
    return this.status === 409 && this.message === "Name taken";
  }

  /** Whether the same request may succeed later. */
  get retryable() {
    const { status } = this;
    return status === 0 || (status === 409 && !this.nameTaken) || status === 429 || status >= 500;
  }
}

/** Address of something below the page's. @param {string} path */
export function addressOf(path) {
  return new URL(path, BASE).href;
}

/** @param {string} room */
export function isRoomName(room) {
  return ROOM_NAME.test(room);
}

/** @param {Response} response */
async function refusal(response) {
  let problem = { title: response.statusText, detail: "", ticket: "" };
  try {
    if ((response.headers.get("content-type") ?? "").includes("json")) {
      problem = { ...problem, ...(await response.json()) };
    }
  } catch {
    // Without a readable body, the status has to do.
  }
  const retryAfterMs = 1000 * (Number(response.headers.get("retry-after")) || 0);
  return new SignalError(problem.title, response.status, problem.detail || problem.title, retryAfterMs, problem.ticket);
}

/** @type {{servers: RTCIceServer[], untilMs: number}} */
let ice = { servers: [], untilMs: 0 };

/**
 * The STUN and TURN servers to use; those of last time if the gateway does not tell.
 * @param {boolean} [again] the person was in the room a moment ago: those of last time, and ask for later
 * @returns {Promise<RTCIceServer[]>}
 */
export async function iceServers(again = false) {
  if (performance.now() < ice.untilMs) return ice.servers;
  if (again && ice.untilMs > 0) {
    iceServers();
    return ice.servers;
  }
  try {
    const signal = AbortSignal.timeout(ICE_TIMEOUT_MS);
    const response = await fetch(new URL("ice", BASE), { signal });
    if (!response.ok) return ice.servers;
    const told = await response.json();
    ice = { servers: told.ice_servers, untilMs: performance.now() + 1000 * told.keep_s };
  } catch (error) {
    console.warn("no STUN and TURN servers", error);
  }
  return ice.servers;
}

/**
 * Post an offer.
 * @param {object} offer
 * @param {string} offer.room
 * @param {string} offer.name
 * @param {string} offer.mode
 * @param {string} [offer.place] where the device is, with others
 * @param {string} offer.sdp
 * @param {string} offer.replaces address of this browser's former stay, whose place it takes; or empty
 * @param {string} offer.ticket from an earlier refusal, or empty
 * @param {AbortSignal} signal
 * @param {number} [timeoutMs]
 * @returns {Promise<{sdp: string, location: string}>} the answer, and what to DELETE on leaving
 * @throws {SignalError}
 */
export async function postOffer({ room, name, mode, place, sdp, ticket, replaces }, signal, timeoutMs = TIMEOUT_MS) {
  const query = new URLSearchParams({
    name, mode, ...(place ? { place } : {}), ...(ticket ? { ticket } : {}),
  });
  const url = new URL(`rooms/${encodeURIComponent(room)}/participants?${query}`, BASE);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  signal.addEventListener("abort", () => timeout.abort());
  try {
    const headers = {
      "Content-Type": "application/sdp", Accept: "application/sdp",
      ...(replaces ? { "Mixminus-Replaces": replaces.slice(replaces.lastIndexOf("/") + 1) } : {}),
    };
    const init = { method: "POST", headers, body: sdp, signal: timeout.signal };
    const response = await fetch(url, init);
    if (response.status !== 201) throw await refusal(response);
    const location = response.headers.get("location") ?? "";
    return { sdp: await response.text(), location: location && new URL(location, url).href };
  } catch (error) {
    if (error instanceof SignalError) throw error;
    throw new SignalError("no answer", 0, String(error), 0);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Any other request, with JSON both ways.
 * @param {string} method
 * @param {string} path below the page's address
 * @param {object} [body]
 * @returns {Promise<any>}
 * @throws {SignalError}
 */
export async function askGateway(method, path, body) {
  return askForJson(method, new URL(path, BASE), body, TIMEOUT_MS);
}

/**
 * Show the assistant a picture.
 * @param {string} location address of this stay
 * @param {{image: string, text: string, thumbnail?: string}} picture JPEG or PNG, and a small JPEG, as base64
 * @throws {SignalError}
 */
export async function postPicture(location, picture) {
  if (!location) throw new SignalError("not connected", 0, "the connection is being made again: try once more", 0);
  await askForJson("POST", new URL(`${location}/pictures`), picture, PICTURE_TIMEOUT_MS);
}

/** @param {string} method @param {URL} url @param {object|undefined} body @param {number} timeoutMs */
async function askForJson(method, url, body, timeoutMs) {
  const headers = body ? { "Content-Type": "application/json" } : undefined;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method, headers, body: body && JSON.stringify(body), signal,
    });
    if (!response.ok) throw await refusal(response);
    return await response.json();
  } catch (error) {
    if (error instanceof SignalError) throw error;
    throw new SignalError("no answer", 0, String(error), 0);
  }
}

/**
 * Wait until a stay has ended, or for a while.
 * @param {string} location @param {AbortSignal} signal
 * @returns {Promise<"lost"|"left"|"there">} `lost`: the gateway's process for it died, and nobody else tells
 * @throws {SignalError|DOMException}
 */
export async function endOf(location, signal) {
  const response = await fetch(`${location}/end`, { signal });
  if (!response.ok) throw await refusal(response);
  return (await response.json()).status;
}

/** Leave; works while the page closes, too. @param {string} location */
export function deleteParticipant(location) {
  if (!location) return;
  fetch(location, { method: "DELETE", keepalive: true }).catch(() => {
    // The gateway also notices a silent peer.
  });
}
