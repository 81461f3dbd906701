// The SDK as its documentation shows it, with another base URL and a microphone that speaks on demand.
import { OpenAIRealtimeWebRTC, RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import { z } from 'zod';

window.log = { events: [], errors: [], toolCalls: [], history: [] };

window.start = async (baseUrl, apiKey) => {
  const getTime = tool({
    name: 'get_time',
    description: 'Tells the time at a place.',
    parameters: z.object({ place: z.string() }),
    execute: async ({ place }) => {
      window.log.toolCalls.push(place);
      return 'It is 12:34.';
    },
  });
  const agent = new RealtimeAgent({
    name: 'Tester',
    instructions: 'Be brief.',
    tools: [getTime],
  });
  window.microphone = new AudioContext();
  window.voice = window.microphone.createMediaStreamDestination();
  const silence = new ConstantSourceNode(window.microphone, { offset: 0 });
  silence.connect(window.voice); // A microphone never stops sending.
  silence.start();
  const mediaStream = window.voice.stream;
  window.transport = new OpenAIRealtimeWebRTC({ baseUrl, mediaStream });
  window.session = new RealtimeSession(agent, { transport: window.transport });
  window.session.on('transport_event', (event) => window.log.events.push(event));
  window.session.on('error', (error) => window.log.errors.push(JSON.stringify(error)));
  window.session.on('history_updated', (history) => (window.log.history = history));
  await window.session.connect({ apiKey });
};

// Say a WAV file, given as base64, into the microphone.
window.speak = async (wav) => {
  const bytes = Uint8Array.from(atob(wav), (letter) => letter.charCodeAt(0));
  const source = window.microphone.createBufferSource();
  source.buffer = await window.microphone.decodeAudioData(bytes.buffer);
  source.connect(window.voice);
  source.start();
};

// Energy of the reply as the browser has decoded it, and how long it was audible.
window.heard = async () => {
  const report = await window.transport.connectionState.peerConnection.getStats();
  for (const entry of report.values())
    if (entry.type === 'inbound-rtp' && entry.kind === 'audio')
      return { energy: entry.totalAudioEnergy, packets: entry.packetsReceived };
  return { energy: 0, packets: 0 };
};
