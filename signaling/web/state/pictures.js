// @ts-check
/** Sizes of pictures, and what a caption says of one. Sans-I/O. */

/** Longest edge of a thumbnail. */
export const THUMBNAIL_PX = 160;
/** Largest thumbnail. */
export const THUMBNAIL_BYTES = 6000;
/** Qualities of JPEG that are tried, best first. */
export const QUALITIES = [0.86, 0.72, 0.58, 0.44, 0.3];
/** After the worst quality the edge shrinks by this. */
const SHRINK = 0.75;
const LEAST_PX = 48;
const MARK = /^\[picture: [^\]]*\] ?/;
const JPEG_AS_BASE64 = /^\/9j\/[A-Za-z0-9+/]+={0,2}$/;

/**
 * @typedef {object} PictureLimits
 * @property {number} maxEdgePx
 * @property {number} maxBytes
 *
 * @typedef {object} ShownPicture
 * @property {number} widthPx
 * @property {number} heightPx
 * @property {string} thumbnail a small JPEG as base64; empty: there is none
 */

/**
 * The largest size of that shape whose long edge fits; never larger than it is.
 * @param {number} widthPx @param {number} heightPx @param {number} edgePx
 */
export function fitted(widthPx, heightPx, edgePx) {
  const scale = Math.min(1, edgePx / Math.max(widthPx, heightPx));
  return { widthPx: Math.max(1, Math.round(widthPx * scale)), heightPx: Math.max(1, Math.round(heightPx * scale)) };
}

/**
 * Edges and qualities to try until a picture has few enough bytes.
 * @param {number} edgePx the longest edge
 * @returns {Generator<{edgePx: number, quality: number}>}
 */
export function* attempts(edgePx) {
  let edge = edgePx;
  do {
    for (const quality of QUALITIES) yield { edgePx: edge, quality };
    edge = Math.floor(edge * SHRINK);
  } while (edge >= LEAST_PX);
}

/** What pictures may be, as the gateway says on joining. @param {any} told @returns {PictureLimits|null} */
export function pictureLimits(told) {
  const maxEdgePx = Number(told?.max_edge_px), maxBytes = Number(told?.max_bytes);
  return maxEdgePx > 0 && maxBytes > 0 ? { maxEdgePx, maxBytes } : null;
}

/**
 * The picture of a caption, and the words that were typed with it.
 * @param {any} message
 * @returns {{picture: ShownPicture, text: string}|null} null: it is only words
 */
export function pictureOf({ picture, thumbnail, text }) {
  if (!picture || typeof picture !== "object") return null;
  const small = typeof thumbnail === "string" && JPEG_AS_BASE64.test(thumbnail) ? thumbnail : "";
  return {
    picture: { widthPx: Number(picture.width_px) || 0, heightPx: Number(picture.height_px) || 0, thumbnail: small },
    text: withoutMark(String(text ?? "")),
  };
}

/** The words that were typed with a picture, without those that stand for it. @param {string} text */
export function withoutMark(text) {
  return text.replace(MARK, "");
}

/** What stands for a picture without a thumbnail. @param {ShownPicture} picture */
export function pictureWords({ widthPx, heightPx }) {
  return widthPx ? `Showed a picture (${widthPx} × ${heightPx})` : "Showed a picture";
}
