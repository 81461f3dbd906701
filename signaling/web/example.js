import { Client } from "./client.js";

const client = new Client();
const [join, mute, problem, captions] = ["join", "mute", "problem", "captions"].map((id) => document.getElementById(id));

client.addEventListener("change", ({ detail: { phase, muted } }) => {
  join.disabled = phase !== "lobby";
  mute.disabled = phase !== "connected";
  mute.textContent = muted ? "Unmute" : "Mute";
});
client.addEventListener("problem", ({ detail: { title, cure } }) => {
  problem.textContent = `${title}. ${cure}`;
});
client.addEventListener("caption", ({ detail: { item, name, text } }) => {
  const line = document.getElementById(item) ?? captions.appendChild(document.createElement("li"));
  line.id = item;
  line.textContent = `${name}: ${text}`;
});
join.addEventListener("click", () => client.join({ room: "home", name: "Ana" }));
mute.addEventListener("click", () => client.setMuted(!client.state.muted));
