// @ts-check
/** Every failure in words: what is wrong, and what to do about it. */

/** @typedef {import("./store.js").Problem} Problem */

/** @type {Record<string, Omit<Problem, "code">>} */
const TEXTS = {
  insecure: {
    tone: "error", title: "The microphone needs HTTPS",
    cure: "Browsers give a page the microphone only over https:// or on localhost. Open this page "
      + "by the gateway's https:// address, or on the computer that runs it as http://localhost.",
    action: "Join to read and type", command: "listen-only",
  },
  "no-webrtc": {
    tone: "error", title: "This browser cannot make the connection",
    cure: "WebRTC is missing or switched off. Allow it in the browser's settings or extensions, or use "
      + "a current Chrome, Edge, Firefox or Safari.",
  },
  "mic-denied": {
    tone: "error", title: "The microphone is blocked",
    cure: "Open the site settings beside the address (the padlock or slider icon), set Microphone to "
      + "Allow, then press Join again.",
    action: "Join without a microphone", command: "listen-only",
  },
  "mic-missing": {
    tone: "error", title: "No microphone was found",
    cure: "Plug one in or switch it on, then press Join again. You can also listen and type.",
    action: "Join without a microphone", command: "listen-only",
  },
  "mic-busy": {
    tone: "error", title: "Another program is using the microphone",
    cure: "Close the other call or recorder, or choose a different microphone, then press Join again.",
    action: "Join without a microphone", command: "listen-only",
  },
  "mic-lost": {
    tone: "warning", title: "The microphone stopped",
    cure: "It was unplugged or taken by another program. Choose one in Settings, or try again.",
    action: "Try again", command: "reopen-microphone",
  },
  suspended: {
    tone: "warning", title: "Sound is waiting for you",
    cure: "The browser starts sound only after a tap.",
    action: "Tap to hear", command: "resume",
  },
  gone: {
    tone: "warning", title: "Connection lost",
    cure: "The page rejoins by itself. If this lasts, check that the gateway is running and that you are on "
      + "the same network.",
  },
  unreachable: {
    tone: "warning", title: "The gateway does not answer",
    cure: "Trying again by itself. Check that the gateway is running and that you are on the same network.",
  },
  full: {
    tone: "warning", title: "The gateway is full",
    cure: "Waiting for a free place. Somebody may have to leave first.",
  },
  busy: {
    tone: "warning", title: "The gateway asks us to wait",
    cure: "Trying again by itself.",
  },
  "bad-room": {
    tone: "error", title: "That room name does not work",
    cure: "Use lower-case letters, digits, - and _ (at most 64), starting with a letter or digit.",
  },
  forbidden: {
    tone: "error", title: "This room needs an invitation",
    cure: "Ask the person who runs the gateway for a link with its token (…/?token=…).",
  },
  refused: { tone: "error", title: "The gateway refused", cure: "" },
  blocked: {
    tone: "warning", title: "The direct connection is blocked",
    cure: "The gateway answered, but no data came through. A VPN, a guest network or a firewall often "
      + "blocks UDP between devices: use the same network as the gateway. Trying again by itself.",
  },
  worklet: {
    tone: "error", title: "The page's audio stopped working",
    cure: "Reload the page. If it happens again, report the browser and its version.",
    action: "Reload", command: "reload",
  },
  upstream: {
    tone: "error", title: "The assistant is not reachable",
    cure: "The room works, but nobody answers. Whoever runs the gateway finds the cause in its log.",
  },
  "upstream-retry": {
    tone: "info", title: "Reaching the assistant again", cure: "This takes a few seconds.",
  },
  "budget-low": {
    tone: "warning", title: "Most of today's budget is spent", cure: "At 100 % the assistant stops until tomorrow.",
    action: "OK", command: "dismiss",
  },
  "no-echo-cancel": {
    tone: "info", title: "Echo cancellation is off",
    cure: "Use headphones, or the assistant may hear itself.",
  },
  gateway: { tone: "warning", title: "The gateway reports a problem", cure: "" },
};

/** Titles for reasons that somebody has to do something about. @type {Record<string, string>} */
const UPSTREAM_TITLES = {
  budget_spent: "Today's budget is spent",
  insufficient_quota: "The assistant's account has no credit",
  billing_hard_limit_reached: "The assistant's account has reached its limit",
  account_deactivated: "The assistant's account is switched off",
  invalid_api_key: "The assistant's key does not work",
  model_not_found: "This assistant does not exist",
};

/**
 * The assistant is gone until somebody does something.
 * @param {string} code the gateway's, or empty
 * @param {string} detail the gateway's words
 */
export function upstreamProblem(code, detail) {
  const title = UPSTREAM_TITLES[code];
  return problem("upstream", { ...(title ? { title } : {}), ...(detail ? { cure: detail } : {}) });
}

/**
 * @param {string} code one of TEXTS
 * @param {Partial<Problem>} [change] fields to replace
 * @returns {Problem}
 */
export function problem(code, change = {}) {
  return { code, ...TEXTS[code], ...change };
}

/** Every code that has a text. */
export const PROBLEM_CODES = Object.keys(TEXTS);

/** Codes about the way to the gateway; an open connection clears them. */
export const CONNECTION_CODES = [
  "gone", "unreachable", "full", "busy", "blocked", "refused", "forbidden", "bad-room",
];

/** Codes about the microphone; an open microphone clears them. */
export const MICROPHONE_CODES = ["mic-denied", "mic-missing", "mic-busy", "mic-lost", "insecure"];

/** Why getUserMedia failed. @param {unknown} error @returns {Problem} */
export function microphoneProblem(error) {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return problem("mic-denied");
  if (name === "NotFoundError" || name === "OverconstrainedError") return problem("mic-missing");
  if (name === "NotReadableError" || name === "AbortError") return problem("mic-busy");
  return problem("mic-missing", { title: "The microphone did not open", cure: String(error) });
}

/**
 * Why the offer failed.
 * @param {import("../session/signal.js").SignalError} error
 * @param {boolean} joined the room was open before
 * @returns {Problem}
 */
export function signalProblem(error, joined) {
  const { status, detail } = error;
  if (status === 0) return problem(joined ? "gone" : "unreachable");
  if (status === 503) return problem("full", detail ? { cure: `${detail} Trying again by itself.` } : {});
  if (status === 401) return problem("forbidden");
  if (status === 403) return problem("refused", { cure: detail });
  if (status === 429) return problem("busy");
  if (status >= 500) {
    const cure = `It says: ${detail}. The page tries again by itself.`;
    return problem("unreachable", { title: "The gateway is in trouble", cure });
  }
  if (status === 400 && /room/i.test(detail)) return problem("bad-room");
  return problem("refused", { cure: `${detail} (HTTP ${status})` });
}

/** Can this page work here at all? @returns {Problem|null} */
export function environmentProblem() {
  if (typeof RTCPeerConnection === "undefined") return problem("no-webrtc");
  if (!window.isSecureContext || !navigator.mediaDevices) return problem("insecure");
  return null;
}
