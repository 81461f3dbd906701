// @ts-check
/**
 * The client: everything that a page needs to take part in a room. The gateway's own page uses this module and nothing
 * behind it, and so may any page of the same origin (docs/client.md):
 *
 *     import { Client } from "/web/client.js";
 *     const client = new Client();
 *     client.addEventListener("caption", ({ detail }) => console.log(detail.name, detail.text));
 *     button.onclick = () => client.join({ room: "home", name: "Ana" });
 */

import { listDevices } from "./audio/devices.js";
import { canChooseOutput } from "./audio/output.js";
import {
  changeRoom, closeRoom, enter, invitations, invite, mute, remove, revoke,
} from "./session/access.js";
import { Session } from "./session/session.js";
import { environmentProblem, problem, sentence, signalProblem } from "./state/problems.js";
import { Store } from "./state/store.js";

// Rules and words for whoever draws the state.
export { fromFile, fromScreen, fromVideo, openCamera, stop as stopCamera } from "./session/picture.js";
export { readAddress } from "./state/address.js";
export { Floor } from "./state/floor.js";
export { howToAsk, roomFacts } from "./state/room-facts.js";
export { cutWords, shownText } from "./state/captions.js";
export { pictureWords } from "./state/pictures.js";
export { sentence } from "./state/problems.js";
export { holdsToTalk, may } from "./state/store.js";
export { costOf } from "./state/usage.js";

/**
 * @typedef {import("./state/store.js").State} State
 * @typedef {import("./state/store.js").Caption} Caption
 * @typedef {import("./state/store.js").Participant} Participant
 * @typedef {import("./state/store.js").Problem} Problem
 * @typedef {import("./state/store.js").Question} Question
 * @typedef {import("./state/store.js").Rules} Rules
 * @typedef {import("./state/store.js").SpeakerUse} SpeakerUse
 * @typedef {import("./state/store.js").Address} Address
 * @typedef {import("./state/pictures.js").ShownPicture} ShownPicture
 * @typedef {import("./session/access.js").Access} Access
 * @typedef {import("./session/access.js").Invitation} Invitation
 * @typedef {import("./session/access.js").Role} Role
 * @typedef {import("./session/archive.js").Conversation} Conversation
 * @typedef {import("./session/archive.js").Format} Format
 * @typedef {import("./session/archive.js").Hit} Hit
 * @typedef {import("./session/archive.js").Listed} Listed
 * @typedef {import("./session/archive.js").Recorded} Recorded
 * @typedef {import("./session/microphone.js").MicrophoneChoice} MicrophoneChoice
 * @typedef {import("./session/picture.js").Picture} Picture
 */

/**
 * One person's place in a room. It connects and connects again by itself, and reports failures as problems, with words
 * for people. Events, each with its `detail`:
 *
 * | event     | detail                                                                                     |
 * |-----------|--------------------------------------------------------------------------------------------|
 * | `change`  | the state, after it has changed; at most once per frame of the display                     |
 * | `caption` | a line that is new or has changed; the same `item` is the same line                        |
 * | `problem` | `{code, title, cure, tone}`; `state.problems` has those that last                          |
 * | `joined`  | the state: the person is in the room, again after a loss, or the audio was built anew      |
 * | `left`    | the state: the person has left, or had to                                                  |
 * | `message` | a control message of the gateway, but `level` and `pong`                                   |
 * | `unsaid`  | `{text}`: a typed line that was lost with the connection; `state.captions` has it no more     |
 * | `devices` | nothing: a microphone or speaker came or went                                              |
 */
export class Client extends EventTarget {
  #store = new Store();
  /** @type {Session} */
  #session;
  /** @type {Caption[]} */
  #lines = [];
  #isIn = false;

