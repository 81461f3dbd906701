// @ts-check
/**
 * What the self-test makes of samples and times. Sans-I/O; all samples are at one rate, levels are RMS in dBFS.
 *
 * A trial plays a plan: silence (the room's own noise), three chirps (round trip), then a babble like speech, of which
 * the end is measured: an echo canceller needs the first seconds of a sound to learn the way from speaker to microphone.
 */

/** Times in seconds from the beginning of a trial. */
export const PLAN = {
  noise: [0.4, 0.9], chirps: [1.0, 1.6, 2.2], babble: [2.8, 7.0], echo: [5.2, 6.9], end: 7.4,
};

const CHIRP = { seconds: 0.04, fromHz: 600, toHz: 4000, peak: 0.35 };
const BABBLE_DBFS = -20;
const SYLLABLES_HZ = 4;
/** Less than from one chirp to the next: a sound may take so long from here to the speaker and back from the microphone. */
const LONGEST_S = 0.55;
/** Less likeness than this is no chirp. */
const ALIKE = 0.3;
/** Two of three chirps arrive after the same time, or it was none of ours. */
const SAME_MS = 6;
/** Louder than the room's noise by less than this: the microphone does not hear the speaker. */
const AUDIBLE_DB = 6;
/** Fewer frames a second are a browser that does not keep up. */
const LEAST_FRAMES = 47;

/** A rising tone with soft edges. @param {number} rateHz */
export function chirp(rateHz) {
  const { seconds, fromHz, toHz, peak } = CHIRP;
  const length = Math.round(seconds * rateHz);
  const rise = (toHz - fromHz) / seconds;
  return Float32Array.from({ length }, (_, index) => {
    const at = index / rateHz;
    const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / (length - 1));
    return peak * window * Math.sin(2 * Math.PI * (fromHz * at + 0.5 * rise * at * at));
  });
}

/** Noise with the spectrum and the syllables of speech, always the same. @param {number} rateHz @param {number} seconds */
export function babble(rateHz, seconds) {
  const samples = new Float32Array(Math.round(seconds * rateHz));
  const keep = Math.exp((-2 * Math.PI * 900) / rateHz);
  let seed = 1;
  let low = 0;
  let slow = 0;
  for (let index = 0; index < samples.length; index += 1) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    low = keep * low + (1 - keep) * (seed / 2 ** 31 - 1);
    slow += 0.02 * (low - slow);
    samples[index] = (low - slow) * (0.5 - 0.5 * Math.cos((2 * Math.PI * SYLLABLES_HZ * index) / rateHz));
  }
  const gain = 10 ** ((BABBLE_DBFS - levelDbfs(samples)) / 20);
  return samples.map((sample) => Math.max(-0.99, Math.min(0.99, gain * sample)));
}

/** @param {Float32Array} samples @param {number} [from] @param {number} [to] */
export function levelDbfs(samples, from = 0, to = samples.length) {
  let sum = 0;
  for (let index = from; index < to; index += 1) sum += samples[index] ** 2;
  return to > from ? Math.max(-120, 10 * Math.log10(sum / (to - from) + 1e-12)) : -120;
}

/**
 * After what time a chirp that was played at `atS` is in the recording.
 * @param {Float32Array} recording begins with the trial @param {number} atS @param {number} rateHz
 * @returns {number|null} ms; null: it is not there
 */
export function chirpDelayMs(recording, atS, rateHz) {
  const wanted = chirp(rateHz);
  const energy = wanted.reduce((sum, sample) => sum + sample * sample, 0);
  const first = Math.round(atS * rateHz);
  const last = Math.min(first + Math.round(LONGEST_S * rateHz), recording.length - wanted.length);
  let [best, bestAt] = [ALIKE, -1];
  let power = 0;
  for (let index = 0; index < wanted.length; index += 1) power += (recording[first + index] ?? 0) ** 2;
  for (let at = first; at < last; at += 1) {
    let sum = 0;
    for (let index = 0; index < wanted.length; index += 1) sum += wanted[index] * recording[at + index];
    const alike = Math.abs(sum) / Math.sqrt(energy * power + 1e-12);
    if (alike > best) [best, bestAt] = [alike, at];
    power += recording[at + wanted.length] ** 2 - recording[at] ** 2;
  }
  return bestAt < 0 ? null : (1000 * (bestAt - first)) / rateHz;
}

/** The round trip that at least two chirps agree on. @param {(number|null)[]} delaysMs @returns {number|null} */
export function roundTripMs(delaysMs) {
  const found = delaysMs.filter((delay) => delay !== null).sort((a, b) => a - b);
  for (let index = 1; index < found.length; index += 1) {
    if (found[index] - found[index - 1] <= SAME_MS) return (found[index] + found[index - 1]) / 2;
  }
  return null;
}

/**
 * How much faster the audio's clock runs than the system's.
 * @param {{audioS: number, systemS: number}[]} points
 * @returns {{ppm: number, errorPpm: number}|null} with the standard error; null: too few points
 */
