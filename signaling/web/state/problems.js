// @ts-check
/** Every failure in words: what is wrong, and what to do about it. */

/** @typedef {import("./store.js").Problem} Problem */

const CHECK_GATEWAY = "Check that the gateway is running and that you are on its network.";
const RETRIES = "Trying again automatically.";
const TAKES_PLACE = "You will join as soon as somebody leaves: keep this page open.";
const WAITS_FOR_TIME = "You will join as soon as it has time: keep this page open.";
const WITHOUT_MICROPHONE = { action: "Join without a microphone", command: "listen-only" };

/** @type {Record<string, Omit<Problem, "code">>} */
const TEXTS = {
  insecure: {
    tone: "error", title: "The microphone needs HTTPS",
    cure: "Browsers allow the microphone only on https:// pages and on localhost. Open this page at the "
      + "gateway's https:// address, or as http://localhost on the computer that runs it.",
    action: "Join to read and type", command: "listen-only",
  },
  "no-webrtc": {
    tone: "error", title: "This browser can't connect",
    cure: "WebRTC is missing or turned off. Allow it in the browser's settings or extensions, or use a "
      + "current version of Chrome, Edge, Firefox or Safari.",
  },
  "mic-denied": {
    tone: "error", title: "The microphone is blocked",
    cure: "Open the site settings next to the address (the padlock or slider icon), allow the microphone, "
      + "then try again.",
    ...WITHOUT_MICROPHONE,
  },
  "mic-missing": {
    tone: "error", title: "No microphone found",
    cure: "Plug one in or turn it on, then try again. Without one you can listen and type.",
    ...WITHOUT_MICROPHONE,
  },
  "mic-busy": {
    tone: "error", title: "Another program is using the microphone",
    cure: "Close the other call or recorder, or choose another microphone, then try again.",
    ...WITHOUT_MICROPHONE,
  },
  "mic-lost": {
    tone: "warning", title: "The microphone has stopped",
    cure: "It was unplugged, or another program took it. Choose one in Settings, or try again.",
    action: "Try again", command: "reopen-microphone",
  },
  "mic-held": {
    tone: "warning", title: "Another program is holding your microphone",
    cure: "Nobody can hear you meanwhile. It may be a phone call, or a switch on the device: it goes on when that ends.",
  },
  "speaker-lost": {
    tone: "warning", title: "Your speaker has gone", cure: "Sound now goes to the default one. Choose another in Settings.",
    action: "OK", command: "dismiss",
  },
  suspended: {
    tone: "warning", title: "Sound is off",
    cure: "The browser plays sound only after a tap, and only where there is a speaker or headphones.",
    action: "Turn sound on", command: "resume",
  },
  "sound-stands": {
    tone: "warning", title: "Your sound has stopped",
    cure: "The browser no longer plays anything. Choose another speaker in Settings, or reload the page.",
    action: "Reload", command: "reload",
  },
  "no-audio": {
    tone: "error", title: "The page's audio did not start",
    cure: "A part of the page could not be loaded; the gateway may be away for a moment. Try again, or reload the page.",
    action: "Try again", command: "resume",
  },
  forgotten: {
    tone: "info", title: "An admin has deleted what was said so far",
    cure: "The assistant has forgotten it, too. You can go on talking.",
  },
  "recording-soon": {
    tone: "warning", title: "This room is about to be recorded", cure: "", action: "Object", command: "end-recording",
  },
  recording: {
    tone: "info", title: "This room is recorded", cure: "", action: "Stop the recording", command: "end-recording",
  },
  "recording-over": {
    tone: "info", title: "The recording has ended", cure: "", action: "OK", command: "dismiss",
  },
  rules: { tone: "info", title: "The settings of this room have changed", cure: "" },
  unheard: { tone: "warning", title: "Something you said was not heard", cure: "The connection was gone. Say it again." },
  unsaid: {
    tone: "warning", title: "What you typed was not received",
    cure: "The connection was gone. It is back in the field: send it again.",
  },
  objecting: {
    tone: "warning", title: "Your objection has not been heard yet",
    cure: "It will be made as soon as the connection is back.",
  },
  gone: { tone: "warning", title: "Connection lost", cure: "If this lasts, check that the gateway is running and that you are on its network." },
  unreachable: { tone: "warning", title: "The gateway doesn't answer", cure: `${RETRIES} ${CHECK_GATEWAY}` },
  full: { tone: "warning", title: "The gateway is full", cure: "You will join as soon as someone leaves." },
  "slow-down": { tone: "warning", title: "The gateway asks you to wait", cure: RETRIES },
  busy: { tone: "warning", title: "The gateway is busy", cure: RETRIES },
  "bad-room": {
    tone: "error", title: "This room name won't work",
    cure: "Use up to 64 lower-case letters, digits, - and _, and start with a letter or digit.",
  },
  "bad-name": { tone: "error", title: "This name won't work", cure: "Choose another name." },
  forbidden: {
    tone: "error", title: "You need an invitation",
    cure: "Open the link of your invitation, or ask whoever runs the gateway for one.",
  },
  "name-taken": { tone: "error", title: "This name is taken", cure: "Choose another name." },
  "sent-away": { tone: "warning", title: "You have left", cure: "", action: "OK", command: "dismiss" },
  silenced: { tone: "warning", title: "An admin has muted you", cure: "", action: "OK", command: "dismiss" },
  refused: { tone: "error", title: "The gateway refused", cure: "" },
  blocked: {
    tone: "warning", title: "The direct connection is blocked",
    cure: "The gateway answered, but no data gets through. VPNs, guest networks and firewalls often block UDP: "
      + `join from the gateway's own network, or ask its owner for a TURN server. ${RETRIES}`,
  },
  worklet: {
    tone: "error", title: "The page's audio has stopped",
    cure: "Reload the page. If it happens again, report your browser and its version.",
    action: "Reload", command: "reload",
  },
  upstream: {
    tone: "error", title: "The assistant is unavailable",
    cure: "The room is open, but nobody answers. The gateway's log says why.",
  },
  "upstream-retry": {
    tone: "info", title: "Reconnecting to the assistant", cure: "This takes a few seconds.",
  },
  "budget-low": {
    tone: "warning", title: "Most of today's budget is spent", cure: "At 100 % the assistant stops until tomorrow.",
    action: "OK", command: "dismiss",
  },
  "other-model": { tone: "warning", title: "Another model answers", cure: "", action: "OK", command: "dismiss" },
  "session-differs": {
    tone: "warning", title: "The assistant is not set up as asked", cure: "", action: "OK", command: "dismiss",
  },
  echo: { tone: "warning", title: "Your microphone hears another loudspeaker", cure: "" },
  stopping: { tone: "warning", title: "The gateway is about to stop", cure: "" },
  "given-up": { tone: "error", title: "A part of the gateway has failed", cure: "" },
  "no-echo-cancel": {
    tone: "info", title: "Echo cancellation is off",
    cure: "Use headphones, or the assistant may hear itself.",
  },
  gateway: { tone: "warning", title: "The gateway reports a problem", cure: "" },
};

