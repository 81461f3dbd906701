// @ts-check
/** What the page knows, in one object; listeners are told at most once per animation frame. */

const EVENT_LIMIT = 1000;

/**
 * @typedef {object} Participant
 * @property {string} participant
 * @property {string} name
 * @property {boolean} muted
 *
 * @typedef {object} Caption
 * @property {string} item
 * @property {string} speaker "assistant", or a participant's id
 * @property {string} name the speaker's name when the line was last written
 * @property {string} text
 * @property {boolean} final
 * @property {boolean} [interrupted]
 * @property {"speech"|"typed"|"tool"|"note"} kind
 * @property {string} [status] of a tool
 *
 * @typedef {object} Question a tool waits for a yes
 * @property {string} call
 * @property {string} question
 * @property {string} asker name of whoever it is for, or empty
 * @property {number} atMs when it was asked, by performance.now()
 * @property {number} timeoutMs
 * @property {boolean} answered here; the gateway has not said so yet
 *
 * @typedef {object} Problem
 * @property {string} code
 * @property {string} title
 * @property {string} cure
 * @property {"error"|"warning"|"info"} tone
 * @property {string} [action] label of the button
 * @property {string} [command] what the button does
 */

/** The state of a page that has just been opened. */
export function initialState() {
  return {
    /** @type {"lobby"|"joining"|"connected"|"reconnecting"} */
    phase: "lobby",
    attempt: 0,
    room: "home",
    name: "",
    mode: "assistant",
    participant: "",
    muted: false,
    listenOnly: false,
    assistant: "idle",
    upstream: "connecting",
    simulated: false,
    detail: "",
    /** The assistant hears the room only while somebody holds a button: a rule of the gateway. */
    pushToTalk: false,
    /** The assistant answers with sound. */
    speaks: true,
    /** How this person talks. @type {"open"|"hold"} */
    talk: "open",
    /** The talk button is held. */
    pressed: false,
    /** Tools at work: names by call. @type {Record<string, string>} */
    tools: {},
    /** @type {Question[]} */
    questions: [],
    /** @type {Participant[]} */
    participants: [],
    /** @type {Caption[]} */
    captions: [],
    /** @type {Problem[]} */
    problems: [],
    rttMs: /** @type {number|null} */ (null),
    latency: /** @type {Record<string, number>} */ ({}),
    usage: /** @type {import("./usage.js").Usage|null} */ (null),
    audioRunning: false,
    talkingWhileMuted: false,
  };
}

/** Is the microphone heard only while the button is held? @param {{pushToTalk: boolean, talk: string}} state */
export function holdsToTalk({ pushToTalk, talk }) {
  return pushToTalk || talk === "hold";
}

export class Store {
  constructor() {
    this.state = initialState();
    /** Levels in dBFS by participant id, "assistant" and "me"; they change too often for listeners. */
    /** @type {Map<string, number>} */
    this.levels = new Map();
    /** What happened, newest last, bounded. @type {{atMs: number, type: string}[]} */
    this.events = [];
    /** @type {Set<(state: ReturnType<typeof initialState>) => void>} */
    this.listeners = new Set();
    this.scheduled = false;
  }

  /** @param {Partial<ReturnType<typeof initialState>>} change */
  set(change) {
    Object.assign(this.state, change);
    this.#schedule();
  }

  /** @param {(state: ReturnType<typeof initialState>) => void} listener */
  subscribe(listener) {
    this.listeners.add(listener);
    this.#schedule();
  }

  #schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    // A hidden page gets no animation frames; its state must not wait for one.
    if (document.hidden) setTimeout(() => this.#tell(), 50);
    else requestAnimationFrame(() => this.#tell());
  }

  #tell() {
    this.scheduled = false;
    for (const listener of this.listeners) listener(this.state);
  }

  /** @param {string} type @param {object} [fields] */
  note(type, fields = {}) {
    this.events.push({ ...fields, type, atMs: performance.now() });
    if (this.events.length > EVENT_LIMIT) this.events.splice(0, EVENT_LIMIT / 2);
  }

  /** Show a problem; the same code replaces its predecessor. @param {Problem} problem */
  raise(problem) {
    const others = this.state.problems.filter((known) => known.code !== problem.code);
    this.note("problem", { code: problem.code, title: problem.title });
    this.set({ problems: [...others, problem] });
  }

  /** @param {...string} codes */
  clear(...codes) {
    const { problems } = this.state;
    if (!problems.some((problem) => codes.includes(problem.code))) return;
    this.set({ problems: problems.filter((problem) => !codes.includes(problem.code)) });
  }
}
