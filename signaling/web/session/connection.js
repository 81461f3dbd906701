// @ts-check
/** One peer connection with its two channels: `audio` for frames, `control` for JSON. */

import { deleteParticipant, postOffer } from "./signal.js";

const AUDIO_PROTOCOL = "mixminus.v1";
const OPEN_TIMEOUT_MS = 8000;
/** Longest wait for what STUN and TURN servers tell; it goes into the offer. */
const GATHER_TIMEOUT_MS = 2000;

/** WebRTC itself failed: the channels did not open. */
class ConnectError extends Error {}

export class Connection {
  /**
   * @param {object} parts
   * @param {import("../audio/link-host.js").LinkHost} parts.link
   * @param {number} parts.generation
   * @param {RTCIceServer[]} parts.servers
   * @param {(message: any) => void} parts.onControl
   * @param {() => void} parts.onLost called once, if the channels were open
   * @param {() => void} parts.onDoubt the browser finds no way to the gateway any more
   */
  constructor({ link, generation, servers, onControl, onLost, onDoubt }) {
    this.link = link;
    this.generation = generation;
    this.onControl = onControl;
    this.onLost = onLost;
    this.open = false;
    this.closed = false;
    /** Messages that came before the connection was in use. @type {any[]|null} */
    this.early = [];
    this.location = "";
    this.abort = new AbortController();
    /** @type {(() => void)|null} */
    this.audioOpened = null;
    this.needsServers = servers.length > 0;
    this.pc = new RTCPeerConnection({ iceServers: servers });
    const audio = this.pc.createDataChannel("audio", {
      ordered: false, maxPacketLifeTime: 150, protocol: AUDIO_PROTOCOL,
    });
    audio.binaryType = "arraybuffer";
    this.audioOpen = new Promise((resolve) => {
      this.audioOpened = () => resolve(undefined);
    });
    this.link.attach(audio, generation);
    this.control = this.pc.createDataChannel("control");
    this.control.onmessage = (event) => this.#control(event.data);
    this.control.onclose = () => this.#lost();
    this.pc.onconnectionstatechange = () => {
      if (["failed", "closed"].includes(this.pc.connectionState)) this.#lost();
      else if (this.open && this.pc.connectionState === "disconnected") onDoubt();
    };
  }

  /**
   * Connect; resolves when both channels are open.
   * @param {{room: string, name: string, mode: string, place: string, ticket: string, replaces: string}} stay
   * @param {number} [patienceMs] how long the gateway may take for each of the two steps
   * @throws {import("./signal.js").SignalError|ConnectError}
   */
  async connect(stay, patienceMs = OPEN_TIMEOUT_MS) {
    const controlOpen = new Promise((resolve) => {
      this.control.onopen = () => resolve(undefined);
    });
    await this.pc.setLocalDescription(await this.pc.createOffer());
    if (this.needsServers) await this.#gathered();
    if (this.closed) throw new ConnectError("closed while connecting");
    const sdp = this.pc.localDescription?.sdp ?? "";
    const answer = await postOffer({ ...stay, sdp }, this.abort.signal, patienceMs);
    this.location = answer.location;
    if (this.closed) {
      deleteParticipant(this.location);
      throw new ConnectError("closed while connecting");
    }
    await this.pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    await this.#within(patienceMs, Promise.all([controlOpen, this.audioOpen]));
    this.open = true;
  }

  /** Wait until the browser has asked the servers. */
  #gathered() {
    return new Promise((resolve) => {
      const check = () => this.pc.iceGatheringState === "complete" && resolve(undefined);
      this.pc.addEventListener("icegatheringstatechange", check);
      setTimeout(resolve, GATHER_TIMEOUT_MS);
      check();
    });
  }

  /** @param {number} timeoutMs @param {Promise<unknown>} wanted */
  async #within(timeoutMs, wanted) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new ConnectError("the data channels did not open")), timeoutMs);
    });
    const failed = new Promise((_, reject) => {
      this.failNow = () => reject(new ConnectError("the connection failed"));
    });
    try {
      await Promise.race([wanted, late, failed]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {unknown} data */
  #control(data) {
    try {
      const message = JSON.parse(String(data));
      if (!message || typeof message.type !== "string") return;
      if (this.early) this.early.push(message);
      else this.onControl(message);
    } catch (error) {
      console.warn("control message is not valid JSON", error);
    }
  }

  /** The connection is in use: pass on what came before. */
  flush() {
    /** @type {any[]} */
    const early = this.early ?? [];
    this.early = null;
    for (const message of early) this.onControl(message);
  }

  /** @param {Record<string, unknown>} message @returns {boolean} sent */
  send(message) {
    if (this.closed || this.control.readyState !== "open") return false;
    this.control.send(controlText(message));
    return true;
  }

  #lost() {
    if (this.closed) return;
    this.failNow?.();
    if (!this.open) return;
    this.open = false;
    this.onLost();
  }

  /** @param {boolean} leave tell the gateway */
  close(leave) {
    if (this.closed) return;
    this.closed = true;
    this.open = false;
    this.abort.abort();
    if (leave) deleteParticipant(this.location);
    this.control.onclose = null;
    this.control.onmessage = null;
    this.pc.onconnectionstatechange = null;
    this.link.detach(this.generation);
    this.pc.close();
  }

  /** The pair of ICE candidates in use, such as "host/udp to host/udp". @returns {Promise<string>} */
  async pair() {
    let words = "";
    const report = await this.pc.getStats();
    report.forEach((entry) => {
      if (entry.type !== "candidate-pair" || !entry.nominated || entry.state !== "succeeded") return;
      const ends = [report.get(entry.localCandidateId), report.get(entry.remoteCandidateId)];
      words = ends.map((end) => `${end?.candidateType ?? "?"}/${end?.protocol ?? "?"}`).join(" to ");
    });
    return words;
  }
}

/**
 * The text of a control message. A BigInt keeps all its digits: a stamp may be beyond 2**53.
 * @param {Record<string, unknown>} message
 */
export function controlText(message) {
  const fields = Object.entries(message).filter(([, value]) => value !== undefined).map(([name, value]) => (
    `${JSON.stringify(name)}:${typeof value === "bigint" ? value : JSON.stringify(value)}`
  ));
  return `{${fields.join(",")}}`;
}
