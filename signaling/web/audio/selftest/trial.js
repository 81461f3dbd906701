// @ts-check
/** One trial of the self-test: a microphone, a route to the speaker, a plan of sounds, and what came back. */

import { MicrophoneStream } from "../microphone-stream.js";
import { Output } from "../output.js";
import {
  PLAN, babble, chirp, drift, frameRate, read,
} from "./measures.js";

/** Between two looks at the clocks. */
const LOOK_MS = 50;
/** The first moments of an open device are rough. */
const SETTLE_S = 0.5;

/** The sounds of the plan, as one. @param {AudioContext} context */
function sounds(context) {
  const rateHz = context.sampleRate;
  const buffer = new AudioBuffer({ length: Math.round(PLAN.end * rateHz), sampleRate: rateHz });
  const samples = buffer.getChannelData(0);
  for (const at of PLAN.chirps) samples.set(chirp(rateHz), Math.round(at * rateHz));
  samples.set(babble(rateHz, PLAN.babble[1] - PLAN.babble[0]), Math.round(PLAN.babble[0] * rateHz));
  return buffer;
}

/**
 * Carry one trial out; it takes about 8 s.
 * @param {AudioContext} context with the probe worklet
 * @param {{route: "direct"|"element", cancel: boolean, microphoneId: string, outputId: string}} wish
 * @param {AbortSignal} signal ends it early
 * @returns {Promise<import("./measures.js").Trial & {microphone: string}>}
 * @throws {DOMException} as getUserMedia does, or AbortError
 */
export async function carryOut(context, { route, cancel, microphoneId, outputId }, signal) {
  const microphone = new MicrophoneStream(() => {});
  const output = new Output(context, route);
  try {
    await unless(signal, microphone.open({ deviceId: microphoneId, raw: !cancel }));
    if (outputId) await output.choose(outputId).catch(() => {});
    await context.resume();
    await output.play();
    const heard = await listen(context, microphone, output, signal);
    const { settings } = microphone;
    const cancels = settings?.echoCancellation;
    return {
      route, wanted: cancel, cancels: cancels === undefined ? null : Boolean(cancels), ...heard,
      microphone: settings?.label ?? "",
    };
  } finally {
    microphone.close();
    output.close();
  }
}

/**
 * @param {AudioContext} context @param {MicrophoneStream} microphone @param {Output} output
 * @param {AbortSignal} signal
 */
async function listen(context, microphone, output, signal) {
  const source = context.createMediaStreamSource(/** @type {MediaStream} */ (microphone.stream));
  const probe = new AudioWorkletNode(context, "mixminus-probe", {
    numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit",
  });
  /** @type {{samples: Float32Array, atSeconds: number}[]} */
  const pieces = [];
  /** @type {number[]} */
  const timesMs = [];
  /** @type {{audioS: number, systemS: number}[]} */
  const clocks = [];
  probe.port.onmessage = (event) => {
    pieces.push(event.data);
    timesMs.push(performance.now());
  };
  source.connect(probe);
  const player = new AudioBufferSourceNode(context, { buffer: sounds(context) });
  output.connect(player);
  const startS = context.currentTime + SETTLE_S;
  player.start(startS);
  const looks = setInterval(() => clocks.push(clock(context)), LOOK_MS);
  try {
    await pause(1000 * (SETTLE_S + PLAN.end), signal);
  } finally {
    clearInterval(looks);
    player.disconnect();
    source.disconnect();
    probe.port.onmessage = null;
  }
  const recording = join(pieces, startS, context.sampleRate);
  return { ...read(recording, context.sampleRate), drift: drift(clocks), frames: frameRate(timesMs) };
}

/** Both clocks at one moment. @param {AudioContext} context */
function clock(context) {
  const { contextTime = 0, performanceTime = 0 } = context.getOutputTimestamp?.() ?? {};
  if (contextTime > 0 && performanceTime > 0) return { audioS: contextTime, systemS: performanceTime / 1000 };
  return { audioS: context.currentTime, systemS: performance.now() / 1000 };
}

/**
 * The recording from `startS` on, pieces where their times say.
 * @param {{samples: Float32Array, atSeconds: number}[]} pieces @param {number} startS @param {number} rateHz
 */
function join(pieces, startS, rateHz) {
  const whole = new Float32Array(Math.round(PLAN.end * rateHz));
  for (const { samples, atSeconds } of pieces) {
    const at = Math.round((atSeconds - startS) * rateHz);
    if (at >= 0 && at + samples.length <= whole.length) whole.set(samples, at);
  }
  return whole;
}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return unless(signal, new Promise((resolve) => setTimeout(resolve, ms)));
}

/**
 * What is waited for, unless it is stopped before.
 * @template T
 * @param {AbortSignal} signal @param {Promise<T>} wanted
 * @returns {Promise<T>}
 */
function unless(signal, wanted) {
  return new Promise((resolve, reject) => {
    const stopped = () => reject(new DOMException("stopped", "AbortError"));
    if (signal.aborted) stopped();
    signal.addEventListener("abort", stopped, { once: true });
    wanted.then(resolve, reject);
  });
}
