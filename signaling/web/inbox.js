// @ts-check
/** Folds what the gateway says on the control channel into the store. */

import { foldCaption } from "./captions.js";
import { problem } from "./problems.js";

const ERROR_SHOWN_MS = 8000;
const DONE = ["done", "completed", "failed", "error"];

export class Inbox {
  /**
   * @param {import("./state.js").Store} store
   * @param {{heard: () => void, flush: (epoch: number) => void}} hooks
   */
  constructor(store, { heard, flush }) {
    this.store = store;
    this.heard = heard;
    this.flush = flush;
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
      flush: () => this.flush(message.epoch),
      tool: () => this.#tool(message),
      latency: () => this.store.set({ latency: { ...this.state.latency, ...numbers(message) } }),
      usage: () => this.store.set({ usage: message }),
      pong: () => this.#pong(message.t),
      error: () => this.#error(message),
    };
    if (Object.hasOwn(handlers, message.type)) handlers[/** @type {keyof typeof handlers} */ (message.type)]();
  }

  /** @param {any} message */
  #welcome(message) {
    this.store.set({
      room: message.room ?? this.state.room, participant: message.participant ?? "",
      mode: message.mode ?? this.state.mode, version: message.version ?? "",
    });
    if (Number.isInteger(message.epoch)) this.flush(message.epoch);
  }

  /** @param {any} message */
  #assistantState(message) {
    const { assistant = this.state.assistant, upstream = this.state.upstream, detail = "" } = message;
    const simulated = message.simulated ?? this.state.simulated;
    const tool = assistant === "thinking" ? this.state.tool : "";
    this.store.set({ assistant, upstream, simulated, detail, tool });
    this.store.clear("upstream", "upstream-retry");
    if (upstream === "failed") this.store.raise(problem("upstream", detail ? { cure: detail } : {}));
    if (upstream === "reconnecting") this.store.raise(problem("upstream-retry", detail ? { cure: detail } : {}));
  }

  /** @param {Record<string, number>} levels */
  #levels(levels) {
    for (const [id, dbfs] of Object.entries(levels)) this.store.levels.set(id, dbfs);
  }

  /** @param {any} message */
  #caption(message) {
    const speaker = String(message.speaker ?? "assistant");
    const person = this.state.participants.find((known) => known.participant === speaker);
    const name = message.name ?? (speaker === "assistant" ? "Assistant" : person?.name ?? "Room");
    const line = {
      item: String(message.item ?? ""), speaker, name, text: String(message.text ?? ""),
      final: Boolean(message.final), interrupted: Boolean(message.interrupted),
      kind: /** @type {const} */ ("speech"),
    };
    this.store.set({ captions: foldCaption(this.state.captions, line) });
  }

  /** @param {any} message */
  #tool(message) {
    const running = !DONE.includes(message.status);
    const line = {
      item: `tool-${message.id ?? message.item ?? message.name}`, speaker: "tool", name: "Tool",
      text: [message.name, message.status].filter(Boolean).join(" · "), final: !running,
      kind: /** @type {const} */ ("tool"),
    };
    this.store.set({ tool: running ? message.name : "", captions: foldCaption(this.state.captions, line) });
  }

  /** @param {number} sentAtMs */
  #pong(sentAtMs) {
    if (typeof sentAtMs !== "number") return;
    const rttMs = performance.now() - sentAtMs;
    const before = this.state.rttMs;
    this.store.set({ rttMs: before === null ? rttMs : before + 0.3 * (rttMs - before) });
  }

  /** @param {any} message */
  #error(message) {
    const code = `gateway-${message.code ?? "error"}`;
    this.store.raise({ ...problem("gateway"), code, cure: String(message.message ?? message.code ?? "") });
    setTimeout(() => this.store.clear(code), ERROR_SHOWN_MS);
  }
}

/** The numeric fields of a message. @param {Record<string, unknown>} message */
function numbers(message) {
  return /** @type {Record<string, number>} */ (Object.fromEntries(
    Object.entries(message).filter(([, value]) => typeof value === "number"),
  ));
}
