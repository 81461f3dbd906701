// @ts-check
/**
 * One audio frame on the wire: a 24-byte little-endian header, then 960 bytes of PCM.
 *
 * | offset | field    | type | meaning                                                    |
 * |--------|----------|------|------------------------------------------------------------|
 * | 0      | stream   | u32  | source or listener; 0 from the page                        |
 * | 4      | version  | u8   | 1                                                          |
 * | 5      | kind     | u8   | START 1, AUDIO 2, STOP 3, FLUSH 4, EVENT 5                 |
 * | 6      | epoch    | u16  | counts interruptions, serial arithmetic                    |
 * | 8      | seq      | u32  | counts frames, serial arithmetic                           |
 * | 12     | flags    | u32  | PAUSE 1, CONCEALED 2                                       |
 * | 16     | stamp_ns | u64  | when it was made, by the sender's monotonic clock          |
 */

const VERSION = 1;
export const HEADER_BYTES = 24;
/** Where in the header the stamp is. */
export const STAMP_OFFSET = 16;
export const SAMPLE_RATE_HZ = 24000;
export const FRAME_MS = 20;
export const FRAME_SAMPLES = 480;
export const FRAME_BYTES = 960;

/** Kinds of frames. */
export const KIND = Object.freeze({ START: 1, AUDIO: 2, STOP: 3, FLUSH: 4, EVENT: 5 });

/** A pause follows this frame; the next one may have any later seq. */
export const FLAG_PAUSE = 1;

const TWO_32 = 4294967296;

/** A message is not a valid frame. */
export class FrameError extends Error {}

/**
 * @typedef {object} Header
 * @property {number} stream u32
 * @property {number} kind one of KIND
 * @property {number} epoch u16
 * @property {number} seq u32
 * @property {number} flags u32, a sum of FLAG_*
 * @property {number} stampNs nanoseconds, exact up to 2**53
 */

/**
 * Make one message.
 * @param {Header} header
 * @param {Int16Array} pcm 480 samples for AUDIO, any length (also 0) otherwise
 * @returns {ArrayBuffer} header and payload
 */
export function encodeFrame(header, pcm) {
  const message = new ArrayBuffer(HEADER_BYTES + pcm.byteLength);
  const view = new DataView(message);
  view.setUint32(0, header.stream, true);
  view.setUint8(4, VERSION);
  view.setUint8(5, header.kind);
  view.setUint16(6, header.epoch, true);
  view.setUint32(8, header.seq, true);
  view.setUint32(12, header.flags, true);
  view.setUint32(16, header.stampNs % TWO_32, true);
  view.setUint32(20, Math.floor(header.stampNs / TWO_32), true);
  new Int16Array(message, HEADER_BYTES).set(pcm);
  return message;
}

/**
 * Read the header of one message; the payload begins at HEADER_BYTES.
 * @param {ArrayBuffer} message
 * @returns {Header}
 * @throws {FrameError} too short, wrong version, unknown kind, or AUDIO that is not 480 samples
 */
export function decodeFrame(message) {
  if (message.byteLength < HEADER_BYTES) {
    throw new FrameError(`a frame needs ${HEADER_BYTES} bytes, got ${message.byteLength}`);
  }
  const view = new DataView(message);
  const version = view.getUint8(4);
  if (version !== VERSION) throw new FrameError(`version ${version}, expected ${VERSION}`);
  const kind = view.getUint8(5);
  if (kind < KIND.START || kind > KIND.EVENT) throw new FrameError(`unknown kind ${kind}`);
  if (kind === KIND.AUDIO && message.byteLength !== HEADER_BYTES + FRAME_BYTES) {
    throw new FrameError(`audio payload of ${message.byteLength - HEADER_BYTES} bytes`);
  }
  return {
    stream: view.getUint32(0, true),
    kind,
    epoch: view.getUint16(6, true),
    seq: view.getUint32(8, true),
    flags: view.getUint32(12, true),
    stampNs: view.getUint32(16, true) + view.getUint32(20, true) * TWO_32,
  };
}

/**
 * Is epoch `a` later than `b`? Serial arithmetic on 16 bits.
 * @param {number} a
 * @param {number} b
 */
export function epochNewer(a, b) {
  const ahead = (a - b) & 0xffff;
  return ahead !== 0 && ahead < 0x8000;
}

/**
 * How many frames `a` is ahead of `b` (negative: behind). Serial arithmetic on 32 bits.
 * @param {number} a
 * @param {number} b
 */
export function seqDelta(a, b) {
  return (a - b) | 0;
}

/**
 * The seq `frames` after `seq`, wrapped to u32.
 * @param {number} seq
 * @param {number} frames may be negative
 */
export function seqAdd(seq, frames) {
  return (seq + frames) >>> 0;
}
