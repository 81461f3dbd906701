// @ts-check
/// <reference lib="webworker" />
/** A thread for the audio data channel, so that a busy page does not delay a frame. */

import { AudioLink } from "./audio-link.js";

const link = new AudioLink((report) => self.postMessage(report));
self.onmessage = (event) => link.command(event.data);
