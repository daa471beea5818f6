// Reports completed AI sessions. An event gets its id and its place in a queue when it is captured, and leaves the
// queue only after the server has said that it is durable; so it may be sent twice, and counts once, by its id.
//
// Nothing here throws into the page: what can't be done is said in what `capture` returns, and to `onProblem`.

const PATH = "/api/session-completion/events";
const NODE_ENDPOINT = "http://127.0.0.1:8080";
const OUTCOMES = ["success", "error", "timeout", "user_terminated"];
const TOKENS = ["total_tokens", "input_tokens", "output_tokens", "prompt_tokens", "completion_tokens"];
/** What the server will say of these tomorrow as well: malformed, a conflict of ids, too large, invalid. */
const REFUSALS = new Set([400, 409, 413, 422]);
/** A browser sends at most 64 KiB for a page that is gone, all requests together (Fetch standard, keepalive). */
const GONE_BYTES = 60_000;
/** A server may ask for more patience than that; it is asked again then. */
const MOST_PATIENCE_MS = 3_600_000;
/** How long a tab's note says that it is sending. */
const TURN_MS = 30_000;
const ENCODER = new TextEncoder();

const DEFAULTS = Object.freeze({
  maxEvents: 1_000,
  maxBytes: 1_000_000,
  maxEventBytes: GONE_BYTES,
  maxRefused: 50,
  batchEvents: 50,
  batchBytes: GONE_BYTES,
  timeoutMs: 10_000,
  baseMs: 500,
  capMs: 60_000,
  beaconHoldMs: 5_000,
});

export class SessionCompletionRuntime {
  #settings;
  #url = "";
  #headers = {};
  #queue;
  #locked;
  #fetch;
  #random;
  #onProblem;
  #own = new Set(); // captured by this page: those of other tabs are theirs to send as they close
  #flying = new Set(); // in a request that outlives the page
  #beaconed = new Map(); // id -> until when the beacon is given time to arrive
  #captured = 0;
  #lost = 0;
  #failures = 0;
  #retryAt = 0;
  #timer = null;
  #timerAt = 0;
  #sending = null;
  #closed = false;
  #listeners = [];

