// @ts-check
import { costOf, holdsToTalk, may } from "../client.js";
import { Captions } from "./captions.js";
import {
  Ballistics, announce, byId, isComposing, isTyping, memory, setData, setText,
} from "./dom.js";
import { InviteDialog } from "./invite.js";
import { PersonDialog } from "./person.js";
import { PictureDialog } from "./pictures.js";
import { Questions } from "./questions.js";
import { Recording } from "./recording.js";
import { Roster, assistantWord } from "./roster.js";
import { Settings } from "./settings.js";
import { TalkButton } from "./talk.js";
import { TranscriptDialog } from "./transcript.js";

const ANNOUNCED = new Set(["Unavailable", "Reconnecting"]);
/** The gateway takes no longer line. */
const MOST_CHARACTERS = 4000;

/** The room: top bar, roster, captions, questions, bottom bar. */
export class RoomView {
  /** The assistant's state as it is shown. */
  word = "";
  /** Item of the last reply that was said to a screen reader. */
  saidItem = "";

  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.root = byId("room");
    this.invite = new InviteDialog(client);
    this.person = new PersonDialog(client);
    this.transcript = new TranscriptDialog(client);
    this.roster = new Roster(client, (person) => this.person.open(person));
    this.captions = new Captions();
    this.settings = new Settings(client);
    this.questions = new Questions(client);
    this.recording = new Recording(client);
    this.talk = new TalkButton(client);
    this.microphone = byId("mic");
    this.microphoneMeter = new Ballistics();
    this.stop = /** @type {HTMLButtonElement} */ (byId("stop"));
    this.say = /** @type {HTMLInputElement} */ (byId("say"));
    /** Lines in the field that the assistant has not got. */
    this.givenBack = "";
    /** Those of them that the page has missed: the gateway may have them, and give them back once more. */
    this.lost = new Set();
    this.picture = new PictureDialog(client, this.say);
    this.microphone.addEventListener("click", () => this.toggleMute());
    this.stop.addEventListener("click", () => client.interrupt());
    byId("leave").addEventListener("click", () => client.leave());
    byId("say-form").addEventListener("submit", (event) => this.#say(event));
    client.addEventListener("message", (/** @type {any} */ { detail: { type, text } }) => {
      if (type === "error" && typeof text === "string" && !this.lost.delete(text)) this.#giveBack(text);
    });
    client.addEventListener("unsaid", (/** @type {any} */ { detail }) => {
      this.lost.add(detail.text);
      this.#giveBack(detail.text);
    });
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  toggleMute() {
    const { state } = this.client;
    if (state.role === "listen" || state.mutedByAdmin || (holdsToTalk(state) && !state.listenOnly)) return;
    if (state.listenOnly) this.client.openMicrophone();
    else this.client.setMuted(!state.muted);
  }

  /** @param {Event} event */
  #say(event) {
    event.preventDefault();
    const text = this.say.value.trim();
    const line = firstLine(text);
    if (!line || !this.client.say(line)) return;
    this.say.value = text.slice(line.length).trim();
    this.givenBack = "";
    if (!this.say.value) this.lost.clear();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (this.root.hidden || event.repeat || isComposing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (memory.get("keys", "on") !== "on" || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && !this.stop.disabled && !this.stop.hidden) this.client.interrupt();
    else if (event.key.toLowerCase() === "m" && !isTyping(event.target)) this.toggleMute();
  }

  /** @param {import("../client.js").State} state */
  render(state) {
    const here = state.phase === "connected" || state.phase === "reconnecting";
    if (this.root.hidden === here) this.#appear(here);
    if (!here) return;
    setText(byId("room-name"), state.room);
    this.#renderTop(state);
    this.#renderBar(state);
    this.roster.render(state);
    this.captions.render(state);
    this.questions.render(state);
    this.recording.render(state);
    this.settings.follow();
    this.transcript.render(state);
    this.#renderCost(state);
    this.#sayReply(state);
  }

  /** Lines that the assistant has not got can be sent again: they stand before what is being typed. @param {string} text */
  #giveBack(text) {
    const { value } = this.say;
    const before = value.startsWith(this.givenBack) ? this.givenBack : "";
    this.givenBack = before ? `${before} ${text}` : text;
    this.say.value = [this.givenBack, value.slice(before.length).trim()].filter(Boolean).join(" ");
  }