/** Titles for reasons that somebody has to do something about. @type {Record<string, string>} */
const UPSTREAM_TITLES = {
  budget_spent: "Today's budget is spent",
  insufficient_quota: "The assistant's account is out of credit",
  billing_hard_limit_reached: "The assistant's account has reached its limit",
  account_deactivated: "The assistant's account is deactivated",
  invalid_api_key: "The assistant's API key is not valid",
  model_not_found: "The assistant's model does not exist",
  invalid_model: "The assistant's model cannot talk",
  unsupported_country_region_territory: "The assistant does not serve this region",
  rate_limit_exceeded: "The assistant's server wants a pause",
};

/** Titles for what the gateway tells of answers and of speech. @type {Record<string, string>} */
const GATEWAY_TITLES = {
  content_filter: "The answer was stopped",
  max_output_tokens: "The answer was too long",
  incomplete: "The answer was cut off",
  cancelled: "The answer was cancelled",
  unknown_end: "The answer ended in an unknown way",
  response_failed: "The assistant could not answer",
  server_error: "The assistant could not answer",
  written_answer: "The answer is written only",
  empty_answer: "The answer is empty",
  nothing_heard: "You were not heard",
  transcription_failed: "Speech was not written down",
  no_words: "Speech was not written down",
  not_transcribed: "Speech is not written down here",
  pictures_refused: "The assistant takes no pictures",
  picture_refused: "The picture was not shown",
  price_unknown: "A price is not known",
  tools_missing: "Some tools are missing",
  rules_refused: "The assistant stays as it was",
  recording_full: "Not everybody is in the recording",
  too_much: "The assistant's server sends too much",
  more_problems: "There are more problems",
};

/** Every code that has a text. */
export const PROBLEM_CODES = Object.keys(TEXTS);

/** Codes of problems with reaching the gateway; an open connection clears them. */
export const CONNECTION_CODES = [
  "gone", "unreachable", "full", "busy", "slow-down", "blocked", "refused", "forbidden", "bad-room", "name-taken",
  "bad-name", "sent-away", "stopping", "given-up",
];

/** Codes of what the gateway says about itself and this stay; a new connection tells what of it is still so. */
export const NOTICE_CODES = ["stopping", "given-up", "echo"];

/** Codes of what concerns one stay in a room, beside the connection: who leaves has nothing to do with it any more. */
export const ROOM_CODES = [
  "upstream", "upstream-retry", "budget-low", "other-model", "session-differs", "forgotten", "rules",
  "recording", "recording-soon", "recording-over", "suspended", "silenced", "unheard", "unsaid", "objecting", "echo",
  "no-audio", "worklet", "sound-stands", "speaker-lost", "mic-lost", "mic-held",
];

/** Codes of problems with the microphone; an open microphone clears them. */
export const MICROPHONE_CODES = ["mic-denied", "mic-missing", "mic-busy", "mic-lost", "mic-held", "insecure"];