export function drift(points) {
  if (points.length < 10) return null;
  const count = points.length;
  const meanX = points.reduce((sum, { systemS }) => sum + systemS, 0) / count;
  const meanY = points.reduce((sum, { audioS }) => sum + audioS, 0) / count;
  let [xx, xy] = [0, 0];
  for (const { systemS, audioS } of points) {
    xx += (systemS - meanX) ** 2;
    xy += (systemS - meanX) * (audioS - meanY);
  }
  if (xx === 0) return null;
  const slope = xy / xx;
  const rest = points.reduce((sum, { systemS, audioS }) => sum + (audioS - meanY - slope * (systemS - meanX)) ** 2, 0);
  const error = Math.sqrt(rest / (count - 2) / xx);
  return { ppm: 1e6 * (slope - 1), errorPpm: 1e6 * error };
}

/** @param {number[]} timesMs when frames of 20 ms arrived @returns {{perSecond: number, longestGapMs: number}} */
export function frameRate(timesMs) {
  if (timesMs.length < 2) return { perSecond: 0, longestGapMs: 0 };
  let longest = 0;
  for (let index = 1; index < timesMs.length; index += 1) longest = Math.max(longest, timesMs[index] - timesMs[index - 1]);
  const wholeMs = timesMs[timesMs.length - 1] - timesMs[0];
  return { perSecond: wholeMs > 0 ? (1000 * (timesMs.length - 1)) / wholeMs : 0, longestGapMs: longest };
}

/**
 * @typedef {object} Trial
 * @property {"direct"|"element"} route
 * @property {boolean} wanted echo cancellation was asked for
 * @property {boolean|null} cancels the browser says that it cancels; null: it does not say
 * @property {number} noiseDbfs the room without our sound
 * @property {number} echoDbfs the microphone while the babble is played
 * @property {number|null} roundTripMs from the page to the speaker, and from the microphone to the page
 * @property {{ppm: number, errorPpm: number}|null} drift
 * @property {{perSecond: number, longestGapMs: number}} frames of the microphone
 */

/**
 * What a recording says.
 * @param {Float32Array} recording begins with the trial @param {number} rateHz
 */
export function read(recording, rateHz) {
  const level = (/** @type {number[]} */ [from, to]) => (
    levelDbfs(recording, Math.round(from * rateHz), Math.min(Math.round(to * rateHz), recording.length))
  );
  return {
    noiseDbfs: level(PLAN.noise), echoDbfs: level(PLAN.echo),
    roundTripMs: roundTripMs(PLAN.chirps.map((at) => chirpDelayMs(recording, at, rateHz))),
  };
}

/**
 * What two trials of one route mean.
 * @param {Trial} off @param {Trial} on with echo cancellation
 * @returns {{tone: "good"|"warning"|"bad", words: string, takenDb: number|null}} `takenDb` null: there was no echo
 */
export function verdict(off, on) {
  const { tone, words, takenDb } = echoVerdict(off, on);
  const keepsUp = Math.min(off.frames.perSecond, on.frames.perSecond) >= LEAST_FRAMES;
  if (keepsUp) return { tone, words, takenDb };
  const busy = "The browser did not keep up, so the figures may be wrong: close other programs, and test again.";
  return { tone: tone === "good" ? "warning" : tone, words: `${words} ${busy}`, takenDb };
}

/**
 * @param {Trial} off @param {Trial} on
 * @returns {{tone: "good"|"warning"|"bad", words: string, takenDb: number|null}}
 */
function echoVerdict(off, on) {
  if (off.echoDbfs - off.noiseDbfs < AUDIBLE_DB) {
    const words = "The microphone does not hear this speaker: you wear headphones, or the volume is low.";
    return { tone: "good", words, takenDb: null };
  }
  const takenDb = off.echoDbfs - Math.max(on.echoDbfs, on.noiseDbfs);
  const taken = `${Math.round(takenDb)} dB`;
  if (takenDb >= 20 || on.echoDbfs - on.noiseDbfs < AUDIBLE_DB) {
    return { tone: "good", words: `Echo cancellation works: it takes away ${taken}.`, takenDb };
  }
  if (takenDb >= 10) {
    const words = `Echo cancellation takes away only ${taken}: turn the speaker down, or wear headphones.`;
    return { tone: "warning", words, takenDb };
  }
  const words = "Echo cancellation does not work on this route: wear headphones, or use push to talk.";
  return { tone: "bad", words, takenDb };
}

/**
 * The route that is better than the browser's usual one by so much that it is worth a change.
 * @param {Record<string, number|null>} takenDb by route @param {"direct"|"element"} usual
 * @returns {"direct"|"element"|null}
 */
export function betterRoute(takenDb, usual) {
  const other = usual === "direct" ? "element" : "direct";
  const [now, then] = [takenDb[usual], takenDb[other]];
  return now != null && then != null && now < 20 && then - now >= 6 ? other : null;
}
