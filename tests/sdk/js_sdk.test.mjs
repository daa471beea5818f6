// The JavaScript SDK in Node, with a server that fails on demand; run by tests/sdk/test_js_node.py.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

const { SessionCompletionRuntime } = await import(process.env.SDK);
const EVENT = { session_id: "sess_1", usage: { total_tokens: 2140 }, outcome: "success" };
const QUICK = { baseMs: 5, capMs: 20, random: () => 0.5 };

/** A server that answers the given statuses in turn, then 200; `bodies` is what it got. */
async function server(answers, act) {
  const bodies = [];
  const seen = [];
  const listening = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      bodies.push(JSON.parse(body));
      seen.push(request);
      const answer = answers(bodies.length, bodies.at(-1));
      response.writeHead(answer.status ?? 200, answer.headers ?? {});
      response.end(JSON.stringify(answer.body ?? { ok: true }));
    });
  });
  await new Promise((done) => listening.listen(0, "127.0.0.1", done));
  const endpoint = `http://127.0.0.1:${listening.address().port}`;
  try {
    await act(endpoint, bodies, seen);
  } finally {
    listening.closeAllConnections();
    await new Promise((done) => listening.close(done));
  }
}

const ok = () => ({});
const flat = (bodies) => bodies.flat().map((event) => event.session_id);

