// Calls functions of presentation/demo/*.js: node demo_modules.mjs DEMO_FOLDER [KERNEL_WASM] < calls.json
// A call is [module, function, arguments]; the module "own" is this file's. Whole numbers beyond JSON's come as text.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, wasm] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(folder, `${name}.js`)).href);
const sse = await load("sse");
const decide = await load("decide");
const history = await load("history");
const trail = await load("trail");
const run = await load("run");
const proof = await load("proof");

const bytesOf = (base64) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
const bodyOf = (pieces, breaks) =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(bytesOf(piece));
      if (breaks) controller.error(new TypeError("network error"));
      else controller.close();
    },
  });

const own = {
  /** What a stream cut into these pieces says. */
  async events(pieces) {
    const parser = new sse.EventParser();
    const found = [];
    for await (const event of sse.readEvents(bodyOf(pieces), parser)) found.push(event);
    return { found, lastId: parser.lastId, retryMs: parser.retryMs };
  },

  /** An explanation decided again: totals and order, whether they agree, and where each weight turns the choice. */
  redecide(explanation, catalogue, weights, most) {
    const rows = decide.rowsOf(explanation.candidates, explanation.policy, explanation.classification.complexity, catalogue);
    const inForce = decide.weightsOf(catalogue, explanation.policy.priority);
    const used = weights ?? inForce;
    const ranked = decide.rank(rows, used);
    return {
      agrees: decide.agrees(decide.rank(rows, inForce), explanation.candidates, explanation.ranking),
      ranking: ranked.map((row) => row.route),
      totals: ranked.map((row) => row.total),
      flips: Object.fromEntries(Object.entries(most).map(([name, limit]) => [name, decide.flipsOf(rows, used, name, limit)])),
    };
  },

  trail(events) {
    return events.reduce((found, [name, data]) => trail.told(found, name, data), trail.emptyTrail());
  },

  /** Which request a turn took for its own in the feed of all, and what was asked for. */
  async watched(piece, digest, id) {
    const paths = [];
    const api = {
      send: async (asked) => {
        paths.push(asked);
        return paths.length === 1 ? new Response(bodyOf([piece])) : new Response(null, { status: 204 });
      },
    };
    const { Feed } = await load("feed");
    const feed = new Feed(api, { feed: () => {} }, () => {});
    const turn = { trail: trail.emptyTrail() };
    await feed.watch(turn, digest);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await feed.follow(turn, id);
    feed.stop();
    return { paths, state: turn.trail.state, requestId: turn.trail.requestId };
  },

  remember(records) {
    const kept = new Map();
    const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
    const memory = new history.History(storage);
    for (const record of records) memory.add(record);
    return new history.History(storage).all();
  },

  damaged(text) {
    const memory = new history.History({ getItem: () => text, setItem: () => {} });
    return [memory.all(), memory.draft];
  },

  forbidden() {
    const refuse = () => {
      throw new Error("forbidden");
    };
    const memory = new history.History({ getItem: refuse, setItem: refuse });
    memory.add({ covenant: "", prompt: "" });
    return memory.all();
  },

  /** A chat request answered with these bytes: what was told, and how it ended. */
  async chat(pieces, breaks = false) {
    const told = [];
    const api = {
      explain: async () => ({ selected: null }),
      send: async () => new Response(bodyOf(pieces, breaks), { headers: { "x-request-id": "req_1" } }),
    };
    const on = { planned: () => {}, sent: () => {}, accepted: (headers) => told.push(headers.requestId), text: (text) => told.push(text) };
    const { signal } = new AbortController();
    try {
      const ended = await run.runRequest({ api, body: "{}", covenant: "", lenient: false, signal }, on);
      return { told: told.join("|"), finish: ended.finish, cost: ended.costUsd };
    } catch (problem) {
      return { told: told.join("|"), code: problem.code, message: problem.message };
    }
  },

  async prove(given) {
    const { loadKernel } = await import(pathToFileURL(path.join(folder, "..", "kernel.js")).href);
    const ledger = await import(pathToFileURL(path.join(folder, "..", "ledger.js")).href);
    return proof.checkEntry(ledger, await loadKernel(fs.readFileSync(wasm)), given);
  },
};

const answers = [];
for (const [module, name, given] of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const found = (module === "own" ? own : await load(module))[name];
  const value = typeof found === "function" ? await found(...given) : found;
  answers.push(value === undefined ? null : value);
}
process.stdout.write(JSON.stringify(answers, (_, value) => (typeof value === "bigint" ? String(value) : value)));