  /** @param {import("../client.js").State} state */
  #renderCost({ usage, simulated }) {
    const cost = costOf(usage, simulated);
    const place = byId("cost");
    place.hidden = cost === null;
    if (!cost) return;
    setText(place, cost.text);
    place.title = cost.title;
    setData(place, "tone", cost.tone);
  }

  /** Where replies are not heard, the screen reader says them. @param {import("../client.js").State} state */
  #sayReply({ captions, speaks, audioRunning }) {
    const reply = captions.findLast((line) => line.speaker === "assistant" && line.final);
    const written = reply?.cut === "written";
    const said = written ? `${reply.item} written` : reply?.item;
    if (!reply || !said || said === this.saidItem) return;
    this.saidItem = said;
    if (!speaks || !audioRunning || written) announce(`Assistant: ${reply.text}`);
  }

  /** @param {boolean} here */
  #appear(here) {
    this.root.hidden = !here;
    if (here) (holdsToTalk(this.client.state) ? this.talk.button : this.microphone).focus({ preventScroll: true });
    else for (const { dialog } of [this.settings, this.invite, this.person, this.picture, this.transcript]) dialog.close();
  }

  /** @param {import("../client.js").State} state */
  #renderTop(state) {
    const connected = state.phase === "connected";
    const chip = byId("chip-link");
    setData(chip, "tone", connected ? "good" : "warning");
    setText(byId("link-word"), connected ? "Connected" : `Rejoining (${state.attempt})`);
    const people = Math.max(1, state.participants.length);
    setText(byId("people-count"), String(people));
    byId("open-invite").hidden = state.role !== "admin";
    byId("chip-people").title = people === 1 ? "You are alone in the room" : `${people} people in the room`;
    this.#renderLatency(state);
    /** @type {string} */
    const word = assistantWord(state);
    if (ANNOUNCED.has(word) && word !== this.word) announce(`Assistant: ${word}`);
    this.word = word;
  }

  /** @param {import("../client.js").State} state */
  #renderLatency(state) {
    const chip = byId("chip-latency");
    const { playback, output } = /** @type {any} */ (this.client.stats());
    if (state.rttMs === null) {
      setText(byId("latency"), "–");
      chip.title = "Not connected";
      return;
    }
    const bufferMs = playback.state === "playing" ? playback.bufferedMs : playback.targetMs ?? 0;
    const outMs = output.baseMs + output.outputMs;
    const totalMs = state.rttMs + bufferMs + outMs;
    setText(byId("latency"), `${Math.round(totalMs)} ms`);
    const gateway = Object.entries(state.latency)
      .map(([name, value]) => `${name.replaceAll("_", " ")} ${Math.round(value)}`);
    chip.title = [
      "Audio delay, without the assistant's thinking time.",
      `Network there and back ${Math.round(state.rttMs)} ms, playback buffer ${Math.round(bufferMs)} ms, `
        + `speaker ${outMs} ms.`,
      ...(gateway.length ? [`Reported by the gateway: ${gateway.join(", ")}.`] : []),
    ].join("\n");
  }

  /** @param {import("../client.js").State} state */
  #renderBar(state) {
    const holds = holdsToTalk(state) && !state.listenOnly;
    this.talk.render(state, holds);
    this.microphone.hidden = holds || state.role === "listen";
    /** @type {HTMLButtonElement} */ (this.microphone).disabled = state.mutedByAdmin;
    setData(byId("room"), "talk", holds ? "hold" : "open");
    const off = state.muted || state.listenOnly;
    this.microphone.setAttribute("aria-pressed", String(off));
    setText(byId("mic-word"), state.listenOnly ? "Turn on mic" : state.muted ? "Unmute" : "Mute");
    const toggle = `${state.muted ? "Unmute" : "Mute"} the microphone (M)`;
    this.microphone.title = state.mutedByAdmin ? "An admin has muted you" : state.listenOnly ? "Turn on the microphone" : toggle;
    const icon = off ? "#i-mic-off" : "#i-mic";
    if (byId("mic-icon").getAttribute("href") !== icon) byId("mic-icon").setAttribute("href", icon);
    setData(this.stop, "urgent", String(state.assistant === "speaking"));
    this.stop.disabled = state.phase !== "connected" || !["speaking", "thinking"].includes(state.assistant);
    this.stop.hidden = !may(state.role, state.rules.stop);
    this.picture.render(state);
    this.say.disabled = state.phase !== "connected" || state.role === "listen";
    this.say.placeholder = state.role === "listen" ? "You are here to listen" : "Type instead";
  }

  /** Called about 20 times a second. */
  animate() {
    if (this.root.hidden) return;
    this.roster.animate();
    this.microphoneMeter.show(this.microphone, this.client.levels.get("me") ?? -100);
    this.talk.animate(this.client.state.pressed ? this.client.levels.get("me") ?? -100 : -100);
    this.questions.animate(performance.now());
  }
}

/** As much of a text as one line may have, in whole words where it has any. @param {string} text */
function firstLine(text) {
  if (text.length <= MOST_CHARACTERS) return text;
  const end = text.lastIndexOf(" ", MOST_CHARACTERS);
  return end > 0 ? text.slice(0, end) : text.slice(0, MOST_CHARACTERS).replace(/[\uD800-\uDBFF]$/, "");
}