/**
 * @param {string} code one of PROBLEM_CODES
 * @param {Partial<Problem>} [change] fields to replace
 * @returns {Problem}
 */
export function problem(code, change = {}) {
  return { code, ...TEXTS[code], ...change };
}

/**
 * The assistant is gone until somebody does something.
 * @param {string} code the gateway's, or empty
 * @param {string} detail the gateway's explanation, or empty
 */
export function upstreamProblem(code, detail) {
  const title = UPSTREAM_TITLES[code];
  return problem("upstream", { ...(title ? { title } : {}), ...(detail ? { cure: sentence(detail) } : {}) });
}

/**
 * What a person has to know of a recording; null: nothing.
 * @param {import("./store.js").Recording} recording
 * @param {boolean} wasOn it was about to begin, or ran
 * @returns {Problem|null}
 */
export function recordingProblem({ phase, words }, wasOn) {
  const said = words ? sentence(words) : "";
  if (phase === "soon") {
    return problem("recording-soon", { cure: `${said} It begins in a few seconds unless somebody objects.` });
  }
  if (phase === "on") return problem("recording", { cure: `${said} Whoever objects can stop it.` });
  const cure = said || "The part of the gateway that kept it was interrupted.";
  return wasOn ? problem("recording-over", { cure }) : null;
}

/**
 * The gateway is to stop.
 * @param {Date} at when calls end at the latest
 * @param {string} cure the gateway's words
 */
export function stopProblem(at, cure) {
  const time = at.toLocaleTimeString();
  return problem("stopping", { title: `The gateway stops at ${time}, or sooner if everybody leaves`, cure });
}

/**
 * What the gateway tells.
 * @param {string} code the gateway's
 * @param {string} words the gateway's, or empty
 * @returns {Problem}
 */
export function gatewayProblem(code, words) {
  const title = Object.hasOwn(GATEWAY_TITLES, code) ? { title: GATEWAY_TITLES[code] } : {};
  return { ...problem("gateway", title), code: `gateway-${code}`, cure: sentence(words || code) };
}

/**
 * Why getUserMedia failed.
 * @param {unknown} error
 * @param {boolean} isIn the person is in the room already
 * @returns {Problem}
 */
export function microphoneProblem(error, isIn) {
  const name = error instanceof DOMException ? error.name : "";
  const again = isIn ? { action: "Try again", command: "reopen-microphone" } : {};
  if (name === "NotAllowedError" || name === "SecurityError") return problem("mic-denied", again);
  if (name === "NotFoundError" || name === "OverconstrainedError") return problem("mic-missing", again);
  if (name === "NotReadableError" || name === "AbortError") return problem("mic-busy", again);
  return problem("mic-missing", { title: "The microphone did not open", cure: String(error), ...again });
}

/**
 * Why the offer failed.
 * @param {import("../session/signal.js").SignalError} error
 * @param {boolean} joined the room was joined before
 * @returns {Problem}
 */
export function signalProblem(error, joined) {
  const { status, message: title } = error;
  const detail = sentence(error.detail);
  if (status === 0) return problem(joined ? "gone" : "unreachable");
  if (status === 503 && error.ticket) {
    return title === "Busy"
      ? problem("busy", { cure: `${detail} ${WAITS_FOR_TIME}` })
      : problem("full", { cure: `${detail} ${TAKES_PLACE}` });
  }
  if (status === 503 && title === "Draining") return problem("stopping", { cure: `${detail} ${RETRIES}` });
  if (status === 503 && title === "Out of order") return problem("given-up", { cure: `${detail} ${RETRIES}` });
  if (status === 503) return problem(title === "Full" ? "full" : "busy", { cure: `${detail} ${RETRIES}` });
  // A proxy in front may refuse without a word.
  const told = { ...(title ? { title } : {}), ...(detail ? { cure: detail } : {}) };
  if (status === 401 || status === 403) return problem("forbidden", told);
  if (status === 409 && title === "Name taken") return problem("name-taken", { cure: detail });
  if (status === 429) return problem("slow-down", { cure: `${detail} ${RETRIES}` });
  if (status >= 500) return problem("unreachable", { title: "The gateway has failed", cure: `${detail} ${RETRIES}` });
  if (status === 400 && title === "Bad room name") return problem("bad-room");
  if (status === 400 && title === "Bad place") return problem("bad-name", { title: "This place won't work", cure: detail });
  if (status === 400 && title === "Bad name") return problem("bad-name", { cure: detail });
  return problem("refused", { cure: `${detail} (HTTP ${status})` });
}

/** The gateway's words as a sentence. @param {string} words */
export function sentence(words) {
  const text = words.trim();
  if (!text) return "";
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`;
}

/** Why this page cannot work here. @returns {Problem|null} null: it can */
export function environmentProblem() {
  if (typeof RTCPeerConnection === "undefined") return problem("no-webrtc");
  if (!window.isSecureContext || !navigator.mediaDevices) return problem("insecure");
  return null;
}
