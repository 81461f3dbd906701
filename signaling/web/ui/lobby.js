// @ts-check
import { Ballistics, byId, fillDevices, memory, setText } from "./dom.js";

/** The join card: name, room, microphone with a live meter, test sound, one button. */
export class Lobby {
  /**
   * @param {import("../client.js").Client} client
   * @param {{room: string, name: string, mode: string, raw: boolean}} start
   */
  constructor(client, start) {
    this.client = client;
    this.root = byId("lobby");
    this.name = /** @type {HTMLInputElement} */ (byId("join-name"));
    this.room = /** @type {HTMLInputElement} */ (byId("join-room"));
    this.microphone = /** @type {HTMLSelectElement} */ (byId("join-mic"));
    this.raw = /** @type {HTMLInputElement} */ (byId("join-raw"));
    this.place = /** @type {HTMLInputElement} */ (byId("join-place"));
    this.button = /** @type {HTMLButtonElement} */ (byId("join-button"));
    this.label = byId("join-label");
    this.meter = byId("join-meter");
    this.check = byId("join-check");
    this.heard = byId("join-heard");
    this.ballistics = new Ballistics();
    this.loud = false;
    this.name.value = start.name || memory.get("name");
    this.room.value = start.room;
    this.place.value = memory.get("place");
    byId("join-where").toggleAttribute("open", this.place.value !== "");
    this.raw.checked = start.raw;
    this.#chooseMode(start.mode);
    /** @type {import("../client.js").Access|null} */
    this.shownAccess = null;
    byId("join-form").addEventListener("submit", (event) => this.#submit(event));
    this.check.addEventListener("click", () => this.tryMicrophone());
    this.cancel = byId("join-cancel");
    this.cancel.addEventListener("click", () => client.leave());
    byId("join-sound").addEventListener("click", () => client.playTestSound().catch(console.warn));
    this.microphone.addEventListener("change", () => this.#changeMicrophone());
    this.raw.addEventListener("change", () => client.hasMicrophone && this.tryMicrophone());
    this.refreshDevices();
  }

  /** @param {string} mode */
  #chooseMode(mode) {
    const radio = this.root.querySelector(`input[name="mode"][value="${CSS.escape(mode)}"]`);
    if (radio instanceof HTMLInputElement) radio.checked = true;
  }

  /** The invitation says who this is, and where. @param {import("../client.js").Access} access */
  #showAccess({ role, name, rooms }) {
    if (name) this.name.value = name;
    this.name.readOnly = name !== "";
    if (rooms && !rooms.includes(this.room.value)) [this.room.value] = rooms;
    this.room.readOnly = rooms?.length === 1;
    byId("join-mic-field").hidden = role === "listen";
    byId("join-more").hidden = role !== "admin";
    byId("join-guest").hidden = false;
    setText(byId("join-guest"), guestWords(role, name));
    setText(byId("join-hint"), role === "listen" ? "You are here to listen: your microphone stays off."
      : "Joining turns on your microphone. No headphones needed.");
  }

  /** What is filled in. */
  choice() {
    const mode = /** @type {HTMLInputElement} */ (this.root.querySelector('input[name="mode"]:checked')).value;
    return {
      room: this.room.value.trim(), name: this.name.value.trim() || "Guest", mode,
      deviceId: this.microphone.value, raw: this.raw.checked, place: this.place.value.trim(),
    };
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    this.join(false);
  }

  /** @param {boolean} listenOnly */
  async join(listenOnly) {
    memory.set("name", this.name.value.trim());
    memory.set("microphone", this.microphone.value);
    memory.set("place", this.place.value.trim());
    await this.client.join({ ...this.choice(), listenOnly });
  }

  async #changeMicrophone() {
    memory.set("microphone", this.microphone.value);
    if (this.client.hasMicrophone) await this.tryMicrophone();
  }

  /** Open the microphone for the meter; the browser may ask. */
  async tryMicrophone() {
    this.loud = false;
    const { deviceId, raw } = this.choice();
    await this.client.openMicrophone({ deviceId, raw });
    await this.refreshDevices();
  }

  async refreshDevices() {
    const { microphones } = await this.client.devices();
    const chosen = this.microphone.value || memory.get("microphone");
    fillDevices(this.microphone, microphones, chosen, "Default microphone");
  }

  /** @param {import("../client.js").State} state */
  render(state) {
    if (state.access !== this.shownAccess) {
      this.shownAccess = state.access;
      if (state.access?.guest) this.#showAccess(state.access);
    }
    const joining = state.phase === "joining";
    this.root.hidden = !(state.phase === "lobby" || joining);
    this.button.disabled = joining || state.entering;
    this.cancel.hidden = !joining;
    byId("join-hint").hidden = joining;
    byId("join-prompt").hidden = !joining || state.listenOnly || this.client.hasMicrophone;
    const attempt = state.attempt > 0 ? ` (attempt ${state.attempt + 1})` : "";
    const waiting = state.inLine ? "Waiting in line …" : `Joining${attempt} …`;
    setText(this.label, joining ? waiting : "Join");
    this.check.hidden = this.client.hasMicrophone;
  }

  /** Called about 20 times a second. */
  animate() {
    if (this.root.hidden) return;
    const dbfs = this.client.levels.get("me") ?? -100;
    this.ballistics.show(this.meter, dbfs);
    if (dbfs > -40) this.loud = true;
    const open = this.client.hasMicrophone;
    setText(this.heard, open ? (this.loud ? "Your microphone works." : "Say something: the bar should move.") : "");
  }
}

/** @param {"listen"|"speak"|"admin"} role @param {string} name */
function guestWords(role, name) {
  const what = { listen: "to listen", speak: "to talk", admin: "as admin" }[role];
  return name ? `You are invited ${what}, as ${name}.` : `You are invited ${what}.`;
}
