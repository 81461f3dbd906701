// @ts-check
import { sentence } from "../client.js";
import { byId, make, setText } from "./dom.js";

const DAY_S = 86400;
/** Names under which only this computer is found. */
const LOCAL = /^(localhost|127\..*|\[::1\])$/;
const COPIED_MS = 2000;

/** The dialog in which an admin makes an invitation: link, QR code, copy, share; and the list of those that count. */
export class InviteDialog {
  /** @param {import("../client.js").Client} client */
  constructor(client) {
    this.client = client;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("invite"));
    this.form = /** @type {HTMLFormElement} */ (byId("invite-form"));
    this.result = byId("invite-result");
    this.trouble = byId("invite-trouble");
    this.list = byId("invite-list");
    this.link = /** @type {HTMLInputElement} */ (byId("invite-link"));
    /** The gateway is making one. */
    this.making = false;
    byId("open-invite").addEventListener("click", () => this.open());
    byId("close-invite").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.#forget());
    this.form.addEventListener("submit", (event) => this.#make(event));
    byId("invite-copy").addEventListener("click", () => this.#copy());
    byId("invite-another").addEventListener("click", () => this.#forget());
    const share = byId("invite-share");
    share.hidden = typeof navigator.share !== "function";
    share.addEventListener("click", () => this.#share());
  }

  open() {
    setText(byId("invite-room"), this.client.state.room);
    this.#forget();
    this.dialog.showModal();
    this.#refresh();
  }

  /** Back to the form: a link is shown once. */
  #forget() {
    this.form.hidden = false;
    this.result.hidden = true;
    this.trouble.hidden = true;
    this.link.value = "";
    byId("invite-qr").replaceChildren();
  }

  /** @param {Event} event */
  async #make(event) {
    event.preventDefault();
    const data = new FormData(this.form);
    const wish = {
      role: /** @type {import("../client.js").Role} */ (data.get("role")),
      name: String(data.get("name") ?? "").trim(),
      lifetime_s: DAY_S * Number(data.get("days")),
      once: data.get("once") === "on",
    };
    if (this.making) return;
    this.making = true;
    const made = await this.#try(this.client.invite(wish));
    this.making = false;
    if (!made) return;
    this.form.hidden = true;
    this.result.hidden = false;
    this.link.value = made.link;
    // An image runs no scripts, whatever it contains.
    const source = `data:image/svg+xml;utf8,${encodeURIComponent(made.qr)}`;
    byId("invite-qr").replaceChildren(make("img", { src: source, alt: "QR code of the link" }));
    setText(byId("invite-words"), inviteWords(made));
    byId("invite-local").hidden = !LOCAL.test(new URL(made.link).hostname);
    byId("invite-copy").focus();
    this.#refresh();
  }

  /** @template T @param {Promise<T>} asked @returns {Promise<T|null>} null: the reason is shown */
  async #try(asked) {
    this.trouble.hidden = true;
    try {
      return await asked;
    } catch (error) {
      setText(this.trouble, sentence(/** @type {any} */ (error).detail ?? String(error)));
      this.trouble.hidden = false;
      return null;
    }
  }

  async #refresh() {
    const known = await this.#try(this.client.invitations());
    const counting = (known ?? []).filter(({ state }) => state === "open" || state === "used");
    byId("invite-known").hidden = counting.length === 0;
    this.list.replaceChildren(...counting.map((invitation) => this.#row(invitation)));
  }

  /** @param {import("../client.js").Invitation} invitation */
  #row(invitation) {
    const button = make("button", { type: "button", class: "quiet", text: "Revoke" });
    button.addEventListener("click", async () => {
      if (await this.#try(this.client.revoke(invitation.id))) this.#refresh();
    });
    return make("li", {}, [
      make("span", { text: invitation.name || "Anybody with the link" }),
      make("small", { text: `${inviteWords(invitation)}${invitation.state === "used" ? " Used." : ""}` }),
      button,
    ]);
  }

  async #copy() {
    this.link.select();
    try {
      await navigator.clipboard.writeText(this.link.value);
    } catch {
      document.execCommand("copy"); // Without HTTPS there is no clipboard.
    }
    setText(byId("invite-copy-word"), "Copied");
    setTimeout(() => setText(byId("invite-copy-word"), "Copy link"), COPIED_MS);
  }

  async #share() {
    const { room } = this.client.state;
    await navigator.share({ title: `mixminus: ${room}`, text: `Join me in ${room}`, url: this.link.value }).catch(() => {});
  }
}

/** @param {{role: import("../client.js").Role, once: boolean, expires_s: number}} invitation */
function inviteWords({ role, once, expires_s: expiresS }) {
  const until = new Date(1000 * expiresS).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const what = { listen: "To listen", speak: "To listen and speak", admin: "As admin" }[role];
  return `${what}, until ${until}${once ? ", for one device" : ""}.`;
}
