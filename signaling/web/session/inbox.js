// @ts-check
/** Folds the gateway's control messages into the store. */

import { foldCaption, isAwaited, moveCaptions, withoutTyped } from "../state/captions.js";
import { pictureLimits, pictureOf } from "../state/pictures.js";
import {
  gatewayProblem, problem, recordingProblem, sentence, stopProblem, upstreamProblem,
} from "../state/problems.js";
import { rulesOf } from "../state/room-facts.js";
import { USUAL_RULES } from "../state/store.js";
import { foldQuestions, foldTools, isOpen, toolItem, toolWords } from "../state/tools.js";
import { budgetShare } from "../state/usage.js";

const ADDRESSES = ["always", "addressed", "open", "push_to_talk"];
const ERROR_SHOWN_MS = 8000;
/** Words that somebody has said are awaited for so long. */
const WORDS_MS = 20_000;
/** A pong that is older was under way while the page stood still: it says nothing of the network. */
const LONGEST_TRIP_MS = 5000;
/** Errors that are shown until the person closes them. */
const LASTING = { budget_low: "budget-low", other_model: "other-model", session_differs: "session-differs" };
/** What the gateway says about itself, and under which code it is shown. */
const NOTICES = { stopping: "stopping", given_up: "given-up", echo: "echo" };

export class Inbox {
  /**
   * @param {import("../state/store.js").Store} store
   * @param {object} hooks
   * @param {() => void} hooks.heard
   * @param {(epoch: number) => void} hooks.flush
   * @param {() => void} hooks.rules the room's rules about talking are known
   * @param {() => void} hooks.buttonRefused the gateway does not want to hear of the talk button
   * @param {() => void} hooks.sentAway this person has to leave
   * @param {() => void} hooks.welcomed the person is in the room: what was said before can be asked for
   * @param {() => void} [hooks.interrupted] a reply of the assistant was cut off
   * @param {(recording: import("../state/store.js").Recording) => void} [hooks.recorded] whether the room is recorded
   * @param {() => void} hooks.stopping the gateway is to stop, and may come back
   */
  constructor(store, {
    heard, flush, rules, buttonRefused, sentAway, welcomed, stopping,
    interrupted = () => {}, recorded = () => {},
  }) {
    this.interrupted = interrupted;
    this.recorded = recorded;
    this.store = store;
    this.heard = heard;
    this.flush = flush;
    this.rules = rules;
    this.buttonRefused = buttonRefused;
    this.sentAway = sentAway;
    this.welcomed = welcomed;
    this.stopping = stopping;
    /** Why the assistant is unavailable, as far as errors have told; empty: not known. */
    this.failedCode = "";
  }

  get state() {
    return this.store.state;
  }

  /** One message of the control channel. @param {any} message */
  take(message) {
    this.heard();
    if (message.type !== "level" && message.type !== "pong") this.store.note("control", { message });
    const handlers = {
      welcome: () => this.#welcome(message),
      state: () => this.#assistantState(message),
      participants: () => this.store.set({ participants: message.participants ?? [] }),
      level: () => this.#levels(message.levels ?? {}),
      caption: () => this.#caption(message),
      places: () => this.#places(message),
      forgotten: () => this.#forgotten(message),
      flush: () => this.flush(message.epoch),
      tool: () => this.#tool(message),
      latency: () => this.store.set({ latency: { ...this.state.latency, ...numbers(message) } }),
      usage: () => this.#usage(message),
      pong: () => this.#pong(message.t),
      room: () => this.#room(message),
      silenced: () => this.#silenced(message),
      bye: () => this.#bye(message),
      notice: () => this.#notice(message),
      rules: () => this.#rules(message),
      error: () => this.#error(message),
    };
    if (Object.hasOwn(handlers, message.type)) handlers[/** @type {keyof typeof handlers} */ (message.type)]();
  }

