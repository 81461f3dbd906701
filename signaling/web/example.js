import { Client } from "./client.js";

const client = new Client();
const [join, mute, problem, list] = ["join", "mute", "problem", "captions"].map((id) => document.getElementById(id));
const lineOf = ({ name, text }) => Object.assign(document.createElement("li"), { textContent: `${name}: ${text}` });

client.addEventListener("change", ({ detail: { phase, muted, captions } }) => {
  join.disabled = phase !== "lobby";
  mute.disabled = phase !== "connected";
  mute.textContent = muted ? "Unmute" : "Mute";
  list.replaceChildren(...captions.map(lineOf)); // In the order of the conversation, not of arrival.
});
client.addEventListener("problem", ({ detail: { title, cure } }) => {
  problem.textContent = `${title}. ${cure}`;
});
join.addEventListener("click", () => client.join({ room: "home", name: "Ana" }));
mute.addEventListener("click", () => client.setMuted(!client.state.muted));