  /**
   * @param {object} [options]
   * @param {{targetMs?: number, fixed?: boolean}} [options.jitter] for tests: a buffer of a fixed length
   * @param {boolean} [options.allowWorker] whether the audio channel may live in a Worker
   * @param {"direct"|"element"} [options.route] to the speaker, where the self-test has found a better one
   */
  constructor({ jitter = {}, allowWorker = true, route } = {}) {
    super();
    this.#session = new Session(this.#store, { jitter, allowWorker, route });
    this.#session.onJoined = () => this.#emit("joined", this.state);
    this.#session.onDevices = () => this.#emit("devices");
    this.#session.onUnsaid = (text) => this.#emit("unsaid", { text });
    this.#store.onNote = (/** @type {any} */ { type, atMs, ...fields }) => {
      if (type === "control") this.#emit("message", fields.message);
      else if (type === "problem") this.#emit("problem", fields);
    };
    this.#store.subscribe((state) => this.#changed(state));
    const unfit = environmentProblem();
    if (unfit) this.#store.raise(unfit);
  }

  /** @param {string} type @param {unknown} [detail] */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {State} state */
  #changed(state) {
    if (state.captions !== this.#lines) {
      const known = new Set(this.#lines);
      this.#lines = state.captions;
      for (const line of state.captions) if (!known.has(line)) this.#emit("caption", line);
    }
    const wasIn = this.#isIn;
    this.#isIn = state.phase !== "lobby";
    if (wasIn && !this.#isIn) this.#emit("left", state);
    this.#emit("change", state);
  }

  // -- what is known ---------------------------------------------------------------------------

  /** All that is known; to be read, not written. @returns {State} */
  get state() {
    return this.#store.state;
  }

  /** Levels in dBFS by participant id, of "assistant" and of "me"; to be looked at while drawing. */
  get levels() {
    return this.#store.levels;
  }

  /** The latest events, newest last, for tests. */
  get events() {
    return this.#store.events;
  }

  /** What was said, as the gateway keeps it: the conversation so far, earlier ones, files to save. */
  get archive() {
    return this.#session.archive;
  }

  /** All figures: round trip, buffer, losses, devices. */
  stats() {
    return this.#session.stats();
  }

  // -- joining and leaving ---------------------------------------------------------------------

  /**
   * Learn who this browser is to the gateway; with the token of an invitation or the value of MIXMINUS_TOKEN, it is
   * exchanged for a cookie. Asks until the gateway answers; a refusal is a problem.
   * @param {{invite?: string, token?: string}} [given]
   * @returns {Promise<Access|null>} null: refused
   */
  async enter({ invite: invited = "", token = "" } = {}) {
    const trouble = (/** @type {any} */ error) => this.#store.raise(signalProblem(error, false));
    const calm = () => this.#store.clear("unreachable", "busy");
    this.#store.set({ entering: true });
    try {
      const access = await enter(invited || token, trouble);
      this.#store.set({ access });
      calm();
      return access;
    } catch (error) {
      calm();
      trouble(error);
      return null;
    } finally {
      this.#store.set({ entering: false });
    }
  }

  /**
   * Open the microphone and join; must be called in a gesture of the person, such as a click.
   * @param {object} [choice]
   * @param {string} [choice.room] lower-case letters, digits, - and _
   * @param {string} [choice.name] what people see; an invitation with a name wins
   * @param {string} [choice.mode] "assistant" or "conference", for the first in a room
   * @param {string} [choice.deviceId] of the microphone; empty: the browser's default
   * @param {boolean} [choice.raw] without echo cancellation and noise suppression
   * @param {boolean} [choice.listenOnly] without a microphone
   * @param {string} [choice.place] where this device is, if others of the room are in the same physical room
   */
  async join({
    room = "home", name = "Guest", mode = "assistant", deviceId = "", raw = false, listenOnly = false, place = "",
  } = {}) {
    await this.#session.join({
      room, name, mode, deviceId, raw, listenOnly, place,
    });
  }

  /** This device is somewhere else now. @param {string} place empty: where no other device of the room is */
  setPlace(place) {
    this.#session.setPlace(place);
  }

  /** What this device's sound is for, where several devices are in one place. @param {SpeakerUse} use */
  setSpeakerUse(use) {
    this.#session.setSpeakerUse(use);
  }

  /** Leave the room; the microphone closes. */
  async leave() {
    await this.#session.leave();
  }

  // -- talking ---------------------------------------------------------------------------------

  /** @param {boolean} muted */
  setMuted(muted) {
    this.#session.talk.setMuted(muted);
  }

  /** @param {"open"|"hold"} talk open microphone, or push-to-talk */
  setTalk(talk) {
    this.#session.talk.setMode(talk);
  }

  /** The talk button goes down or up. @param {boolean} down @returns {boolean} whether it is held now */
  press(down) {
    return this.#session.talk.press(down);
  }

  // -- the assistant ---------------------------------------------------------------------------

  /** Send a typed line. @param {string} text @returns {boolean} sent */
  say(text) {
    return this.#session.typed.say(text);
  }

  /**
   * Show a picture (`fromFile`, `fromScreen`, `fromVideo`).
   * @param {Picture} picture @param {string} [text] typed with it
   * @throws {Error} with `status` and `detail`: the gateway refused, or does not answer
   */
  async show(picture, text = "") {
    await this.#session.show(picture, text);
  }

  /** Stop what the assistant says. */
  interrupt() {
    this.#session.stopAssistant();
  }

  /**
   * Have the room recorded (admins, where it is allowed), or object to it (everybody).
   * @param {boolean} on
   * @returns {boolean} sent; an objection that was not is said as soon as the connection is there again
   */
  record(on) {
    return this.#session.recording.say(on);
  }

  /** Answer a tool's question. @param {string} call its `call` @param {boolean} allow */
  confirm(call, allow) {
    this.#session.confirm(call, allow);
  }

  /** Remove a question that timed out. @param {string} call its `call` */
  dropQuestion(call) {
    this.#session.dropQuestion(call);
  }

  // -- microphone and speaker ------------------------------------------------------------------

  get hasMicrophone() {
    return this.#session.audio.hasMicrophone;
  }

  /** The chosen microphone, and what the browser made of the wish. */
  get microphone() {
    const { deviceId, raw, settings } = this.#session.audio.microphone;
    return { deviceId, raw, settings };
  }

  /** Id of the chosen speaker; empty: the browser's default. */
  get outputId() {
    return this.#session.audio.outputId;
  }

  /** Whether this browser sends sound to a chosen speaker. */
  get canChooseOutput() {
    return canChooseOutput(this.#session.audio.route);
  }

  /** The AudioWorkletNode from which everything that is heard comes; null: not built. */
  get playbackNode() {
    return this.#session.audio.playbackNode;
  }

  /** Open the microphone, or another one. @param {MicrophoneChoice} [choice] what it leaves out stays as it is */
  async openMicrophone(choice = {}) {
    await this.#session.openMicrophone(choice);
  }

  /** Microphones and speakers by name; names are empty before permission. */
  devices() {
    return listDevices();
  }

  /** @param {string} deviceId empty: the browser's default @throws {DOMException} it is gone */
  async setOutput(deviceId) {
    await this.#session.audio.setOutput(deviceId);
  }

  /** Two soft notes. */
  async playTestSound() {
    if (await this.#session.microphone.openGraph()) await this.#session.audio.playTestSound();
  }

  /** Start sound after a gesture, where the browser has not (`state.audioRunning`). */
  async resume() {
    await this.#session.resume();
  }

  // -- what admins do; all throw an Error with `status` and `detail` ---------------------------

  /** @param {{role: Role, name: string, lifetime_s: number, once: boolean}} wish the link and its QR code are in the answer */
  invite(wish) {
    return invite(this.state.room, wish);
  }

  /** The room's invitations. */
  invitations() {
    return invitations(this.state.room);
  }

  /** @param {string} id of an invitation */
  revoke(id) {
    return revoke(this.state.room, id);
  }

  /** @param {string} participant @param {{muted: boolean, locked: boolean}} wish `locked`: they cannot unmute */
  muteOther(participant, wish) {
    return mute(this.state.room, participant, wish);
  }

  /** @param {string} participant */
  remove(participant) {
    return remove(this.state.room, participant);
  }

  /** @param {{mode?: string, rules?: Partial<Rules>}} change for everybody in the room */
  async changeRoom(change) {
    const { mode, rules } = await changeRoom(this.state.room, change);
    this.#store.set({ mode, rules });
  }

  /** Everybody has to leave. */
  closeRoom() {
    return closeRoom(this.state.room);
  }

  // -- problems --------------------------------------------------------------------------------

  /** Show a refused request as a problem. @param {any} error what one of the methods above threw */
  report(error) {
    const cure = sentence(error.detail ?? String(error));
    this.#store.raise(problem("refused", { cure, action: "OK", command: "dismiss" }));
  }

  /** The person has read a problem. @param {string} code */
  dismiss(code) {
    this.#store.clear(code);
  }

  /** For tests: take a control message as if the gateway had sent it. @param {object} message */
  receive(message) {
    this.#session.inbox.take(message);
  }
}
