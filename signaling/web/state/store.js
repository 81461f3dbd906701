// @ts-check
/** The state of the page, in one object; listeners are called at most once per animation frame. */

const EVENT_LIMIT = 1000;

/**
 * @typedef {object} Participant
 * @property {string} participant
 * @property {string} name
 * @property {boolean} muted
 * @property {"listen"|"speak"|"admin"} [role]
 * @property {boolean} [verified] the name comes from an invitation
 * @property {string} [place] where the device is; without: in a place of its own
 * @property {boolean} [plays] false: another device of its place plays the sound
 * @property {string} [hears] whom its microphone hears from another device: a participant, or "assistant"
 *
 * @typedef {object} Rules what an admin has decided for the room
 * @property {boolean} locked nobody new comes in but admins
 * @property {boolean} enter_muted who comes in is muted until an admin lets them speak
 * @property {"speak"|"admin"} stop the least role that may stop the assistant
 * @property {"speak"|"admin"} confirm the least role that may answer its questions
 * @property {""|Address} address when the assistant answers; empty: as the settings say
 *
 * @typedef {"always"|"addressed"|"open"|"push_to_talk"} Address
 *
 * @typedef {{phase: "off"|"soon"|"on", words: string}} Recording soon: people may object before it begins
 *
 * @typedef {"auto"|"take"|"headphones"} SpeakerUse auto: the first device of the place plays; take: this one does;
 *   headphones: this one does for one person, besides
 *
 * @typedef {object} Caption
 * @property {string} item
 * @property {string} speaker "assistant", or a participant's id
 * @property {string} name the speaker's name when the line was last updated
 * @property {string} text
 * @property {boolean} final
 * @property {boolean} [interrupted]
 * @property {number} [position] its place in the conversation; without: not known yet
 * @property {string} [cut] why it is not all that the assistant wanted to say, as a code of the gateway
 * @property {"speech"|"typed"|"tool"} kind
 * @property {import("./pictures.js").ShownPicture} [picture] what was shown with it
 * @property {string} [status] of a tool call
 *
 * @typedef {object} Question a tool call waits for a yes
 * @property {string} call id of the tool call
 * @property {string} question
 * @property {string} asker name of the person it is for, or empty
 * @property {number} atMs when it was asked, by performance.now()
 * @property {number} timeoutMs
 * @property {boolean} answered here; the gateway has not confirmed it yet
 *
 * @typedef {object} Problem
 * @property {string} code
 * @property {string} title
 * @property {string} cure
 * @property {"error"|"warning"|"info"} tone
 * @property {string} [action] label of the button
 * @property {string} [command] what the button does
 *
 * @typedef {ReturnType<typeof initialState>} State
 */

/** The rules of a room where no admin has decided anything. @type {Rules} */
export const USUAL_RULES = { locked: false, enter_muted: false, stop: "admin", confirm: "speak", address: "" };

/** The state of a page that has just been opened. */
export function initialState() {
  return {
    /** @type {"lobby"|"joining"|"connected"|"reconnecting"} */
    phase: "lobby",
    attempt: 0,
    /** The gateway is full, and the page waits in line. */
    inLine: false,
    room: "home",
    name: "",
    mode: "assistant",
    /** Where this device is, with others; empty: in a place of its own. */
    place: "",
    /** What this device's sound is for, where several are in one place. @type {SpeakerUse} */
    speakerUse: "auto",
    /** Who this browser is to the gateway; null: not known yet. @type {import("../session/access.js").Access|null} */
    access: null,
    /** Whether the gateway is being asked; joining has to wait. */
    entering: false,
    muted: false,
    listenOnly: false,
    /** How this person talks: open microphone or push-to-talk. @type {"open"|"hold"} */
    talk: "open",
    /** @type {Problem[]} */
    problems: [],
    audioRunning: false,
    ...roomState(),
  };
}

