// @ts-check
/** Builds the views and keeps them drawn. */

import { enter } from "./session/access.js";
import { Session } from "./session/session.js";
import { readAddress } from "./state/address.js";
import { environmentProblem, signalProblem } from "./state/problems.js";
import { Store } from "./state/store.js";
import { memory } from "./ui/dom.js";
import { Lobby } from "./ui/lobby.js";
import { ProblemList } from "./ui/problem-list.js";
import { RoomView } from "./ui/room.js";

/** Shorter than three frames of a display at 60 Hz, so that every third is drawn. */
const ANIMATE_EVERY_MS = 50;

function boot() {
  const start = readAddress(location);
  const store = new Store();
  const session = new Session(store, start);
  session.talk.setMode((start.talk ?? memory.get("talk")) === "hold" ? "hold" : "open");
  const lobby = new Lobby(session, store, start);
  const room = new RoomView(session, store);
  const commands = {
    "listen-only": () => lobby.join(true),
    resume: () => session.audio.resume(),
    "reopen-microphone": () => session.reopenMicrophone(),
    reload: () => location.reload(),
    dismiss: (/** @type {string} */ code) => store.clear(code),
  };
  const problems = new ProblemList((name, code) => commands[/** @type {keyof typeof commands} */ (name)]?.(code));
  store.subscribe((state) => {
    lobby.render(state);
    room.render(state);
    problems.render(state);
    document.body.dataset.view = state.phase;
    document.title = state.phase === "lobby" ? "mixminus" : `${state.room} · mixminus`;
  });
  session.onJoined = () => exposeHook(session, store);
  session.onDevices = () => {
    lobby.refreshDevices();
    if (room.settings.dialog.open) room.settings.refreshDevices();
  };
  animate(lobby, room);
  const bad = environmentProblem();
  if (bad) store.raise(bad);
  learnAccess(store, start);
}

/**
 * Exchange the invitation in the address, or ask who this browser is.
 * @param {Store} store @param {{invite: string, token: string}} start
 */
async function learnAccess(store, start) {
  const trouble = (/** @type {any} */ error) => store.raise(signalProblem(error, false));
  store.set({ entering: true });
  try {
    store.set({ access: await enter(start, trouble) });
    store.clear("unreachable", "busy");
  } catch (error) {
    store.clear("unreachable", "busy");
    trouble(error);
  } finally {
    store.set({ entering: false });
  }
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

/** `window.mixminus`, for tests. @param {Session} session @param {Store} store */
function exposeHook(session, store) {
  Object.assign(window, {
    mixminus: {
      playbackNode: session.audio.playbackNode,
      state: () => structuredClone(store.state),
      stats: () => structuredClone(session.stats()),
      events: store.events,
      receive: (/** @type {object} */ message) => session.inbox.take(message),
    },
  });
}

boot();
