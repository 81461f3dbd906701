// @ts-check
/** Reads the page's address, builds the views and keeps them drawn. */

import { Session } from "./session/session.js";
import { environmentProblem } from "./state/problems.js";
import { Store } from "./state/store.js";
import { memory } from "./ui/dom.js";
import { Lobby } from "./ui/lobby.js";
import { ProblemList } from "./ui/problem-list.js";
import { RoomView } from "./ui/room.js";

const ANIMATE_EVERY_MS = 50;

/** What the address asks for: `?room=kitchen&name=Ada`, or `#kitchen`. */
function readAddress() {
  const query = new URLSearchParams(location.search);
  const room = query.get("room") ?? decodeURIComponent(location.hash.slice(1)) ?? "";
  const bufferMs = Number(query.get("buffer")) || 0;
  return {
    room: room || "home",
    name: query.get("name") ?? "",
    mode: query.get("mode") === "conference" ? "conference" : "assistant",
    raw: query.get("raw") === "1",
    talk: query.get("talk"),
    autojoin: query.get("autojoin") === "1",
    allowWorker: query.get("worker") !== "0",
    jitter: bufferMs > 0 ? { targetMs: Math.min(bufferMs, 800), fixed: true } : {},
  };
}

function boot() {
  const start = readAddress();
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
  if (start.autojoin) lobby.join(false);
  else previewWhenAllowed(lobby);
}

/** Draw the meters 20 times a second while the page is visible. @param {Lobby} lobby @param {RoomView} room */
function animate(lobby, room) {
  let last = 0;
  const draw = (/** @type {number} */ nowMs) => {
    requestAnimationFrame(draw);
    if (nowMs - last < ANIMATE_EVERY_MS) return;
    last = nowMs;
    lobby.animate();
    room.animate();
  };
  requestAnimationFrame(draw);
}

/** Show the live meter at once if the microphone is already allowed. @param {Lobby} lobby */
async function previewWhenAllowed(lobby) {
  try {
    const name = /** @type {PermissionName} */ ("microphone");
    const permission = await navigator.permissions.query({ name });
    if (permission.state === "granted") await lobby.tryMicrophone();
  } catch {
    // Some browsers cannot tell; Join will ask.
  }
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