/** What is known of a room, and of this person in it: who leaves knows nothing of it any more. */
export function roomState() {
  return {
    rules: USUAL_RULES,
    participant: "",
    /** What this person may do. */
    role: /** @type {"listen"|"speak"|"admin"} */ ("admin"),
    /** This person's name comes from an invitation. */
    verified: false,
    /** An admin has muted this person, and only an admin can let them speak. */
    mutedByAdmin: false,
    assistant: "idle",
    /** The assistant was cut off a moment ago. */
    interrupted: false,
    upstream: "connecting",
    simulated: false,
    detail: "",
    /** The assistant hears the room only while somebody holds the talk button. */
    pushToTalk: false,
    /** When the assistant answers, now. */
    address: /** @type {Address} */ ("always"),
    /** The assistant answers with speech, not only with text. */
    speaks: true,
    /** The assistant's name in this room; empty: none. */
    persona: "",
    /** What is said is kept in the gateway's journal, for all that is known. */
    keepsTranscript: true,
    /** The room's settings allow a recording. */
    mayBeRecorded: false,
    /** Whether it is recorded; words: who wants it, or why it has ended. */
    recording: /** @type {Recording} */ ({ phase: "off", words: "" }),
    /** What pictures may be; null: none can be shown here. */
    images: /** @type {import("./pictures.js").PictureLimits|null} */ (null),
    /** The assistant's model takes pictures, for all that is known. */
    takesImages: true,
    /** The talk button is held. */
    pressed: false,
    /** Running tools: names by id of the tool call. */
    tools: /** @type {Record<string, string>} */ ({}),
    questions: /** @type {Question[]} */ ([]),
    participants: /** @type {Participant[]} */ ([]),
    captions: /** @type {Caption[]} */ ([]),
    /** How often somebody has deleted what was said so far. */
    deletions: 0,
    rttMs: /** @type {number|null} */ (null),
    latency: /** @type {Record<string, number>} */ ({}),
    usage: /** @type {import("./usage.js").Usage|null} */ (null),
    talkingWhileMuted: false,
  };
}

/**
 * Whether this person is heard only while they hold the talk button.
 * @param {{pushToTalk: boolean, talk: string}} state
 */
export function holdsToTalk({ pushToTalk, talk }) {
  return pushToTalk || talk === "hold";
}

const ROLES = ["listen", "speak", "admin"];

/**
 * Whether a role includes what `least` may do.
 * @param {"listen"|"speak"|"admin"} role @param {"listen"|"speak"|"admin"} least
 */
export function may(role, least) {
  return ROLES.indexOf(role) >= ROLES.indexOf(least);
}

export class Store {
  constructor() {
    this.state = initialState();
    /**
     * Levels in dBFS by participant id, "assistant" and "me"; they change too often for listeners.
     * @type {Map<string, number>}
     */
    this.levels = new Map();
    /** The latest events, newest last, for tests. @type {{atMs: number, type: string}[]} */
    this.events = [];
    /** Called with each of them. @type {((event: object) => void)|null} */
    this.onNote = null;
    /** @type {Set<(state: State) => void>} */
    this.listeners = new Set();
    this.scheduled = false;
    // The frame that was asked for a moment ago does not come any more.
    document.addEventListener("visibilitychange", () => document.hidden && this.#notify());
  }

  /** @param {Partial<State>} change */
  set(change) {
    Object.assign(this.state, change);
    this.#schedule();
  }

  /** @param {(state: State) => void} listener */
  subscribe(listener) {
    this.listeners.add(listener);
    this.#schedule();
  }

  #schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    // A hidden page gets no animation frames.
    if (document.hidden) setTimeout(() => this.#notify(), 50);
    else requestAnimationFrame(() => this.#notify());
  }

  #notify() {
    if (!this.scheduled) return;
    this.scheduled = false;
    for (const listener of this.listeners) listener(this.state);
  }

  /** Record an event. @param {string} type @param {object} [fields] */
  note(type, fields = {}) {
    const event = { ...fields, type, atMs: performance.now() };
    this.events.push(event);
    this.onNote?.(event);
    if (this.events.length > EVENT_LIMIT) this.events.splice(0, EVENT_LIMIT / 2);
  }

  /** Show a problem, in place of an earlier one with the same code. @param {Problem} problem */
  raise(problem) {
    const others = this.state.problems.filter((known) => known.code !== problem.code);
    this.note("problem", { ...problem });
    this.set({ problems: [...others, problem] });
  }

  /** Take problems away. @param {...string} codes */
  clear(...codes) {
    const { problems } = this.state;
    if (!problems.some((problem) => codes.includes(problem.code))) return;
    this.set({ problems: problems.filter((problem) => !codes.includes(problem.code)) });
  }
}