  constructor(options = {}) {
    const given = options ?? {};
    this.#settings = { ...DEFAULTS, ...numbersOf(given) };
    this.#random = given.random ?? Math.random;
    this.#onProblem = typeof given.onProblem === "function" ? given.onProblem : warn;
    this.#fetch = given.fetch ?? ((url, asked) => globalThis.fetch(url, asked));
    const target = targetOf(given);
    this.#queue = new Queue(`scr_sdk|${target.name}|`, given.storage === undefined ? pageStorage() : given.storage);
    this.#locked = new Turns(`scr_sdk|${target.name}`, this.#queue, this.#random);
    if (target.problem) {
      this.#closed = true;
      this.#tell({ kind: "configuration", message: target.problem });
      return;
    }
    this.#url = target.url;
    this.#headers = target.headers;
    this.#listen();
    if (this.#queue.size().events > 0) this.#wake(this.#random() * this.#settings.baseMs);
  }

  /** Takes one completed session, in full or in short; returns at once, also when it could not be kept. */
  capture(event) {
    try {
      return this.#take(event);
    } catch (problem) {
      return this.#notKept("invalid_event", String(problem?.message ?? problem));
    }
  }

  /** Sends what waits, now. True once nothing waits any more; false if the server didn't take it, or time ran out. */
  async flush(options = {}) {
    try {
      const end = Date.now() + (options?.timeoutMs ?? this.#settings.timeoutMs);
      while (!this.#closed && this.#queue.size().events > 0) {
        if (Date.now() >= end) return false;
        this.#beaconed.clear();
        this.#retryAt = 0;
        const sent = await settledWithin(this.#send(), end - Date.now());
        if (sent === "failed" || sent === undefined) return this.#queue.size().events === 0;
        // Another tab has the turn; or what was captured meanwhile waits for the next one.
        await pause(20 + this.#random() * 30);
      }
      return this.#queue.size().events === 0;
    } catch {
      return false;
    }
  }

  /** Counts: captured and lost by this object; waiting and refused in the queue, whichever tab captured them. */
  stats() {
    const { events, refused } = this.#queue.size();
    return { captured: this.#captured, waiting: events, refused, lost: this.#lost };
  }

  /** What the server refused for good: `[{ text, reason }]`. */
  refused() {
    return this.#queue.refused();
  }

  forgetRefused() {
    this.#queue.forgetRefused();
  }

  /** Takes no more; what waits goes out by beacon where there is one, and stays in the queue for the next visit. */
  close() {
    if (this.#closed) return;
    this.#leave();
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const [target, name, listener] of this.#listeners) target.removeEventListener(name, listener);
  }

  #take(event) {
    if (this.#closed) return this.#notKept("closed", "this runtime is closed, or was never set up");
    const { id, text } = eventText(event);
    const bytes = bytesOf(text);
    if (bytes > this.#settings.maxEventBytes) {
      return this.#notKept("invalid_event", `the event has more than ${this.#settings.maxEventBytes} bytes`);
    }
    const size = this.#queue.size();
    if (size.events + 1 > this.#settings.maxEvents || size.bytes + bytes > this.#settings.maxBytes) {
      return this.#notKept("queue_full", `${size.events} events wait already; the server takes none`);
    }
    this.#queue.add(id, text);
    this.#own.add(id);
    this.#captured += 1;
    // A page that is hidden may be gone the next moment, or live for hours: what went by beacon is sent again if it does.
    if (isHidden()) this.#leave();
    this.#wake(0);
    return { event_id: id, kept: true, problem: null };
  }

  #notKept(kind, message) {
    this.#lost += 1;
    this.#tell({ kind, message });
    return { event_id: null, kept: false, problem: message };
  }

  #tell(problem) {
    try {
      this.#onProblem(problem);
    } catch {
      // A handler's fault is no reason to fail the page.
    }
  }

  #listen() {
    const on = (target, name, listener) => {
      if (typeof target?.addEventListener !== "function") return;
      target.addEventListener(name, listener);
      this.#listeners.push([target, name, listener]);
    };
    if (typeof document === "undefined") return;
    on(document, "visibilitychange", () => (isHidden() ? this.#leave() : this.#wake(0)));
    on(globalThis, "pagehide", () => this.#leave());
    on(globalThis, "pageshow", () => this.#wake(0));
    on(globalThis, "online", () => {
      this.#retryAt = 0;
      this.#wake(0);
    });
  }

  /** The page may be gone in a moment: hand the browser what this page captured and nobody is sending. */
  #leave() {
    try {
      if (this.#closed || !this.#url || typeof globalThis.navigator?.sendBeacon !== "function") return;
      const until = Date.now() + this.#settings.beaconHoldMs;
      const waiting = this.#queue
        .entries()
        .filter(({ id }) => this.#own.has(id) && !this.#flying.has(id) && !this.#beaconed.has(id));
      for (const batch of batches(waiting, this.#settings.batchEvents, GONE_BYTES)) {
        // Plain text needs no preflight, for which there is no time. It returns false when the browser's quota is full.
        const body = new Blob([bodyOf(batch)], { type: "text/plain;charset=UTF-8" });
        if (!navigator.sendBeacon(this.#url, body)) return;
        for (const { id } of batch) this.#beaconed.set(id, until);
      }
    } catch {
      // What was not handed over stays in the queue.
    }
  }

  #wake(delayMs) {
    if (this.#closed) return;
    // Where the clock was set back, what was meant to be soon must not be in hours.
    const wait = Math.max(delayMs, Math.min(this.#retryAt - Date.now(), MOST_PATIENCE_MS), 0);
    if (this.#timer !== null && this.#timerAt <= Date.now() + wait) return;
    clearTimeout(this.#timer);
    this.#timerAt = Date.now() + wait;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#send().catch(() => {});
    }, wait);
    // A Node process that has nothing else to do is not held up by a server that is away; `flush` waits for it.
    if (wait > 0) this.#timer.unref?.();
  }

  /** One turn of sending; "sent", "failed", or "busy" = another tab has the turn. */
  #send() {
    this.#sending ??= this.#turn().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #turn() {
    const said = await this.#locked.take(() => this.#rounds());
    if (this.#queue.size().events > 0) {
      if (said === "busy") this.#wake(500 + this.#random() * 1_000);
      else this.#wake(said === "failed" ? 0 : this.#settings.beaconHoldMs);
    }
    return said;
  }

  async #rounds() {
    const done = new Set(); // also where the storage doesn't let go of them
    for (;;) {
      const now = Date.now();
      for (const [id, until] of this.#beaconed) {
        if (until <= now || until > now + this.#settings.beaconHoldMs) this.#beaconed.delete(id);
      }
      const due = this.#queue.entries().filter(({ id, key }) => !this.#beaconed.has(id) && !done.has(key));
      if (due.length === 0 || this.#closed) return "sent";
      const [batch] = batches(due, this.#settings.batchEvents, this.#settings.batchBytes);
      let answer = await this.#post(batch);
      if (REFUSALS.has(answer.status) && batch.length > 1) {
        // One of them is wrong; each by itself shows which.
        for (const one of batch) {
          answer = await this.#post([one]);
          if (!this.#isSettled([one], answer)) break;
        }
      } else this.#isSettled(batch, answer);
      if (!isTaken(answer) && !REFUSALS.has(answer.status)) {
        this.#fail(answer);
        return "failed";
      }
      for (const { key } of batch) done.add(key);
    }
  }

  #isSettled(batch, answer) {
    if (!isTaken(answer) && !REFUSALS.has(answer.status)) return false;
    if (isTaken(answer)) this.#failures = 0;
    for (const entry of batch) {
      if (isTaken(answer)) this.#queue.drop(entry.key);
      else {
        const reason = `${answer.status}: ${answer.message}`;
        this.#queue.refuse(entry, reason, this.#settings.maxRefused, this.#settings.maxBytes);
        this.#tell({ kind: "refused", message: reason, event_id: entry.id });
      }
      this.#own.delete(entry.id);
    }
    return true;
  }

  #fail(answer) {
    this.#failures += 1;
    const ceiling = Math.min(this.#settings.capMs, this.#settings.baseMs * 2 ** Math.min(this.#failures - 1, 30));
    this.#retryAt = Date.now() + Math.max(1, ceiling * this.#random(), answer.askedMs);
    // Said once: what helps against the reason is the operator's to do, and a page's log is not where it is looked for.
    if (this.#failures === 1) this.#tell({ kind: "server", message: answer.message, status: answer.status });
  }

  async #post(batch) {
    const body = bodyOf(batch);
    const outlives = typeof document !== "undefined" && bytesOf(body) <= GONE_BYTES;
    const aborter = new AbortController();
    const timer = setTimeout(() => aborter.abort(), this.#settings.timeoutMs);
    if (outlives) for (const { id } of batch) this.#flying.add(id);
    try {
      const response = await this.#fetch(this.#url, {
        method: "POST",
        headers: this.#headers,
        body,
        keepalive: outlives,
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        signal: aborter.signal,
      });
      return { status: response.status, message: await messageOf(response), askedMs: askedMs(response) };
    } catch (problem) {
      return { status: 0, message: `the server can't be reached (${problem?.name ?? "error"})`, askedMs: 0 };
    } finally {
      clearTimeout(timer);
      for (const { id } of batch) this.#flying.delete(id);
    }
  }
}

/** One event's id and text: both fixed here, so that however often it is sent, it is the same event. */
function eventText(event) {
  if (typeof event !== "object" || event === null || Array.isArray(event)) throw new TypeError("an event is an object");
  check(event);
  const id = event.event_id ?? `evt_${freshId()}`;
  if (typeof id !== "string" || !/^[A-Za-z0-9_:-]{1,128}$/.test(id)) {
    throw new TypeError("event_id: must be 1 to 128 letters, digits, _, : or -");
  }
  const text = JSON.stringify({ ...event, event_id: id, timestamp: event.timestamp ?? new Date() }, (name, value) => {
    if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${name}: must be a finite number`);
    return value;
  });
  return { id, text };
}

/** Only what can't be mended later is checked, so that a mistake shows where it was made; the server judges the rest. */
function check(event) {
  const session = event.session ?? event;
  const named = event.session === undefined ? "session_id" : "session.session_id";
  if (typeof session.session_id !== "string" || !session.session_id) throw new TypeError(`${named}: must be a text`);
  const usage = event.usage;
  if (typeof usage !== "object" || usage === null) throw new TypeError("usage: must be there, with the tokens");
  for (const name of TOKENS) {
    if (usage[name] !== undefined && !(Number.isSafeInteger(usage[name]) && usage[name] >= 0)) {
      throw new TypeError(`usage.${name}: must be a whole number from 0 to 2^53-1`);
    }
  }
  const read = usage.input_tokens ?? usage.prompt_tokens;
  const written = usage.output_tokens ?? usage.completion_tokens;
  if (usage.total_tokens === undefined && (read === undefined || written === undefined)) {
    throw new TypeError("usage.total_tokens: is missing");
  }
  const outcome = event.outcome === undefined ? "success" : event.outcome;
  const status = typeof outcome === "object" ? outcome?.status : outcome;
  if (!OUTCOMES.includes(status)) throw new TypeError(`outcome: must be one of ${OUTCOMES.join(", ")}`);
}

function freshId() {
  // A page that didn't come over HTTPS has no randomUUID, but the same randomness.
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID().replaceAll("-", "");
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Where and as whom events are sent; `name` tells this server and key from others, without saying a secret. */
function targetOf({ endpoint, publicKey, apiKey }) {
  const page = typeof location === "undefined" ? "" : location.origin;
  try {
    const url = new URL(String(endpoint ?? (page || NODE_ENDPOINT)));
    if (!/^https?:$/.test(url.protocol) || url.username) return { name: "", problem: "the endpoint is no http(s) URL" };
    const base = `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
    const headers = { "content-type": "text/plain;charset=UTF-8" };
    if (publicKey) {
      const sent = `${base}${PATH}?public_key=${encodeURIComponent(publicKey)}`;
      return { name: `${base}|${publicKey}`, url: sent, headers };
    }
    if (!apiKey) return { name: base, problem: "publicKey is missing" };
    if (page) return { name: base, problem: "apiKey is a secret: a page gets a publicKey, which can only write" };
    return {
      name: base,
      url: `${base}${PATH}`,
      headers: { "content-type": "application/json", authorization: `Bearer ${apiKey}` },
    };
  } catch {
    return { name: "", problem: "the endpoint is a URL such as https://harpoon.example" };
  }
}

function numbersOf(options) {
  const known = Object.keys(DEFAULTS).filter((name) => Number.isFinite(options[name]) && options[name] > 0);
  return Object.fromEntries(known.map((name) => [name, options[name]]));
}

function pageStorage() {
  try {
    return globalThis.document === undefined ? null : globalThis.localStorage;
  } catch {
    return null; // the page may not keep anything
  }
}

function isHidden() {
  return typeof document !== "undefined" && document.visibilityState === "hidden";
}

function isTaken(answer) {
  return answer.status >= 200 && answer.status < 300;
}

function bytesOf(text) {
  return ENCODER.encode(text).length;
}

function bodyOf(batch) {
  return batch.length === 1 ? batch[0].text : `[${batch.map(({ text }) => text).join(",")}]`;
}

function* batches(entries, mostEvents, mostBytes) {
  let batch = [];
  let bytes = 1;
  for (const entry of entries) {
    const more = bytesOf(entry.text) + 1;
    if (batch.length > 0 && (batch.length >= mostEvents || bytes + more > mostBytes)) {
      yield batch;
      batch = [];
      bytes = 1;
    }
    batch.push(entry);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}

async function messageOf(response) {
  if (isTaken(response)) {
    // It is taken, however the rest of the answer ends.
    await response.body?.cancel().catch(() => {});
    return "";
  }
  try {
    return String((await response.json()).error.message).slice(0, 500);
  } catch {
    return "no reason given";
  }
}

function askedMs(response) {
  const asked = response.headers.get("retry-after") ?? "";
  return /^[0-9]{1,6}$/.test(asked) ? Math.min(Number(asked) * 1_000, MOST_PATIENCE_MS) : 0;
}

function pause(delayMs) {
  return new Promise((done) => setTimeout(done, delayMs));
}

async function settledWithin(promise, delayMs) {
  let timer;
  const late = new Promise((done) => {
    timer = setTimeout(done, Math.max(0, delayMs));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function warn(problem) {
  globalThis.console?.warn?.(`session-completion-runtime-sdk: ${problem.message}`);
}

/** Events that wait, oldest first: a key of the storage for each, so that tabs don't overwrite each other's. */
class Queue {
  #prefix;
  #storage;
  #memory = new Map(); // what no storage takes: Node, private windows, a storage that others filled
  #count = 0;

  constructor(prefix, storage) {
    this.#prefix = prefix;
    this.#storage = storage;
  }

  add(id, text) {
    this.#count += 1;
    const at = `${String(Date.now()).padStart(15, "0")}.${String(this.#count).padStart(9, "0")}`;
    this.#put(`e|${at}|${id}`, text);
  }

  /** Keeps a refused event aside, of which there are at most so many, with so many bytes; the oldest go first. */
  refuse(entry, reason, most, mostBytes) {
    this.drop(entry.key);
    const text = JSON.stringify({ text: entry.text, reason });
    const earlier = this.#keys("r|");
    let bytes = earlier.reduce((sum, key) => sum + this.#bytesOf(key), bytesOf(text));
    while (earlier.length > 0 && (earlier.length >= most || bytes > mostBytes)) {
      const oldest = earlier.shift();
      bytes -= this.#bytesOf(oldest);
      this.drop(oldest);
    }
    this.#put(`r|${entry.key.slice(2)}`, text);
  }

  /** What others wrote under our names, and is no event at all, is dropped: nobody could ever take it. */
  entries() {
    const found = [];
    for (const key of this.#keys("e|")) {
      const [id, text] = [key.split("|")[2], this.read(key)];
      if (id && text) found.push({ key, id, text });
      else this.drop(key);
    }
    return found;
  }

  refused() {
    const found = [];
    for (const key of this.#keys("r|")) {
      try {
        const { text, reason } = JSON.parse(this.read(key));
        if (typeof text !== "string") throw new TypeError("no event");
        found.push({ text, reason });
      } catch {
        this.drop(key);
      }
    }
    return found;
  }

  forgetRefused() {
    for (const key of this.#keys("r|")) this.drop(key);
  }

  size() {
    const keys = this.#keys("e|");
    const bytes = keys.reduce((sum, key) => sum + this.#bytesOf(key), 0);
    return { events: keys.length, bytes, refused: this.#keys("r|").length };
  }

  read(key) {
    return this.#memory.get(key) ?? this.#stored(() => this.#storage.getItem(this.#prefix + key)) ?? null;
  }

  /** Whether the storage took it, so that other tabs see it. */
  write(key, text) {
    return this.#stored(() => (this.#storage.setItem(this.#prefix + key, text), true)) === true;
  }

  drop(key) {
    this.#memory.delete(key);
    this.#stored(() => this.#storage.removeItem(this.#prefix + key));
  }

  #bytesOf(key) {
    return bytesOf(this.read(key) ?? "");
  }

  #put(key, text) {
    if (!this.write(key, text)) this.#memory.set(key, text);
  }

  #keys(kind) {
    const start = this.#prefix + kind;
    const found = this.#stored(() => {
      const all = [];
      for (let at = 0; at < this.#storage.length; at += 1) all.push(this.#storage.key(at) ?? "");
      return all.filter((key) => key.startsWith(start)).map((key) => key.slice(this.#prefix.length));
    });
    return [...new Set([...(found ?? []), ...[...this.#memory.keys()].filter((key) => key.startsWith(kind))])].sort();
  }

  #stored(act) {
    try {
      return this.#storage === null ? undefined : act();
    } catch {
      return undefined; // full, or taken away from the page
    }
  }
}

/** One tab sends at a time: by the browser's locks, else by a note in the storage, which is only nearly as good. */
class Turns {
  #name;
  #queue;
  #random;
  #owner = freshId();

  constructor(name, queue, random) {
    this.#name = name;
    this.#queue = queue;
    this.#random = random;
  }

  async take(act) {
    if (typeof document === "undefined") return act(); // what waits in Node is this object's alone
    const locks = globalThis.navigator?.locks;
    if (locks) {
      let isAsked = false;
      const once = (lock) => {
        isAsked = true;
        return lock ? act() : "busy";
      };
      try {
        return await locks.request(this.#name, { ifAvailable: true }, once);
      } catch (problem) {
        if (isAsked) throw problem;
        // A sandboxed frame has locks and may not use them.
      }
    }
    return this.#byNote(act);
  }

  async #byNote(act) {
    const now = Date.now();
    const [owner, until] = (this.#queue.read("turn") ?? "|0").split("|");
    // A note of longer than a note lasts is of a clock that was set back, or nobody's.
    if (owner !== this.#owner && Number(until) > now && Number(until) <= now + TURN_MS) return "busy";
    const note = `${this.#owner}|${now + TURN_MS}`;
    if (!this.#queue.write("turn", note)) return act(); // nobody else sees this queue
    await pause(10 + this.#random() * 40);
    if (this.#queue.read("turn") !== note) return "busy";
    try {
      return await act();
    } finally {
      this.#queue.drop("turn");
    }
  }
}