test("an event gets its id and time once, and is sent as it is", () =>
  server(ok, async (endpoint, bodies, seen) => {
    const scr = new SessionCompletionRuntime({ apiKey: "k", endpoint });
    const taken = await scr.capture(EVENT);
    assert.match(taken.event_id, /^evt_[0-9a-f]{32}$/);
    assert.deepEqual([taken.kept, taken.problem], [true, null]);
    assert.equal(await scr.flush(), true);
    assert.equal(bodies.length, 1);
    assert.equal(bodies[0].event_id, taken.event_id);
    assert.match(bodies[0].timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(seen[0].headers.authorization, "Bearer k");
    assert.deepEqual(scr.stats(), { captured: 1, waiting: 0, refused: 0, lost: 0 });
  }));

test("a public key goes as a parameter, with a body that needs no preflight", () =>
  server(ok, async (endpoint, bodies, seen) => {
    const scr = new SessionCompletionRuntime({ publicKey: "scr_pub_a b", endpoint: `${endpoint}/` });
    scr.capture(EVENT);
    assert.equal(await scr.flush(), true);
    assert.equal(seen[0].url, "/api/session-completion/events?public_key=scr_pub_a%20b");
    assert.match(seen[0].headers["content-type"], /^text\/plain/);
    assert.equal(seen[0].headers.authorization, undefined);
  }));

test("it is sent without a flush too", () =>
  server(ok, async (endpoint, bodies) => {
    const scr = new SessionCompletionRuntime({ apiKey: "k", endpoint });
    scr.capture(EVENT);
    while (scr.stats().waiting > 0) await new Promise((done) => setTimeout(done, 5));
    assert.equal(bodies.length, 1);
  }));

test("while the server fails, the same event is sent again until it is taken", () =>
  server((count) => (count < 4 ? { status: [500, 429, 503][count - 1] } : {}), async (endpoint, bodies) => {
    const problems = [];
    const scr = new SessionCompletionRuntime({ apiKey: "k", endpoint, ...QUICK, onProblem: (p) => problems.push(p) });
    const { event_id } = scr.capture(EVENT);
    const still = setInterval(() => {}, 1_000); // the attempts to come hold no process up, so the test does
    while (scr.stats().waiting > 0) await new Promise((done) => setTimeout(done, 5));
    clearInterval(still);
    assert.deepEqual(bodies.map((body) => body.event_id), Array(4).fill(event_id));
    assert.equal(new Set(bodies.map((body) => JSON.stringify(body))).size, 1);
    assert.deepEqual(problems.map((problem) => problem.kind), ["server"]);
  }));

test("a flush says no while the server is away, and the event waits", async () => {
  const scr = new SessionCompletionRuntime({ apiKey: "k", endpoint: "http://127.0.0.1:9", onProblem() {} });
  scr.capture(EVENT);
  assert.equal(await scr.flush({ timeoutMs: 2_000 }), false);
  assert.equal(scr.stats().waiting, 1);
  scr.close();
});

test("waits are drawn from a ceiling that doubles, and a server's retry-after stands above them", async () => {
  const waits = [];
  const original = globalThis.setTimeout;
  globalThis.setTimeout = (act, delay, ...rest) => {
    if (delay > 50 && delay < 9_000) waits.push(Math.round(delay / 100) * 100);
    return original(act, delay > 50 && delay < 9_000 ? 0 : delay, ...rest);
  };
  const now = Date.now;
  let skipped = 0;
  Date.now = () => now() + skipped;
  let answers = 0;
  const fetch = async () => {
    skipped += 9_000;
    answers += 1;
    if (answers === 5) return new Response("{}", { status: 429, headers: { "retry-after": "7" } });
    return new Response("{}", { status: answers < 7 ? 503 : 200 });
  };
  try {
    const given = { apiKey: "k", baseMs: 200, capMs: 1_000, random: () => 1, onProblem() {}, fetch };
    const scr = new SessionCompletionRuntime(given);
    scr.capture(EVENT);
    while (scr.stats().waiting > 0) await new Promise((done) => original(done, 5));
  } finally {
    globalThis.setTimeout = original;
    Date.now = now;
  }
  assert.deepEqual(waits, [200, 400, 800, 1_000, 7_000, 1_000]);
});

test("order is that of capture, in batches", () =>
  server(ok, async (endpoint, bodies) => {
    const scr = new SessionCompletionRuntime({ apiKey: "k", endpoint, batchEvents: 7 });
    const names = Array.from({ length: 30 }, (_, at) => `s${at}`);
    for (const session_id of names) scr.capture({ ...EVENT, session_id });
    assert.equal(await scr.flush(), true);
    assert.deepEqual(flat(bodies), names);
    assert.deepEqual(bodies.map((body) => body.length ?? 1), [7, 7, 7, 7, 2]);
  }));

test("what the server refuses for good is found, kept aside, and holds nothing up", () =>
  server(
    (_, body) => ([body].flat().some((event) => event.session_id === "bad")
      ? { status: 422, body: { error: { message: "usage.total_tokens is odd" } } }
      : {}),
    async (endpoint, bodies) => {
      const problems = [];
      const scr = new SessionCompletionRuntime({ apiKey: "k", endpoint, onProblem: (one) => problems.push(one) });
      for (const session_id of ["a", "bad", "b"]) scr.capture({ ...EVENT, session_id });
      assert.equal(await scr.flush(), true);
      assert.deepEqual(scr.stats(), { captured: 3, waiting: 0, refused: 1, lost: 0 });
      assert.deepEqual(scr.refused().map(({ reason }) => reason), ["422: usage.total_tokens is odd"]);
      assert.equal(JSON.parse(scr.refused()[0].text).session_id, "bad");
      assert.deepEqual(problems.map(({ kind }) => kind), ["refused"]);
      scr.forgetRefused();
      assert.equal(scr.stats().refused, 0);
    },
  ));

test("the queue has a bound, which is said and not silent", async () => {
  const problems = [];
  const given = { apiKey: "k", endpoint: "http://127.0.0.1:9", maxEvents: 2, onProblem: (one) => problems.push(one) };
  const scr = new SessionCompletionRuntime(given);
  const said = ["a", "b", "c"].map((session_id) => scr.capture({ ...EVENT, session_id }).kept);
  assert.deepEqual(said, [true, true, false]);
  assert.deepEqual(scr.stats(), { captured: 2, waiting: 2, refused: 0, lost: 1 });
  assert.equal(problems[0].kind, "queue_full");
  const small = new SessionCompletionRuntime({ ...given, maxEvents: 100, maxBytes: 400 });
  assert.deepEqual([small.capture(EVENT).kept, small.capture(EVENT).kept, small.capture(EVENT).kept], [true, true, false]);
  scr.close();
  assert.equal(scr.capture(EVENT).kept, false);
});

const round = { ...EVENT };
round.self = round;
const REFUSED = [
  undefined, null, 7, "x", [], {}, { ...EVENT, session_id: "" }, { ...EVENT, session_id: 7 }, { session_id: "a" },
  { ...EVENT, usage: {} }, { ...EVENT, usage: { input_tokens: 1 } }, { ...EVENT, usage: { total_tokens: -1 } },
  { ...EVENT, usage: { total_tokens: 1.5 } }, { ...EVENT, usage: { total_tokens: NaN } },
  { ...EVENT, usage: { total_tokens: true } }, { ...EVENT, usage: { total_tokens: "1" } },
  { ...EVENT, usage: { total_tokens: 2 ** 53 } }, { ...EVENT, outcome: "odd" }, { ...EVENT, outcome: { status: 1 } },
  { ...EVENT, outcome: null }, { ...EVENT, event_id: "a b" }, { ...EVENT, event_id: "" }, { ...EVENT, event_id: 7 },
  { ...EVENT, metadata: { x: Infinity } }, { ...EVENT, metadata: { x: 1n } }, round,
  { ...EVENT, metadata: { text: "x".repeat(60_001) } }, { session: null, usage: EVENT.usage },
  { ...EVENT, get usage() { throw new Error("odd getter"); } },
];

test("what is no event is not kept, and never throws", () => {
  const scr = new SessionCompletionRuntime({ apiKey: "k", endpoint: "http://127.0.0.1:9", onProblem() {} });
  for (const event of REFUSED) {
    const said = scr.capture(event);
    assert.equal(said.kept, false);
    assert.ok(said.problem);
  }
  assert.deepEqual(scr.stats(), { captured: 0, waiting: 0, refused: 0, lost: REFUSED.length });
});

test("a runtime that can't be set up says so, and throws nothing", async () => {
  const given = [undefined, null, {}, { apiKey: "k", endpoint: "ftp://x" }, { apiKey: "k", endpoint: "::" },
    { publicKey: "p", endpoint: "https://user@x" }];
  for (const options of given) {
    const problems = [];
    const scr = new SessionCompletionRuntime(options && { ...options, onProblem: (one) => problems.push(one) });
    assert.equal(scr.capture(EVENT).kept, false);
    assert.equal(await scr.flush(), true);
    if (options) assert.deepEqual(problems.map(({ kind }) => kind), ["configuration", "closed"]);
    scr.close();
  }
});

test("a handler of problems that throws does no harm", () => {
  const onProblem = () => {
    throw new Error("odd handler");
  };
  assert.equal(new SessionCompletionRuntime({ onProblem }).capture(EVENT).kept, false);
});

test("the runtime's own reader takes what is sent, in full, in short, and from a key of the server", async () => {
  const scr = new SessionCompletionRuntime({ apiKey: process.env.SCR_API_KEY, endpoint: process.env.SCR_ENDPOINT });
  const full = {
    event_id: "evt_full", timestamp: "2026-11-20T10:00:00Z",
    session: { session_id: "näh ✓", session_type: "realtime", start_time: "2026-11-20T09:59:59Z",
      end_time: "2026-11-20T10:00:00Z" },
    user: { user_id: "u", organization_id: "o", tier: "pro" },
    usage: { prompt_tokens: 1, completion_tokens: 2, model: "m" }, outcome: { status: "error", error_code: "x" },
    metadata: { transport: "webrtc" },
  };
  const wanted = [scr.capture(full).event_id, scr.capture({ ...EVENT, spare: [1, { a: null }] }).event_id];
  assert.equal(await scr.flush(), true);
  assert.deepEqual(scr.stats(), { captured: 2, waiting: 0, refused: 0, lost: 0 });
  console.log(`ids ${JSON.stringify(wanted)}`);
});

/** A page's storage, as browsers have it. */
class Storage {
  #kept = new Map();

  get length() {
    return this.#kept.size;
  }

  key(at) {
    return [...this.#kept.keys()][at] ?? null;
  }

  getItem(name) {
    return this.#kept.get(name) ?? null;
  }

  setItem(name, text) {
    this.#kept.set(name, String(text));
  }

  removeItem(name) {
    this.#kept.delete(name);
  }
}

test("what others wrote into the storage does no harm, and holds nothing up", () =>
  server((_, body) => ([body].flat().includes(5) ? { status: 422 } : {}), async (endpoint, bodies) => {
    const storage = new Storage();
    const name = `scr_sdk|${endpoint}|`;
    for (const [key, text] of [
      ["e|000000000000001.000000001|evt_empty", ""],
      ["e|no id", '{"session_id":"no id"}'],
      ["e|000000000000002.000000001|evt_five", "5"],
      ["r|broken", "{"],
      ["r|nothing", "null"],
      ["r|text", '"text"'],
    ]) {
      storage.setItem(name + key, text);
    }
    const scr = new SessionCompletionRuntime({ apiKey: "k", endpoint, storage, ...QUICK, onProblem: () => {} });
    scr.capture(EVENT);
    assert.equal(await scr.flush(), true);
    assert.deepEqual(flat(bodies.slice(-1)), ["sess_1"]);
    assert.deepEqual(scr.refused().map(({ text }) => text), ["5"]);
    assert.equal(await scr.flush(null), true);
  }));

test("what is refused is bounded by its bytes too", () =>
  server(() => ({ status: 422 }), async (endpoint) => {
    const storage = new Storage();
    const given = { apiKey: "k", endpoint, storage, maxBytes: 1_000, onProblem: () => {} };
    const scr = new SessionCompletionRuntime(given);
    for (let at = 0; at < 9; at += 1) {
      scr.capture({ ...EVENT, session_id: `sess_${at}`, metadata: { note: "é".repeat(200) } });
      await scr.flush();
    }
    const kept = scr.refused().map(({ text }) => JSON.parse(text).session_id);
    assert.deepEqual(kept, ["sess_8"]);
  }));

test("the queue's bytes are those that are sent, not characters", () => {
  const given = { apiKey: "k", endpoint: "http://127.0.0.1:9", maxBytes: 1_000, onProblem: () => {} };
  const scr = new SessionCompletionRuntime(given);
  const event = { ...EVENT, metadata: { note: "界".repeat(150) } };
  assert.deepEqual([scr.capture(event).kept, scr.capture(event).kept], [true, false]);
  scr.close();
});

test("a storage that lets go of nothing does not make it send without end", () =>
  server(ok, async (endpoint, bodies) => {
    const storage = new Storage();
    storage.removeItem = () => {
      throw new Error("read-only");
    };
    const scr = new SessionCompletionRuntime({ apiKey: "k", endpoint, storage, beaconHoldMs: 60_000 });
    scr.capture(EVENT);
    while (bodies.length === 0) await new Promise((done) => setTimeout(done, 5));
    await new Promise((done) => setTimeout(done, 100));
    assert.equal(bodies.length, 1);
    scr.close();
  }));
