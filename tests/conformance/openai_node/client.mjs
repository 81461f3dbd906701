// One conversation by `OpenAIRealtimeWS` of the package `openai`, unmodified: it insists on wss.
// Prints what came of it as one line of JSON.
import fs from "node:fs";
import OpenAI, { AzureOpenAI } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const [kind, host, key, speech] = process.argv.slice(2);
const model = "gpt-realtime-2.1";

async function connect() {
  if (kind === "azure") {
    const client = new AzureOpenAI({
      endpoint: `https://${host}`, apiKey: key, deployment: model, apiVersion: "2025-04-01-preview",
    });
    return OpenAIRealtimeWS.azure(client);
  }
  return new OpenAIRealtimeWS({ model }, new OpenAI({ baseURL: `https://${host}/v1`, apiKey: key }));
}

const events = [];
const rt = await connect();
rt.on("error", (error) => events.push({ type: "client error", message: String(error.message ?? error) }));
rt.on("event", (event) => events.push(event));

function seen(type, count) {
  return events.filter((event) => event.type === type).length >= count;
}

async function until(type, count = 1) {
  const deadline = Date.now() + 30_000;
  while (!seen(type, count)) {
    if (Date.now() > deadline) throw new Error(`no ${type}: ${events.map((event) => event.type)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return events.filter((event) => event.type === type)[count - 1];  // Later ones may be there already.
}

function write(text) {
  const content = [{ type: "input_text", text }];
  rt.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  rt.send({ type: "response.create" });
}

async function speak() {
  const pcm = fs.readFileSync(speech);
  for (let at = 0; at < pcm.length; at += 4800) {
    rt.send({ type: "input_audio_buffer.append", audio: pcm.subarray(at, at + 4800).toString("base64") });
  }
}

const tool = { type: "function", name: "get_time", description: "Time", parameters: { type: "object", properties: {} } };
await until("session.created");
rt.send({ type: "session.update", session: { type: "realtime", tools: [tool] } });
await until("session.updated");

write("Hello.");
await until("response.done");

write("What time is it?");
const call = await until("response.function_call_arguments.done");
await until("response.done", 2);
const output = { type: "function_call_output", call_id: call.call_id, output: "It is 12:34." };
rt.send({ type: "conversation.item.create", item: output });
rt.send({ type: "response.create" });
await until("response.done", 3);

await speak();
await until("input_audio_buffer.speech_stopped");
await until("response.done", 4);

write("Tell me a story.");
await until("response.output_audio.delta");
const story = await until("response.created", 5);
const made = await until("response.output_item.added", 5);
await speak();
await until("input_audio_buffer.speech_started", 2);
const stopped = await until("response.done", 5);
rt.send({ type: "conversation.item.truncate", item_id: made.item.id, content_index: 0, audio_end_ms: 50 });
await until("conversation.item.truncated");
rt.close();

console.log(JSON.stringify({
  url: String(rt.url),
  errors: events.filter((event) => event.type === "error" || event.type === "client error"),
  said: events.filter((event) => event.type === "response.output_audio_transcript.done").map((event) => event.transcript),
  story: [story.response.id === stopped.response.id, stopped.response.status],
}));
process.exit(0);
