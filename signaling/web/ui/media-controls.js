// @ts-check
/**
 * The call on the lock screen, in notifications and on the keys of a headset, where the browser can: who speaks here,
 * the microphone, stopping the assistant, and hanging up.
 */

/** Actions that the page handles; `play` and `pause` are the keys that every headset has. */
const ACTIONS = /** @type {const} */ (["togglemicrophone", "play", "pause", "stop", "hangup"]);

export class MediaControls {
  /**
   * @param {import("../client.js").Client} client
   * @param {MediaSession|undefined} session of the browser; undefined: it has none
   */
  constructor(client, session = navigator.mediaSession) {
    this.client = client;
    this.session = session;
    this.shown = "";
    this.isIn = false;
  }

  /** @param {import("../client.js").State} state */
  render(state) {
    if (!this.session) return;
    const isIn = state.phase === "connected" || state.phase === "reconnecting";
    if (isIn !== this.isIn) this.#appear(isIn);
    if (!isIn) return;
    const isHeard = !state.muted && !state.listenOnly && state.role !== "listen";
    const title = `${state.room} · ${isHeard ? "microphone on" : "microphone off"}`;
    const artist = `${state.persona || "Assistant"}: ${state.assistant}`;
    if (this.shown === title + artist) return;
    this.shown = title + artist;
    this.session.metadata = new MediaMetadata({ title, artist, album: "mixminus" });
    this.session.playbackState = isHeard ? "playing" : "paused";  // So the other one of the two keys is offered.
    this.session.setMicrophoneActive?.(isHeard)?.catch?.(() => {});
  }

  /** @param {boolean} isIn */
  #appear(isIn) {
    this.isIn = isIn;
    this.shown = "";
    for (const action of ACTIONS) {
      try {
        this.session?.setActionHandler(/** @type {MediaSessionAction} */ (action), isIn ? () => this.#act(action) : null);
      } catch { /* This browser does not know the action. */ }
    }
    if (isIn || !this.session) return;
    this.session.metadata = null;
    this.session.playbackState = "none";
  }

  /** @param {typeof ACTIONS[number]} action */
  #act(action) {
    if (action === "stop") this.client.interrupt();
    else if (action === "hangup") this.client.leave();
    else if (action === "togglemicrophone") this.client.setMuted(!this.client.state.muted);
    else this.client.setMuted(action === "pause");
  }
}
