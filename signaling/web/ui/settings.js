// @ts-check
import {
  announce, byId, fillDevices, make, memory, setText,
} from "./dom.js";
import { PlaceSettings } from "./place.js";
import { RoomRules } from "./room-rules.js";

const REFRESH_MS = 500;
const TOLD_MS = 2000;

/** The settings dialog: devices, headphones, push-to-talk, shortcuts, technical details. */
export class Settings {
  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("settings"));
    this.microphone = /** @type {HTMLSelectElement} */ (byId("set-mic"));
    this.output = /** @type {HTMLSelectElement} */ (byId("set-out"));
    this.raw = /** @type {HTMLInputElement} */ (byId("set-raw"));
    this.keys = /** @type {HTMLInputElement} */ (byId("set-keys"));
    this.echo = byId("set-echo");
    this.figures = byId("figures-list");
    /** @type {HTMLInputElement[]} */
    this.talk = [...this.dialog.querySelectorAll("input")].filter((input) => input.name === "talk");
    this.rules = new RoomRules(client);
    this.place = new PlaceSettings(client);
    for (const choice of this.talk) choice.addEventListener("change", () => this.#setTalk(choice.value));
    this.keys.checked = memory.get("keys", "on") === "on";
    byId("open-settings").addEventListener("click", () => this.open());
    byId("close-settings").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => clearInterval(this.timer));
    this.microphone.addEventListener("change", () => this.#reopen());
    this.raw.addEventListener("change", () => this.#reopen());
    this.output.addEventListener("change", () => this.#setOutput());
    this.keys.addEventListener("change", () => memory.set("keys", this.keys.checked ? "on" : "off"));
    byId("set-sound").addEventListener("click", () => client.playTestSound().catch(console.warn));
    byId("figures-copy").addEventListener("click", () => this.#copy());
  }

  open() {
    this.#showTalk();
    this.rules.open();
    this.place.render();
    this.dialog.showModal();
    this.refreshDevices();
    this.#refresh();
    this.timer = setInterval(() => this.#refresh(), REFRESH_MS);
  }

  /** The room may have changed while the dialog is open. */
  follow() {
    if (!this.dialog.open) return;
    if (this.client.state.pushToTalk !== this.talk[0].disabled) this.#showTalk();
    this.rules.follow();
  }

  #showTalk() {
    const { talk, pushToTalk } = this.client.state;
    for (const choice of this.talk) {
      choice.checked = choice.value === (pushToTalk ? "hold" : talk);
      choice.disabled = pushToTalk;
    }
    byId("set-talk-rule").hidden = !pushToTalk;
  }

  async #reopen() {
    memory.set("microphone", this.microphone.value);
    await this.client.openMicrophone({ deviceId: this.microphone.value, raw: this.raw.checked });
    await this.refreshDevices();
    this.#refresh();
  }

  /** @param {string} talk */
  #setTalk(talk) {
    memory.set("talk", talk);
    this.client.setTalk(talk === "hold" ? "hold" : "open");
  }

  async #setOutput() {
    await this.client.setOutput(this.output.value).catch(() => this.refreshDevices());
  }

  async refreshDevices() {
    const { microphones, speakers } = await this.client.devices();
    const { microphone, outputId, canChooseOutput } = this.client;
    fillDevices(this.microphone, microphones, microphone.deviceId, "Default microphone");
    fillDevices(this.output, speakers, outputId, "Default speaker");
    byId("set-out-field").hidden = !canChooseOutput || speakers.length === 0;
    this.raw.checked = microphone.raw;
  }

  #refresh() {
    const stats = this.client.stats();
    const { microphone } = stats;
    const on = (/** @type {unknown} */ value) => (value === undefined ? "unknown" : value ? "on" : "off");
    setText(this.echo, microphone
      ? `In use: echo cancellation ${on(microphone.echoCancellation)}, noise suppression `
        + `${on(microphone.noiseSuppression)}, automatic gain ${on(microphone.autoGainControl)}.`
      : "No microphone is open.");
    const rows = figureRows(stats);
    this.figures.replaceChildren(...rows.flatMap(([name, value]) => [
      make("dt", { text: name }), make("dd", { text: value }),
    ]));
  }

  async #copy() {
    const label = /** @type {Element} */ (byId("figures-copy").firstElementChild);
    let told = "Copied";
    try {
      await navigator.clipboard.writeText(JSON.stringify(this.client.stats(), null, 2));
    } catch {
      told = "Not allowed to copy"; // Or there is no clipboard, as without HTTPS.
    }
    setText(label, told);
    announce(told);
    setTimeout(() => setText(label, "Copy as JSON"), TOLD_MS);
  }
}

/** @param {any} stats @returns {[string, string][]} */
function figureRows({ rttMs, link, playback, output }) {
  const ms = (/** @type {number|null|undefined} */ value) => (value == null ? "–" : `${Math.round(value)} ms`);
  const text = (/** @type {unknown} */ value) => String(value ?? "–");
  return [
    ["Round trip", ms(rttMs)],
    ["Buffer / target", `${ms(playback.bufferedMs)} / ${ms(playback.targetMs)}`],
    ["Jitter, 95th percentile", ms(playback.jitterMs)],
    ["Frames received / sent", `${text(link.received)} / ${text(link.sent)}`],
    ["Lost / late / stale", `${text(playback.lost)} / ${text(playback.late)} / ${text(playback.stale)}`],
    ["Underruns", text(playback.underruns)],
    ["Skipped / added / cut", `${text(playback.skipped)} / ${text(playback.inserted)} / ${text(playback.capped)}`],
    ["Dropped, not sent", text(link.dropped)],
    ["Audio channel in", text(link.place)],
    ["Network path", link.pair || "–"],
    ["Speaker", `${text(output.rateHz)} Hz, ${output.route}`],
    ["Output delay", ms(output.baseMs + output.outputMs)],
  ];
}
