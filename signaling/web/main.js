// @ts-check
/** Builds the views and keeps them drawn. */

import { Client, readAddress } from "./client.js";
import { memory } from "./ui/dom.js";
import { Lobby } from "./ui/lobby.js";
import { MediaControls } from "./ui/media-controls.js";
import { ProblemList } from "./ui/problem-list.js";
import { RoomView } from "./ui/room.js";

/** Shorter than three frames of a display at 60 Hz, so that every third is drawn. */
const ANIMATE_EVERY_MS = 50;

function boot() {
  const start = readAddress(location);
  if (start.invite || start.token) forgetToken();
  const route = memory.get("route");
  const client = new Client({ ...start, ...(route === "direct" || route === "element" ? { route } : {}) });
  client.setTalk((start.talk ?? memory.get("talk")) === "hold" ? "hold" : "open");
  const lobby = new Lobby(client, start);
  const room = new RoomView(client);
  const controls = new MediaControls(client);
  const commands = {
    "listen-only": () => lobby.join(true),
    resume: () => client.resume(),
    "reopen-microphone": () => client.openMicrophone(),
    reload: () => location.reload(),
    "end-recording": () => client.record(false),
    dismiss: (/** @type {string} */ code) => client.dismiss(code),
  };
  const problems = new ProblemList((name, code) => commands[/** @type {keyof typeof commands} */ (name)]?.(code));
  client.addEventListener("change", () => {
    const { state } = client;
    lobby.render(state);
    room.render(state);
    problems.render(state);
    controls.render(state);
    document.body.dataset.view = state.phase;
    document.title = state.phase === "lobby" ? "mixminus" : `${state.room} · mixminus`;
  });
  client.addEventListener("joined", () => exposeHook(client));
  client.addEventListener("devices", () => {
    lobby.refreshDevices();
    if (room.settings.dialog.open) room.settings.refreshDevices();
  });
  animate(lobby, room);
  client.enter(start);
}

/** Take the fragment and the token out of the page's address, so that it stays in no history. */
function forgetToken() {
  const url = new URL(location.href);
  url.searchParams.delete("token");
  url.hash = "";
  history.replaceState(history.state, "", url.href.replace(/#$/, ""));
}

/**
 * Move the meters 20 times a second while the page is visible. The browser draws a frame only where something has
 * changed: a page that asks for frames keeps its compositor awake, also in silence.
 * @param {Lobby} lobby @param {RoomView} room
 */
function animate(lobby, room) {
  setInterval(() => {
    if (document.visibilityState !== "visible") return;
    lobby.animate();
    room.animate();
  }, ANIMATE_EVERY_MS);
}

/** `window.mixminus`, for tests. @param {Client} client */
function exposeHook(client) {
  Object.assign(window, {
    mixminus: {
      playbackNode: client.playbackNode,
      state: () => structuredClone(client.state),
      stats: () => structuredClone(client.stats()),
      events: client.events,
      receive: (/** @type {object} */ message) => client.receive(message),
    },
  });
}

boot();
