// @ts-check
/**
 * Listens to a room without a microphone and without a secure context, where audio worklets do not exist: raw PCM16
 * from one data channel, played as audio buffers in a context of the same rate.
 */

import { cutWords, foldCaption, markInterrupted, moveCaptions, shownText } from "./captions.js";

const RATE_HZ = 24000;
const LEAD_S = 0.15;
/** More than this waits only if the clocks differ or the network was stuck. */
const MOST_LEAD_S = 0.8;
const TIMEOUT_MS = 10000;
const RETRY_MS = 3000;

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const input = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(id));

/** Plays what comes in, in order. */
class Player {
  /** Must be made in a gesture of the person. */
  constructor() {
    this.context = new AudioContext({ sampleRate: RATE_HZ });
    this.endS = 0;
    /** @type {Set<AudioBufferSourceNode>} */
    this.waiting = new Set();
    this.context.resume();
  }

  /** @param {ArrayBuffer} data PCM16, mono, little-endian */
  play(data) {
    const samples = new Int16Array(data, 0, data.byteLength >> 1);
    const nowS = this.context.currentTime;
    if (!samples.length || this.endS - nowS > MOST_LEAD_S) return;
    if (this.endS < nowS) this.endS = nowS + LEAD_S;
    const buffer = this.context.createBuffer(1, samples.length, RATE_HZ);
    buffer.copyToChannel(Float32Array.from(samples, (sample) => sample / 32768), 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    source.onended = () => this.waiting.delete(source);
    this.waiting.add(source);
    source.start(this.endS);
    this.endS += buffer.duration;
  }

  /** Drop what has not been played. */
  flush() {
    for (const source of this.waiting) source.stop();
    this.waiting.clear();
    this.endS = 0;
  }

  close() {
    this.flush();
    this.context.close();
  }
}

/** What was said, line by line. */
class Lines {
  constructor() {
    /** @type {any[]} */
    this.lines = [];
    this.list = byId("lines");
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
  }

  /** @param {any} message */
  caption(message) {
    const speaker = String(message.speaker ?? "assistant");
    const line = {
      item: String(message.item ?? ""), speaker, text: String(message.text ?? ""), final: Boolean(message.final),
      name: message.name ?? (speaker === "assistant" ? "Assistant" : "Room"),
      interrupted: Boolean(message.interrupted), kind: "speech",
      ...(Number.isFinite(message.position) ? { position: message.position } : {}),
      ...(message.cut ? { cut: String(message.cut) } : {}),
    };
    this.#show(foldCaption(this.lines, /** @type {any} */ (line)));
  }

  /** @param {any} message */
  places({ places = {} }) {
    this.#show(moveCaptions(this.lines, places));
  }

  /** Somebody has deleted what was said so far. */
  forgotten() {
    this.#show([]);
  }

  interrupted() {
    this.#show(markInterrupted(this.lines));
  }

  /** @param {any[]} lines */
  #show(lines) {
    this.lines = lines;
    byId("empty").hidden = lines.length > 0;
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    const following = scrollHeight - scrollTop - clientHeight < 60;
    const kept = new Set(lines.map((line) => line.item));
    for (const [item, row] of this.rows) {
      if (kept.has(item)) continue;
      row.remove();
      this.rows.delete(item);
    }
    for (const [index, line] of lines.entries()) this.#row(line, index);
    if (following) this.list.scrollTop = this.list.scrollHeight;
  }

  /** @param {any} line @param {number} index */
  #row(line, index) {
    let row = this.rows.get(line.item);
    if (!row) {
      row = document.createElement("div");
      row.className = "said";
      for (const name of ["by", "text", "cut"]) row.appendChild(document.createElement("div")).className = name;
      this.rows.set(line.item, row);
    }
    const place = this.list.querySelectorAll(".said")[index] ?? null;
    if (place !== row) this.list.insertBefore(row, place);
    row.dataset.speaker = line.speaker;
    row.dataset.final = String(line.final);
    row.children[0].textContent = line.name;
    row.children[1].textContent = shownText(line);
    row.children[2].textContent = cutWords(line);
  }
}

