// @ts-check
/** What was said in a room, as the gateway keeps it: the conversation that goes on, those before it, their files. */

import { addressOf, askGateway } from "./signal.js";

/**
 * @typedef {object} Entry something said, written or done
 * @property {string} item the same as in a caption
 * @property {number} position
 * @property {string} time ISO 8601
 * @property {"message"|"tool"} kind
 * @property {"user"|"assistant"|"system"} role
 * @property {boolean} final
 * @property {string} name of the speaker, or of the tool
 * @property {string} [participant]
 * @property {string} [text]
 * @property {number} [heard_ms] a reply that was cut off there
 * @property {string} [failure] why there are not all words
 * @property {string} [call] id of the tool call
 * @property {string} [status] of it: running, done, failed
 *
 * @typedef {object} Conversation
 * @property {number} conversation its id; 0: nothing was said yet
 * @property {string} began ISO 8601
 * @property {string|null} ended null: it goes on
 * @property {boolean} is_whole
 * @property {Entry[]} items
 *
 * @typedef {object} Listed
 * @property {number} conversation
 * @property {string} began
 * @property {string|null} ended
 * @property {number} entries
 * @property {string[]} people
 * @property {string} begins_with
 *
 * @typedef {object} Hit
 * @property {number} conversation
 * @property {string} item
 * @property {string} time
 * @property {string} role
 * @property {string} name
 * @property {string} snippet
 *
 * @typedef {object} Recorded
 * @property {string} recording its id
 * @property {string} began ISO 8601
 * @property {string|null} ended null: it goes on
 * @property {string} by who asked for it
 * @property {{file: string, name: string}[]} tracks
 * @property {{file: string, bytes: number}[]} files
 * @property {string[]} [left_out] names of those whose voice is not in it
 *
 * @typedef {"text"|"json"|"srt"|"vtt"} Format
 */

/** Of the room that `room` returns; methods throw an Error with `status` and `detail`. */
export class Archive {
  /** @param {() => string} room */
  constructor(room) {
    this.room = room;
  }

  /** The conversation that goes on. @param {number} [limit] the newest entries @returns {Promise<Conversation>} */
  running(limit = 200) {
    return askGateway("GET", `${this.#at}/conversation?limit=${limit}`);
  }

  /** One that is over; for admins, like all that follows. @param {number} id @returns {Promise<Conversation>} */
  conversation(id) {
    return askGateway("GET", `${this.#at}/conversations/${id}`);
  }

  /** All of them, newest first. @param {number} [before] only those before this id @returns {Promise<Listed[]>} */
  async list(before) {
    const more = before ? `?before=${before}` : "";
    return (await askGateway("GET", `${this.#at}/conversations${more}`)).conversations;
  }

  /** Where words were said. @param {string} words @returns {Promise<{hits: Hit[], is_complete: boolean}>} */
  search(words) {
    return askGateway("GET", `${this.#at}/search?${new URLSearchParams({ q: words })}`);
  }

  /** Delete a conversation for everybody. @param {number} [id] without: what was said so far */
  remove(id) {
    return askGateway("DELETE", id ? `${this.#at}/conversations/${id}` : `${this.#at}/conversation`);
  }

  /** Address of a file to save. @param {Format} format @param {number} [id] without: the conversation that goes on */
  address(format, id) {
    return addressOf(`${this.#at}/${id ? `conversations/${id}` : "conversation"}?format=${format}`);
  }

  /** Recordings of the room, newest first; for admins. @returns {Promise<Recorded[]>} */
  async recordings() {
    return (await askGateway("GET", `${this.#at}/recordings`)).recordings;
  }

  /** Address of a file of one. @param {string} recording its id @param {string} file */
  recordingAddress(recording, file) {
    return addressOf(`${this.#at}/recordings/${recording}/${file}`);
  }

  /** Delete one with all its files. @param {string} recording its id */
  removeRecording(recording) {
    return askGateway("DELETE", `${this.#at}/recordings/${recording}`);
  }

  get #at() {
    return `rooms/${encodeURIComponent(this.room())}`;
  }
}
