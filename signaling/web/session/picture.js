// @ts-check
/** Pictures for the assistant: from a file, a camera or a screen, made small enough to be sent. */

import { THUMBNAIL_BYTES, THUMBNAIL_PX, attempts, fitted } from "../state/pictures.js";

const FRAME_TIMEOUT_MS = 5000;
/** Cameras show black, or guess the light, for a moment. */
const SETTLE_MS = 250;

/**
 * @typedef {object} Picture
 * @property {HTMLCanvasElement} canvas what is shown
 * @property {Blob} image JPEG
 * @property {Blob|null} thumbnail small JPEG; null: none is small enough
 */

/**
 * A file as a picture. Its metadata (place, camera) does not survive: only pixels are taken.
 * @param {Blob} file @param {import("../state/pictures.js").PictureLimits} limits
 * @returns {Promise<Picture|null>} null: the browser cannot read it, or it does not get small enough
 */
export async function fromFile(file, limits) {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    try {
      return await shrink(bitmap, bitmap.width, bitmap.height, limits);
    } finally {
      bitmap.close();
    }
  } catch (error) {
    console.warn("this file is no picture", error);
    return null;
  }
}

/**
 * The present frame of a video element.
 * @param {HTMLVideoElement} video @param {import("../state/pictures.js").PictureLimits} limits
 */
export async function fromVideo(video, limits) {
  return video.videoWidth ? shrink(video, video.videoWidth, video.videoHeight, limits) : null;
}

/** One frame of a screen or window that the person chooses; it is shared no longer than that.
 * @param {import("../state/pictures.js").PictureLimits} limits */
export async function fromScreen(limits) {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: false });
  const video = document.createElement("video");
  try {
    await play(video, stream);
    return await fromVideo(video, limits);
  } finally {
    stop(video);
  }
}

/**
 * @param {HTMLVideoElement} video
 * @param {() => boolean} [isWanted] false: it was closed, or asked for again, while the browser was still asking
 */
export async function openCamera(video, isWanted = () => true) {
  const wanted = { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 960 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  if (!isWanted()) {
    end(stream); // Another one may be open by now.
    throw new DOMException("it was closed meanwhile", "AbortError");
  }
  await play(video, stream);
}

/** Close a camera or a screen. @param {HTMLVideoElement} video */
export function stop(video) {
  const stream = /** @type {MediaStream|null} */ (video.srcObject);
  video.srcObject = null;
  end(stream);
}

/** @param {MediaStream|null} stream */
function end(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/**
 * Show a stream, until its first frame is there; it takes the place of another one that is there, or on its way.
 * @param {HTMLVideoElement} video @param {MediaStream} stream
 */
async function play(video, stream) {
  stop(video);
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new DOMException("no picture came", "TimeoutError")), FRAME_TIMEOUT_MS);
  });
  try {
    await Promise.race([video.play(), late]);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    if (video.srcObject !== stream) throw new DOMException("it was closed meanwhile", "AbortError");
  } catch (error) {
    if (video.srcObject === stream) video.srcObject = null;
    end(stream);
    throw error;
  }
}

/**
 * @param {CanvasImageSource} source @param {number} widthPx @param {number} heightPx
 * @param {import("../state/pictures.js").PictureLimits} limits
 * @returns {Promise<Picture|null>}
 */
async function shrink(source, widthPx, heightPx, { maxEdgePx, maxBytes }) {
  const whole = await fit(source, widthPx, heightPx, maxEdgePx, maxBytes);
  if (!whole) return null;
  const { canvas, blob } = whole;
  const small = await fit(canvas, canvas.width, canvas.height, THUMBNAIL_PX, THUMBNAIL_BYTES);
  return { canvas, image: blob, thumbnail: small?.blob ?? null };
}

/**
 * A JPEG of at most so many pixels and bytes.
 * @param {CanvasImageSource} source @param {number} widthPx @param {number} heightPx
 * @param {number} maxEdgePx @param {number} maxBytes
 */
async function fit(source, widthPx, heightPx, maxEdgePx, maxBytes) {
  let canvas = null, drawnPx = 0;
  for (const { edgePx, quality } of attempts(Math.min(maxEdgePx, Math.max(widthPx, heightPx)))) {
    if (!canvas || edgePx !== drawnPx) canvas = drawn(source, fitted(widthPx, heightPx, edgePx));
    drawnPx = edgePx;
    const blob = await encoded(canvas, quality);
    if (blob && blob.size <= maxBytes) return { canvas, blob };
  }
  return null;
}

/** @param {CanvasImageSource} source @param {{widthPx: number, heightPx: number}} size */
function drawn(source, { widthPx, heightPx }) {
  const canvas = document.createElement("canvas");
  canvas.width = widthPx;
  canvas.height = heightPx;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser draws no pictures");
  context.fillStyle = "#fff"; // JPEG has no transparency.
  context.fillRect(0, 0, widthPx, heightPx);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, widthPx, heightPx);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas @param {number} quality @returns {Promise<Blob|null>} */
function encoded(canvas, quality) {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}

/** @param {Blob} blob @returns {Promise<string>} */
export function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",", 2)[1] ?? "");
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