  /** @param {any} message */
  #welcome(message) {
    this.store.set({
      room: message.room ?? this.state.room, mode: message.mode ?? this.state.mode,
      participant: message.participant ?? "", name: message.name ?? this.state.name,
      role: message.role ?? "admin", verified: message.verified === true,
      rules: { ...USUAL_RULES, ...message.rules },
      pushToTalk: message.push_to_talk === true || this.state.address === "push_to_talk", speaks: message.speaks !== false,
      images: pictureLimits(message.images),
    });
    this.store.set({ mutedByAdmin: false });
    if (message.silenced === true) this.#waitForAdmin();
    else this.rules();
    if (Number.isInteger(message.epoch)) this.flush(message.epoch);
    this.welcomed();
  }

  /** An admin has changed the room. @param {any} message */
  #room(message) {
    const { mode, rules } = this.state;
    this.store.set({ mode: message.mode ?? mode, rules: { ...rules, ...message.rules } });
  }

  /** Only an admin can let this person speak. */
  #waitForAdmin() {
    this.store.set({ mutedByAdmin: true, muted: true });
    this.rules();
    this.store.raise(problem("silenced", { title: "You are muted", cure: "An admin of the room can let you speak." }));
  }

  /** @param {any} message */
  #assistantState(message) {
    const { assistant = this.state.assistant, upstream = this.state.upstream, detail = "" } = message;
    const simulated = message.simulated ?? this.state.simulated;
    this.store.set({ assistant, upstream, simulated, detail, takesImages: message.images !== false, ...rulesOf(message) });
    this.#address(message.address);
    this.#recorded(message.recording);
    this.store.clear("upstream", "upstream-retry");
    if (upstream === "ready") this.failedCode = "";
    if (upstream === "failed") this.#failed(message.code ?? this.failedCode);
    if (upstream !== "reconnecting") return;
    this.store.raise(problem("upstream-retry", detail ? { cure: sentence(detail) } : {}));
  }

  /** When the assistant answers; an older gateway does not say. @param {any} address */
  #address(address) {
    const pushToTalk = address === "push_to_talk";
    if (!ADDRESSES.includes(address)) return;
    if (address === this.state.address && pushToTalk === this.state.pushToTalk) return;
    this.store.set({ address, pushToTalk });
    this.rules();
  }

  /** Whether the room is recorded; gateways that cannot do it say nothing. @param {any} told */
  #recorded(told) {
    const { recording: before } = this.state;
    const recording = { phase: told?.phase ?? "off", words: String(told?.words ?? "") };
    this.recorded(recording);
    if (recording.phase === before.phase && recording.words === before.words) return;
    const isTold = this.state.problems.some(({ code }) => code === "recording-over");  // The reason may follow.
    this.store.set({ recording });
    this.store.clear("recording", "recording-soon", "recording-over");
    const shown = recordingProblem(recording, before.phase !== "off" || isTold);
    if (shown) this.store.raise(shown);
  }

  /** @param {string} code */
  #failed(code) {
    this.failedCode = code;
    const spent = code === "" && (budgetShare(this.state.usage) ?? 0) >= 1;
    if (spent || code === "budget_spent") this.store.clear("budget-low");
    this.store.raise(upstreamProblem(spent ? "budget_spent" : code, this.state.detail));
  }

  /** @param {Record<string, number>} levels */
  #levels(levels) {
    for (const [id, dbfs] of Object.entries(levels)) this.store.levels.set(id, dbfs);
  }

  /** @param {any} message */
  #caption(message) {
    const speaker = String(message.speaker ?? "assistant");
    const person = this.state.participants.find((known) => known.participant === speaker);
    const { persona } = this.state;
    const name = message.name ?? (speaker === "assistant" ? persona || "Assistant" : person?.name ?? "Room");
    const shown = pictureOf(message);
    const line = {
      item: String(message.item ?? ""), speaker, name, text: String(message.text ?? ""), ...shown,
      final: Boolean(message.final), interrupted: Boolean(message.interrupted),
      kind: /** @type {const} */ ("speech"), ...placeOf(message), ...(message.cut ? { cut: String(message.cut) } : {}),
    };
    const ends = (/** @type {import("../state/store.js").Caption[]} */ lines) => (
      lines.find(({ item }) => item === line.item)?.interrupted === true
    );
    const before = ends(this.state.captions);
    const captions = foldCaption(this.state.captions, line);
    this.store.set({ captions });
    if (isAwaited(line)) setTimeout(() => this.#giveUp(line.item), WORDS_MS);
    if (speaker === "assistant" && ends(captions) && !before) this.interrupted();
  }

  /** Words that have not come by now will not. @param {string} item */
  #giveUp(item) {
    const { captions } = this.state;
    if (captions.some((line) => line.item === item && isAwaited(line))) {
      this.store.set({ captions: captions.filter((line) => line.item !== item) });
    }
  }

  /** The places of lines have new numbers. @param {any} message */
  #places({ places = {}, calls = {} }) {
    const tools = Object.fromEntries(Object.entries(calls).map(([call, place]) => [toolItem(call), place]));
    this.store.set({ captions: moveCaptions(this.state.captions, { ...places, ...tools }) });
  }

  /** The gateway's settings of this room have changed. @param {any} message */
  #rules({ message }) {
    this.store.raise(problem("rules", { cure: sentence(String(message ?? "")) }));
    setTimeout(() => this.store.clear("rules"), ERROR_SHOWN_MS);
  }

  /** Somebody has deleted what was said so far. @param {any} message */
  #forgotten({ name }) {
    this.store.set({ captions: [], questions: [], tools: {}, deletions: this.state.deletions + 1 });
    this.store.raise(problem("forgotten", name ? { title: `${name} has deleted what was said so far` } : {}));
    setTimeout(() => this.store.clear("forgotten"), ERROR_SHOWN_MS);
  }

  /** @param {any} message */
  #tool(message) {
    const event = { ...message, name: String(message.name ?? "tool"), call: String(message.call ?? message.name) };
    const { captions, tools, questions } = this.state;
    const person = this.#nameOf(event.participant);
    const line = {
      item: toolItem(event.call), speaker: "tool", name: "Tool", text: toolWords(event, person), final: true,
      status: event.status, kind: /** @type {const} */ ("tool"), ...placeOf(message),
    };
    this.store.set({
      tools: foldTools(tools, event),
      questions: foldQuestions(questions, event, person, performance.now()),
      captions: foldCaption(captions, isOpen(event) ? { ...line, final: false } : line),
    });
  }

  /** @param {unknown} participant */
  #nameOf(participant) {
    const { participants, participant: me, name } = this.state;
    if (participant && participant === me) return name;
    return participants.find((known) => known.participant === participant)?.name ?? "";
  }

  /** @param {import("../state/usage.js").Usage} usage */
  #usage(usage) {
    this.store.set({ usage });
    if ((budgetShare(usage) ?? 0) < 0.8) this.store.clear("budget-low");
  }

  /** @param {number} sentAtMs */
  #pong(sentAtMs) {
    if (typeof sentAtMs !== "number") return;
    const rttMs = performance.now() - sentAtMs;
    if (rttMs > LONGEST_TRIP_MS) return;
    const before = this.state.rttMs;
    this.store.set({ rttMs: before === null ? rttMs : before + 0.3 * (rttMs - before) });
  }

  /** An admin mutes this person, or lets them unmute. @param {any} message */
  #silenced({ muted, locked }) {
    this.store.set({ mutedByAdmin: locked === true, ...(muted ? { muted: true } : {}) });
    this.rules();
    this.store.clear("silenced");
    const title = muted ? "An admin has muted you" : "An admin lets you speak again";
    const cure = !muted ? "Unmute yourself when you want to be heard."
      : locked ? "Only an admin can let you speak again." : "You can unmute yourself.";
    this.store.raise(problem("silenced", { title, cure }));
  }

  /** This person has to leave. @param {any} message */
  #bye({ code, message }) {
    this.sentAway();
    const titles = {
      removed: "You were removed", closed: "The room was closed", revoked: "Your invitation has ended",
      expired: "Your invitation has ended",
    };
    const title = titles[/** @type {keyof typeof titles} */ (code)] ?? "You have left";
    this.store.raise(problem("sent-away", { title, cure: sentence(String(message ?? "")) }));
  }

  /** Something about the gateway that lasts until it is taken back by no words. @param {any} told */
  #notice({ code, message, in_ms: inMs = 0 }) {
    const known = NOTICES[/** @type {keyof typeof NOTICES} */ (code)];
    if (!known) return;
    this.store.clear(known);
    if (!message) return;
    const cure = sentence(String(message));
    this.store.raise(known === "stopping" ? stopProblem(new Date(Date.now() + inMs), cure) : problem(known, { cure }));
    if (known === "stopping") this.stopping();
  }

  /** @param {any} message */
  #error(message) {
    if (message.code === "not_available" && this.state.talk === "hold" && !this.state.pushToTalk) {
      this.buttonRefused();
      return;
    }
    if (message.code === "muted_by_admin") {
      this.#waitForAdmin();
      return;
    }
    const { upstream, detail } = this.state;
    if (upstream === "failed" && detail && message.message === detail) {
      this.#failed(String(message.code ?? ""));
      return;
    }
    const lasting = LASTING[/** @type {keyof typeof LASTING} */ (message.code)];
    if (lasting) {
      this.store.raise(problem(lasting, { cure: sentence(String(message.message ?? "")) }));
      return;
    }
    if (typeof message.text === "string") this.store.set({ captions: withoutTyped(this.state.captions, message.text) });
    const told = gatewayProblem(String(message.code ?? "error"), String(message.message ?? ""));
    this.store.raise(told);
    setTimeout(() => this.store.clear(told.code), ERROR_SHOWN_MS);
  }
}

/** The place of a line, where the gateway has told it. @param {any} message @returns {{position?: number}} */
function placeOf({ position }) {
  return Number.isFinite(position) ? { position } : {};
}

/** The numeric fields of a message. @param {Record<string, unknown>} message */
function numbers(message) {
  return /** @type {Record<string, number>} */ (Object.fromEntries(
    Object.entries(message).filter(([, value]) => typeof value === "number"),
  ));
}
