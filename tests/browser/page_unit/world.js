/**
 * What a browser and a gateway are to the page's session, in the hands of a test: time, devices, sound, network.
 * The page's modules are the real ones. `world.pass(ms)` lets time pass; nothing else does.
 */
(() => {
  const hop = new MessageChannel();
  const hops = [];
  hop.port1.onmessage = () => hops.shift()();
  /** All that promises still owe is done. */
  const settle = () => new Promise((resolve) => {
    hops.push(resolve);
    hop.port2.postMessage(0);
  });

  // -- time --------------------------------------------------------------------------------------
  let nowMs = 1000;
  let count = 0;
  let timers = [];
  let frames = [];
  const start = (run, delayMs, everyMs) => {
    timers.push({ id: ++count, atMs: nowMs + Math.max(0, delayMs || 0), everyMs, run });
    return count;
  };
  const stop = (id) => {
    timers = timers.filter((timer) => timer.id !== id);
  };
  window.setTimeout = (run, ms) => start(run, ms, 0);
  window.setInterval = (run, ms) => start(run, ms, ms);
  window.clearTimeout = stop;
  window.clearInterval = stop;
  window.requestAnimationFrame = (run) => frames.push(run);
  performance.now = () => nowMs;
  window.setInterval(() => {
    if (world.hidden) return;
    const due = frames;
    frames = [];
    due.forEach((run) => run());
  }, 20);

  async function pass(ms) {
    const endMs = nowMs + ms;
    for (;;) {
      await settle();
      const [next] = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs || a.id - b.id);
      if (!next) break;
      nowMs = Math.max(nowMs, next.atMs);
      if (next.everyMs) next.atMs += next.everyMs;
      else stop(next.id);
      next.run();
    }
    nowMs = endMs;
  }

  const world = {
    pass,
    /** The page is not seen. */
    hidden: false,
    /** How getUserMedia fails; empty: it does not. */
    microphoneError: "",
    /** How long it takes to open a microphone. */
    openingMs: 5,
    /** How often one was asked for, and those that are open. */
    asked: 0,
    open: new Set(),
    /** Open microphones deliver samples. */
    delivers: true,
    /** The clocks of AudioContexts go. */
    plays: true,
    /** Modules of worklets can be loaded. */
    loads: true,
    contexts: [],
    elements: [],
    nodes: [],
    /** Data channels open. */
    passes: true,
    /** Pings are answered. */
    answers: true,
    pong: (channel, t) => start(() => channel.onmessage?.({ data: JSON.stringify({ type: "pong", t }) }), 20, 0),
    /** Control messages that left the page. */
    sent: [],
    /** What the gateway keeps of the conversation; null: it does not tell. */
    history: [],
    /** Requests: [method, path, headers]. */
    requests: [],
    stays: 0,
    locks: [],
    media: new EventTarget(),
    /** The gateway's answer to an offer: [status, what it says]. */
    answer: () => [201, {}],
    hide(hidden) {
      world.hidden = hidden;
      document.dispatchEvent(new Event("visibilitychange"));
    },
    /** The device of an open microphone goes. */
    unplug() {
      for (const track of [...world.open]) {
        track.stop();
        track.onended?.();
      }
    },
    /** How often the nodes of this name were given a port, one number for each. */
    feeds: (name) => world.nodes.filter((node) => node.name === `mixminus-${name}`)
      .map((node) => node.got.filter(({ type }) => type === "feed").length),
    /** A session, and its store. @param {object} [options] */
    async session(options = {}) {
      const { Store } = await import(`${location.origin}/state/store.js`);
      const { Session } = await import(`${location.origin}/session/session.js`);
      const store = new Store();
      const session = new Session(store, { jitter: {}, allowWorker: false, ...options });
      return { store, session, codes: () => store.state.problems.map(({ code }) => code) };
    },
    choice: { room: "home", name: "Ana", mode: "assistant", place: "", deviceId: "", raw: false },
    /** A session that is in the room. */
    async joined(options = {}) {
      const made = await world.session(options);
      made.session.join(world.choice);
      await pass(100);
      made.welcome = (participant = "p1") => (
        made.session.inbox.take({ type: "welcome", participant, room: "home", epoch: 0, name: "Ana" })
      );
      made.welcome();
      await pass(100);
      return made;
    },
  };
  window.world = world;
  Object.defineProperty(document, "hidden", { get: () => world.hidden });

  // -- devices and sound -------------------------------------------------------------------------
  const wait = (ms) => new Promise((resolve) => start(resolve, ms, 0));
  world.media.enumerateDevices = async () => [];
  world.media.getUserMedia = async () => {
    world.asked += 1;
    await wait(world.openingMs);
    if (world.microphoneError) throw new DOMException("no", world.microphoneError);
    const track = {
      readyState: "live", muted: false, label: "microphone", getSettings: () => ({}),
      stop() {
        track.readyState = "ended";
        world.open.delete(track);
      },
    };
    world.open.add(track);
    return { getTracks: () => [track], getAudioTracks: () => [track] };
  };
  const wakeLock = {
    async request() {
      await wait(10);
      const lock = { released: false, release: async () => { lock.released = true; } };
      world.locks.push(lock);
      return lock;
    },
  };
  Object.defineProperty(navigator, "mediaDevices", { value: world.media });
  Object.defineProperty(navigator, "wakeLock", { value: wakeLock });

  window.AudioContext = class {
    constructor() {
      this.state = "running";
      this.sampleRate = 48000;
      this.destination = {};
      this.audioWorklet = {
        addModule: async () => {
          await wait(5);
          if (!world.loads) throw new DOMException("Unable to load a worklet's module.", "AbortError");
        },
      };
      world.contexts.push(this);
    }

    get currentTime() {
      return world.plays ? nowMs / 1000 : 0;
    }

    async resume() {}

    async close() {
      this.state = "closed";
    }

    /** The system stops it, or lets it go on. @param {"running"|"suspended"} state */
    turn(state) {
      this.state = state;
      this.onstatechange?.();
    }

    createMediaStreamSource(stream) {
      return { connect: (node) => { node.stream = stream; }, disconnect() {} };
    }

    createMediaStreamDestination() {
      return { stream: {} };
    }
  };
  window.Audio = class {
    constructor() {
      this.paused = true;
      world.elements.push(this);
    }

    setAttribute() {}

    async play() {
      this.paused = false;
      this.onplay?.();
    }

    pause() {
      this.paused = true;
      this.onpause?.();
    }
  };
  window.AudioWorkletNode = class {
    constructor(context, name) {
      if (context.state === "closed") throw new DOMException("closed", "InvalidStateError");
      this.context = context;
      this.name = name;
      this.got = [];
      this.port = { postMessage: (message) => this.got.push(message) };
      world.nodes.push(this);
    }

    connect() {}
  };
  window.setInterval(() => {
    for (const { name, context, stream, port } of world.nodes) {
      const sounds = stream?.getAudioTracks()[0].readyState === "live" && context.state === "running";
      if (name === "mixminus-capture" && sounds && world.delivers) port.onmessage({ data: { type: "level", dbfs: -60 } });
    }
  }, 60);

  // -- network -----------------------------------------------------------------------------------
  window.RTCPeerConnection = class extends EventTarget {
    createDataChannel(label) {
      const channel = {
        label, readyState: world.passes ? "open" : "connecting", bufferedAmount: 0, close() {},
        send(data) {
          if (label !== "control") return;
          const message = JSON.parse(data);
          world.sent.push(message);
          if (message.type === "ping" && world.answers) world.pong(channel, message.t);
        },
        set onopen(run) {
          if (run && world.passes) start(run, 5, 0);
        },
      };
      return channel;
    }

    async createOffer() {
      return {};
    }

    async setLocalDescription() {
      this.localDescription = { sdp: "offer" };
    }

    async setRemoteDescription() {}

    async getStats() {
      return new Map();
    }

    close() {}
  };
  const answered = (status, body, headers = {}) => ({
    ok: status < 400, status, statusText: "", text: async () => "answer", json: async () => body,
    headers: { get: (name) => ({ "content-type": "application/json", ...headers })[name] ?? null },
  });
  window.fetch = async (address, { method = "GET", headers = {} } = {}) => {
    const path = new URL(address).pathname;
    world.requests.push([method, path, headers]);
    await wait(5);
    if (path.endsWith("/end")) return new Promise(() => {});
    if (path.endsWith("/ice")) return answered(200, { ice_servers: [], keep_s: 600 });
    if (path.endsWith("/conversation")) return answered(world.history ? 200 : 503, { items: world.history });
    if (method !== "POST") return answered(200, {});
    const [status, body] = world.answer(headers["Mixminus-Replaces"] ?? "");
    if (status !== 201) return answered(status, body);
    world.stays += 1;
    return answered(201, body, { location: `${location.origin}/rooms/home/participants/p${world.stays}` });
  };
})();
