// The connection to the gateway, and whether what the page shows can be believed.
//
// `live` means: the stream is open and the last poll was answered. A stream alone is not believed, because a
// connection that died half way stays open for minutes. Anything else is `lost`, and is said at once.
// @ts-check

/** @typedef {import("./types.js").Ecosystem} Ecosystem */
/** @typedef {import("./types.js").StreamMessage} StreamMessage */
/** @typedef {"connecting" | "live" | "lost"} State */

const POLL_MS = 5000;
const TIMEOUT_MS = 4000;
const SOON_MS = 250;
const SOON_AT_MOST_EVERY_MS = 1000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5000;

export class Connection {
  /** @type {State} */ state = "connecting";
  /** When the gateway last answered. @type {number | null} */ seen = null;
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {string | null} */ #etag = null;
  #failures = 0;
  #polledAt = 0;
  /** @type {number | undefined} */ #timer;
  /** @type {number | undefined} */ #retry;
  #soon = false;
  /** Told apart by number, so that an answer that comes too late changes nothing. */ #life = 0;

  /**
   * @param {object} told
   * @param {(state: State) => void} told.onState
   * @param {(ecosystem: Ecosystem) => void} told.onEcosystem
   * @param {(events: StreamMessage[]) => void} told.onHistory
   * @param {(message: StreamMessage) => void} told.onMessage
   */
  constructor(told) {
    this.told = told;
  }

  start() {
    document.addEventListener("visibilitychange", () => this.#wake());
    window.addEventListener("online", () => this.#wake());
    window.addEventListener("offline", () => this.#lose(this.#life));
    this.#connect();
  }

  /** The state may have changed: asks soon, but not more often than once a second. */
  pollSoon() {
    if (this.#soon || this.state !== "live") return;
    this.#soon = true;
    const wait = Math.max(SOON_MS, this.#polledAt + SOON_AT_MOST_EVERY_MS - Date.now());
    this.#schedule(wait);
  }

  async #connect() {
    const life = ++this.#life;
    clearTimeout(this.#retry);
    try {
      const history = await this.#get("health/events?limit=50");
      const { events, next } = await history.json();
      await this.#open(life, next);
      if (life !== this.#life) return;
      this.told.onHistory(events);
      this.#etag = null;
      await this.#poll(life);
    } catch {
      this.#lose(life);
    }
  }

  /** @param {number} life @param {string} since @returns {Promise<void>} */
  #open(life, since) {
    return new Promise((resolve, reject) => {
      const url = new URL("health/stream", document.baseURI);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      url.searchParams.set("since", since);
      const socket = new WebSocket(url);
      this.#socket = socket;
      const timer = setTimeout(reject, TIMEOUT_MS);
      socket.onopen = () => (clearTimeout(timer), resolve());
      socket.onclose = () => (clearTimeout(timer), reject(), this.#lose(life));
      socket.onmessage = ({ data }) => {
        if (life === this.#life) this.told.onMessage(JSON.parse(data));
      };
    });
  }

  /** @param {number} life */
  async #poll(life) {
    this.#soon = false;
    this.#polledAt = Date.now();
    const answer = await this.#get("health/ecosystem", this.#etag ? { "If-None-Match": this.#etag } : {});
    const ecosystem = answer.status === 304 ? null : await answer.json();
    if (life !== this.#life || this.#socket?.readyState !== WebSocket.OPEN) return;
    if (ecosystem) {
      this.#etag = answer.headers.get("ETag");
      this.told.onEcosystem(ecosystem);
    }
    this.#failures = 0;
    this.seen = Date.now();
    this.#set("live");
    this.#schedule(POLL_MS);
  }

  /** @param {number} wait */
  #schedule(wait) {
    clearTimeout(this.#timer);
    const life = this.#life;
    this.#timer = setTimeout(() => this.#poll(life).catch(() => this.#lose(life)), wait);
  }

  /** @param {string} path @param {Record<string, string>} headers */
  async #get(path, headers = {}) {
    const answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok && answer.status !== 304) throw new Error(`${path} answers ${answer.status}`);
    return answer;
  }

  /** @param {number} life */
  #lose(life) {
    if (life !== this.#life) return;
    this.#life++;
    clearTimeout(this.#timer);
    this.#soon = false;
    this.#socket?.close();
    this.#set("lost");
    const wait = Math.min(FIRST_RETRY_MS * 2 ** this.#failures++, LAST_RETRY_MS);
    this.#retry = setTimeout(() => this.#connect(), wait * (0.5 + Math.random() / 2));
  }

  /** Timers of hidden pages and sleeping machines stop: what is shown may be old. */
  #wake() {
    if (document.hidden) return;
    if (this.state === "lost") this.#connect();
    else if (this.seen !== null && Date.now() - this.seen > POLL_MS + TIMEOUT_MS) {
      this.#set("connecting");
      this.#schedule(0);
    }
  }

  /** @param {State} state */
  #set(state) {
    this.state = state;
    this.told.onState(state);
  }
}