/** One stay in a room; joins again by itself when the connection is lost. */
class Stay {
  /** @param {string} room @param {string} session */
  constructor(room, session) {
    this.room = room;
    this.session = session;
    this.player = new Player();
    this.lines = new Lines();
    this.ended = false;
    this.location = "";
    this.me = "";
    /** Of a recording: off, soon, on. */
    this.phase = "off";
    /** Place in the line in front of a full gateway; empty: not in line. */
    this.ticket = "";
    this.waitMs = RETRY_MS;
    /** @type {RTCPeerConnection|null} */
    this.peer = null;
  }

  async connect() {
    const peer = new RTCPeerConnection();
    this.peer = peer;
    const channel = peer.createDataChannel("audio", { ordered: true });
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => (typeof data === "string" ? this.take(JSON.parse(data)) : this.player.play(data));
    channel.onopen = () => this.show("Listening", true);
    channel.onclose = () => this.again(peer);
    peer.onconnectionstatechange = () => peer.connectionState === "failed" && this.again(peer);
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    if (this.ended) return;
    const query = this.ticket ? `?ticket=${encodeURIComponent(this.ticket)}` : "";
    const path = `/listen/rooms/${encodeURIComponent(this.room)}/participants${query}`;
    const headers = { "Content-Type": "application/sdp" };
    const response = await request("POST", path, this.session, headers, peer.localDescription?.sdp);
    this.ticket = "";
    this.waitMs = RETRY_MS;
    const location = response.headers.get("location") ?? "";
    this.location = `/listen${location.slice(location.indexOf("/rooms/"))}`;
    if (this.ended) {
      this.#leave();
      return;
    }
    await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  /** @param {any} message */
  take(message) {
    if (message.type === "caption") this.lines.caption(message);
    if (message.type === "places") this.lines.places(message);
    if (message.type === "forgotten") this.lines.forgotten();
    if (message.type === "flush") {
      this.player.flush();
      this.lines.interrupted();
    }
    if (message.type === "welcome") this.me = message.participant;
    if (message.type === "participants") {
      const others = (message.participants ?? []).filter((/** @type {any} */ one) => one.participant !== this.me);
      const people = others.map((/** @type {any} */ one) => one.name).filter(Boolean);
      byId("people").textContent = people.length ? `with ${people.join(", ")}` : "";
    }
    if (message.type === "error") show(sentence(message.message));
    if (message.type === "notice") show(noticeWords(message));
    if (message.type === "state") this.recorded(message.recording);
    if (message.type === "bye") this.sentAway(message);
  }

  /** Whether the room is recorded: it is told when that changes. @param {{phase?: string, words?: string}} [told] */
  recorded({ phase = "off", words = "" } = {}) {
    if (phase === this.phase) return;
    const wasOff = this.phase === "off";
    this.phase = phase;
    if (phase !== "off") show(`${sentence(words)} You are not heard here, and nothing of you is kept.`);
    else if (!wasOff) show(sentence(words));
  }

  /** The gateway has ended this stay. @param {{message: string}} message */
  sentAway({ message }) {
    this.location = "";
    stop();
    show(sentence(message));
  }

  /** @param {RTCPeerConnection} peer the one that was lost */
  again(peer) {
    if (this.ended || peer !== this.peer) return;
    peer.close();
    this.peer = null;
    this.player.flush();
    this.show(this.ticket ? "Waiting in line" : "Connecting again", false);
    setTimeout(() => this.ended || this.connect().catch((error) => this.failed(error)), this.waitMs);
  }

  /** @param {any} error */
  failed(error) {
    if (this.ended) return;
    const refused = error instanceof Refused;
    const words = sentence(String(error.message ?? error));
    this.ticket = refused ? error.ticket : "";
    this.waitMs = Math.max(RETRY_MS, refused ? error.retryAfterMs : 0);
    show(this.ticket ? `${words} You will hear the room as soon as somebody leaves: keep this page open.` : words);
    if (refused && error.status < 500 && error.status !== 429) stop();
    else if (this.peer) this.again(this.peer);
  }

  /** @param {string} words @param {boolean} good */
  show(words, good) {
    byId("state").textContent = words;
    byId("dot").dataset.tone = good ? "good" : "";
    if (good) show("");
  }

  end() {
    this.ended = true;
    this.peer?.close();
    this.player.close();
    this.#leave();
  }

  #leave() {
    if (this.location) request("DELETE", this.location, this.session, {}, undefined, true).catch(() => {});
  }
}

