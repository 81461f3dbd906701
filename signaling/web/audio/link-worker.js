// @ts-check
/// <reference lib="webworker" />
/** The audio data channel's own thread: a busy page cannot hold up a frame. */

import { AudioLink } from "./audio-link.js";

const link = new AudioLink((report) => self.postMessage(report));
self.onmessage = (event) => link.command(event.data);
