// The live socket: goes on where it stopped, waits longer after each failure, and says honestly how it stands.

const WAIT_MS_MIN = 250;
const WAIT_MS_MAX = 5000;
const OPEN_MS_MAX = 5000;

export class Live {
  #socket = null;
  #wait = WAIT_MS_MIN;
  #timer = null;
  state = "connecting"; // connecting | live | reconnecting
  frames = 0;
  reconnects = 0;
  since = null; // when the present state began, performance.now()

  /** after() -> the last sequence known; onFrame(frame); onState(state). */
  constructor({ after, onFrame, onState }) {
    this.after = after;
    this.onFrame = onFrame;
    this.onState = onState;
    addEventListener("online", () => this.connect());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.state === "reconnecting") this.connect();
    });
  }

  connect() {
    clearTimeout(this.#timer);
    this.#drop();
    const after = this.after();
    const address = new URL("/ws/dashboard", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (after !== null) address.searchParams.set("after", after);
    const socket = new WebSocket(address);
    this.#socket = socket;
    const tooSlow = setTimeout(() => socket.close(), OPEN_MS_MAX);
    socket.addEventListener("open", () => {
      clearTimeout(tooSlow);
      this.#wait = WAIT_MS_MIN;
      this.#tell("live");
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return;
      this.frames += 1;
      this.onFrame(JSON.parse(data));
    });
    socket.addEventListener("close", () => {
      clearTimeout(tooSlow);
      if (socket !== this.#socket) return;
      if (this.state === "live") this.reconnects += 1;
      this.#tell("reconnecting");
      // Not all pages at the same moment.
      this.#timer = setTimeout(() => this.connect(), this.#wait * (0.75 + Math.random() / 2));
      this.#wait = Math.min(this.#wait * 2, WAIT_MS_MAX);
    });
  }

  stop() {
    clearTimeout(this.#timer);
    this.#drop();
  }

  #drop() {
    const old = this.#socket;
    this.#socket = null;
    if (old && old.readyState <= WebSocket.OPEN) old.close();
  }

  #tell(state) {
    if (state !== this.state) this.since = performance.now();
    this.state = state;
    this.onState(state);
  }
}
