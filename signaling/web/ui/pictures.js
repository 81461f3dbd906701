// @ts-check
import {
  fromFile, fromScreen, fromVideo, openCamera, sentence, stopCamera,
} from "../client.js";
import { byId, setText } from "./dom.js";

const COARSE = matchMedia("(pointer: coarse)");
const UNREADABLE = "The browser cannot read this as a picture. Try a JPEG or PNG.";

/** The dialog in which somebody chooses a picture, looks at it, and shows it to the assistant. */
export class PictureDialog {
  /** @type {import("../client.js").Picture|null} */
  #picture = null;
  /** Counts choices: what comes late belongs to none. */
  #choice = 0;
  #sending = false;

  /** @param {import("../client.js").Client} client @param {HTMLInputElement} typed what is typed in the room */
  constructor(client, typed) {
    this.client = client;
    this.typed = typed;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("picture"));
    this.button = /** @type {HTMLButtonElement} */ (byId("open-picture"));
    this.file = /** @type {HTMLInputElement} */ (byId("picture-file"));
    this.photo = /** @type {HTMLInputElement} */ (byId("picture-photo"));
    this.video = /** @type {HTMLVideoElement} */ (byId("picture-video"));
    this.preview = /** @type {HTMLCanvasElement} */ (byId("picture-preview"));
    this.text = /** @type {HTMLInputElement} */ (byId("picture-text"));
    this.send = /** @type {HTMLButtonElement} */ (byId("picture-send"));
    this.trouble = byId("picture-trouble");
    this.button.addEventListener("click", () => this.open());
    byId("close-picture").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.#forget());
    for (const input of [this.file, this.photo]) input.addEventListener("change", () => this.#chosen(input));
    byId("picture-from-file").addEventListener("click", () => this.file.click());
    byId("picture-from-camera").addEventListener("click", () => this.#camera());
    byId("picture-from-screen").addEventListener("click", () => this.#try(fromScreen(this.#limits)));
    byId("picture-take").addEventListener("click", () => this.#take());
    byId("picture-again").addEventListener("click", () => this.#forget());
    byId("picture-form").addEventListener("submit", (event) => this.#show(event));
    document.addEventListener("paste", (event) => this.#pasted(event));
    const { mediaDevices } = navigator;
    byId("picture-from-screen").hidden = !mediaDevices?.getDisplayMedia;
    byId("picture-from-camera").hidden = !mediaDevices?.getUserMedia && !COARSE.matches;
  }

  get #limits() {
    return this.client.state.images ?? { maxEdgePx: 1024, maxBytes: 150000 };
  }

  open() {
    this.#forget();
    const typed = this.typed.value.trim(); // Lines that were given back may be too long together; they stay there.
    this.text.value = typed.length > this.text.maxLength ? "" : typed;
    this.dialog.showModal();
  }

  /** @param {import("../client.js").State} state */
  render(state) {
    this.button.hidden = state.images === null || state.role === "listen";
    this.button.disabled = state.phase !== "connected" || !state.takesImages;
    this.button.title = state.takesImages ? "Show a picture" : "The assistant's model takes no pictures";
    if (this.dialog.open && this.button.hidden) this.dialog.close();
  }

  /** Back to the choice; a camera closes. */
  #forget() {
    this.#choice += 1;
    this.#picture = null;
    stopCamera(this.video);
    this.file.value = this.photo.value = "";
    this.#appear("choose");
    this.#trouble("");
  }

  /** @param {"choose"|"camera"|"look"} step */
  #appear(step) {
    byId("picture-choose").hidden = step !== "choose";
    byId("picture-camera").hidden = step !== "camera";
    byId("picture-form").hidden = step !== "look";
  }

  /** @param {string} words */
  #trouble(words) {
    setText(this.trouble, words);
    this.trouble.hidden = !words;
  }

  /** @param {HTMLInputElement} input */
  #chosen(input) {
    const file = input.files?.[0];
    if (file) this.#try(fromFile(file, this.#limits));
  }

  /** Phones have an app for it, which people know. */
  #camera() {
    if (COARSE.matches) this.photo.click();
    else this.#openCamera();
  }

  async #openCamera() {
    this.#appear("camera");
    this.#trouble("");
    const choice = ++this.#choice;
    try {
      await openCamera(this.video, () => choice === this.#choice);
      if (choice !== this.#choice) stopCamera(this.video);
      else byId("picture-take").focus();
    } catch (error) {
      if (choice !== this.#choice) return;
      this.#appear("choose");
      this.#trouble(whyNot(error));
    }
  }

  async #take() {
    const taken = fromVideo(this.video, this.#limits);
    await this.#try(taken.finally(() => stopCamera(this.video)));
  }

  /** @param {Promise<import("../client.js").Picture|null>} coming */
  async #try(coming) {
    const choice = ++this.#choice;
    this.#trouble("");
    try {
      const picture = await coming;
      if (choice !== this.#choice) return;
      if (picture) this.#look(picture);
      else this.#fail(UNREADABLE);
    } catch (error) {
      if (choice === this.#choice) this.#fail(whyNot(error));
    }
  }

  /** @param {string} words */
  #fail(words) {
    this.#appear("choose");
    this.#trouble(words);
  }

  /** @param {import("../client.js").Picture} picture */
  #look(picture) {
    this.#picture = picture;
    const { canvas, image } = picture;
    this.preview.width = canvas.width;
    this.preview.height = canvas.height;
    this.preview.getContext("2d")?.drawImage(canvas, 0, 0);
    const size = `${canvas.width} × ${canvas.height}, ${Math.max(1, Math.round(image.size / 1000))} kB`;
    this.preview.setAttribute("aria-label", `The picture, ${size}`);
    this.#appear("look");
    if (COARSE.matches) this.send.focus();
    else this.text.focus();
  }

  /** @param {Event} event */
  async #show(event) {
    event.preventDefault();
    if (!this.#picture || this.#sending) return;
    this.#sending = true;
    this.send.disabled = true;
    this.#trouble("");
    const text = this.text.value.trim();
    try {
      await this.client.show(this.#picture, text);
      if (this.typed.value.trim() === text) this.typed.value = "";
      this.text.value = "";
      this.dialog.close();
    } catch (error) {
      const { detail } = /** @type {any} */ (error);
      this.#trouble(detail ? sentence(String(detail)) : "The gateway doesn't answer. Try again.");
    } finally {
      this.#sending = false;
      this.send.disabled = false;
    }
  }

  /** A picture in the clipboard. @param {ClipboardEvent} event */
  #pasted(event) {
    const file = [...event.clipboardData?.files ?? []].find(({ type }) => type.startsWith("image/"));
    const other = document.querySelector("dialog[open]:not(#picture)");
    if (!file || other || this.button.hidden || this.button.disabled) return;
    event.preventDefault();
    if (!this.dialog.open) this.open();
    this.#try(fromFile(file, this.#limits));
  }
}

/** Why there is no picture. @param {unknown} error */
function whyNot(error) {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The browser did not allow it. Allow it in the site settings, or choose a file.";
  if (name === "NotFoundError") return "There is no camera.";
  if (name === "NotReadableError" || name === "TimeoutError") return "No picture came. Another program may use the camera.";
  return `It did not work (${String(error)}).`;
}
