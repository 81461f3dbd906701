// @ts-check
/** What the settings of the gateway say of a room, in words for everybody in it. */

/** When the assistant answers. @type {Record<import("./store.js").Address, string>} */
const ANSWERS = {
  always: "Whenever somebody speaks",
  addressed: "When it is called by name, as soon as two people are here",
  open: "When it is called by name, and for a while after each reply",
  push_to_talk: "When somebody holds the talk button",
};

/**
 * What is told of a room in its settings dialog; what the gateway does not say is left out.
 * @param {import("./store.js").State} state
 * @returns {[string, string][]} a name and what holds
 */
export function roomFacts({ persona, address, keepsTranscript, mayBeRecorded }) {
  return [
    .../** @type {[string, string][]} */ (persona ? [["The assistant is called", persona]] : []),
    ["It answers", ANSWERS[address]],
    ["What is said", keepsTranscript ? "Is written down and kept" : "Is not kept by this gateway"],
    ["Recording", mayBeRecorded ? "Allowed, with everybody's consent" : "Not allowed"],
  ];
}

/**
 * What people have to do to be answered, where it is not enough to speak; empty: it is.
 * @param {import("./store.js").State} state
 */
export function howToAsk({ address, persona, participants }) {
  const called = persona ? `“${persona}”` : "its name";
  if (participants.length < 2) return "";
  if (address === "addressed") return `Say ${called} to be answered`;
  return address === "open" ? `Say ${called} to begin` : "";
}

/**
 * The fields of a `state` message that are the room's rules, but for the address.
 * @param {any} message
 * @returns {Partial<import("./store.js").State>}
 */
export function rulesOf({ persona, transcript, recording_allowed: recording }) {
  return {
    ...(typeof persona === "string" ? { persona } : {}),
    ...(typeof transcript === "boolean" ? { keepsTranscript: transcript } : {}),
    ...(typeof recording === "boolean" ? { mayBeRecorded: recording } : {}),
  };
}
