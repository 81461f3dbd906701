// @ts-check
/** Who this browser is to the gateway, and what admins may ask of it. */

import { SignalError, askGateway } from "./signal.js";

/**
 * @typedef {"listen"|"speak"|"admin"} Role
 *
 * @typedef {object} Access
 * @property {Role} role
 * @property {string} name the verified name, or empty
 * @property {boolean} verified
 * @property {boolean} guest came by an invitation
 * @property {string[]|null} rooms null: all
 *
 * @typedef {object} Invitation
 * @property {string} id
 * @property {Role} role
 * @property {string} name
 * @property {number} expires_s Unix time
 * @property {boolean} once
 * @property {"open"|"used"|"revoked"|"expired"} state
 * @property {string} [link] only where it has just been made
 * @property {string} [qr] SVG
 */

/** Between two attempts to reach the gateway. */
const RETRY_MS = 2000;

/**
 * Exchange a token for a session, or ask who this browser is; again and again until the gateway answers.
 * @param {string} given the token; empty: there is none
 * @param {(error: SignalError) => void} onTrouble an attempt failed, another one follows
 * @returns {Promise<Access>}
 * @throws {SignalError} the gateway refused
 */
export async function enter(given, onTrouble) {
  for (;;) {
    try {
      return given ? await askGateway("POST", "session", { token: given }) : await askGateway("GET", "session");
    } catch (error) {
      if (!(error instanceof SignalError && error.retryable)) throw error;
      onTrouble(error);
      await new Promise((resolve) => setTimeout(resolve, Math.max(RETRY_MS, error.retryAfterMs)));
    }
  }
}

/**
 * @param {string} room
 * @param {{role: Role, name: string, lifetime_s: number, once: boolean}} wish
 * @returns {Promise<Invitation & {link: string, qr: string}>}
 */
export function invite(room, wish) {
  return askGateway("POST", `${at(room)}/invitations`, wish);
}

/** @param {string} room @returns {Promise<Invitation[]>} */
export async function invitations(room) {
  return (await askGateway("GET", `${at(room)}/invitations`)).invitations;
}

/** @param {string} room @param {string} id */
export function revoke(room, id) {
  return askGateway("DELETE", `${at(room)}/invitations/${encodeURIComponent(id)}`);
}

/**
 * Mute somebody, or let them unmute themselves again.
 * @param {string} room @param {string} participant @param {{muted: boolean, locked: boolean}} wish
 */
export function mute(room, participant, wish) {
  return askGateway("PUT", `${at(room)}/participants/${encodeURIComponent(participant)}/mute`, wish);
}

/** @param {string} room @param {string} participant */
export function remove(room, participant) {
  return askGateway("DELETE", `${at(room)}/participants/${encodeURIComponent(participant)}`);
}

/**
 * Change a room for everybody in it.
 * @param {string} room
 * @param {{mode?: string, rules?: Partial<import("../state/store.js").Rules>}} change
 * @returns {Promise<{mode: string, rules: import("../state/store.js").Rules}>} what holds now
 */
export function changeRoom(room, change) {
  return askGateway("PATCH", at(room), change);
}

/** @param {string} room */
export function closeRoom(room) {
  return askGateway("DELETE", at(room));
}

/** @param {string} room */
function at(room) {
  return `rooms/${encodeURIComponent(room)}`;
}