/** The gateway said no. */
class Refused extends Error {
  /** @param {string} message @param {number} status @param {number} retryAfterMs @param {string} ticket */
  constructor(message, status, retryAfterMs, ticket) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.ticket = ticket;
  }
}

/**
 * @param {string} method @param {string} path @param {string} session @param {Record<string, string>} headers
 * @param {string} [body] @param {boolean} [keepalive]
 */
async function request(method, path, session, headers, body, keepalive = false) {
  const signal = AbortSignal.timeout?.(TIMEOUT_MS);
  const response = await fetch(path, {
    method, body, keepalive, signal, headers: { ...headers, Authorization: `Bearer ${session}` },
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const retryAfterMs = 1000 * (Number(response.headers.get("retry-after")) || 0);
  const detail = problem.detail ?? `the gateway answered ${response.status}`;
  throw new Refused(detail, response.status, retryAfterMs, problem.ticket ?? "");
}

/** Until all candidates are in the offer, or for two seconds. @param {RTCPeerConnection} peer */
function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, 2000);
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve(undefined);
  });
}

/**
 * What the gateway says about itself; a stop has its time.
 * @param {{message?: string, in_ms?: number}} notice
 */
function noticeWords({ message = "", in_ms: inMs = 0 }) {
  const at = inMs ? ` Until ${new Date(Date.now() + inMs).toLocaleTimeString()}; this page listens again afterwards.` : "";
  return message ? `${sentence(message)}${at}` : "";
}

/** The gateway's words as a sentence. @param {string} words */
function sentence(words) {
  const text = words.trim();
  return text && `${text[0].toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`;
}

/** @param {string} words empty: nothing is wrong */
function show(words) {
  byId("problem").textContent = words;
  byId("problem").hidden = !words;
}

/** The token of a link, or of what was pasted. @param {string} text */
function tokenOf(text) {
  return new URLSearchParams(text.slice(text.indexOf("#") + 1)).get("invite") ?? text.trim();
}

/** @type {Stay|null} */
let stay = null;

async function start() {
  if (stay && !stay.session && !stay.ended) return; // It is on its way; another one would find the invitation used.
  show("");
  const token = tokenOf(input("invitation").value);
  if (!token) {
    show("Paste the link of your invitation.");
    return;
  }
  const room = input("room").value.trim() || "home";
  stay?.end();
  const mine = new Stay(room, "");
  stay = mine;
  try {
    const response = await request("POST", "/listen/session", token, {});
    mine.session = (await response.json()).session;
    toggle(true);
    await mine.connect();
  } catch (error) {
    mine.failed(error);
    if (!mine.session && stay === mine) stop();
  }
}

function stop() {
  stay?.end();
  stay = null;
  toggle(false);
}

/** @param {boolean} listening */
function toggle(listening) {
  byId("form").hidden = listening;
  byId("room-view").hidden = !listening;
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
byId("stop").addEventListener("click", stop);
window.addEventListener("pagehide", () => stay?.end());
if (location.hash.includes("invite=")) {
  input("invitation").value = location.hash;
  byId("invitation-field").hidden = true;
  history.replaceState(null, "", location.pathname);
}
