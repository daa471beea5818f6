// The kernel in Node through presentation/kernel.js; started by bench/kernel.py, prints one line of JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { texts, calls, warmUp, rounds, root } = JSON.parse(readFileSync(0, "utf8"));
const { loadKernel } = await import(pathToFileURL(`${root}/presentation/kernel.js`).href);
const module = readFileSync(`${root}/wasm_classifier/kernel.wasm`);

const began = performance.now();
const kernel = await loadKernel(module);
const ready_ms = performance.now() - began;

const encoded = texts.map((text) => new TextEncoder().encode(text));
for (let at = 0; at < warmUp; at++) kernel.score(encoded[at % encoded.length]);
const halves = new Float64Array(rounds);
const tails = new Float64Array(rounds);
for (let round = 0; round < rounds; round++) {
  const took = new Float64Array(calls);
  for (let at = 0; at < calls; at++) {
    const start = process.hrtime.bigint();
    kernel.score(encoded[at % encoded.length]);
    took[at] = Number(process.hrtime.bigint() - start) / 1e3;
  }
  took.sort();
  halves[round] = took[calls >> 1];
  tails[round] = took[Math.floor(calls * 0.99)];
}
const figures = { p50_us: halves.sort()[rounds >> 1], p99_us: tails.sort()[rounds >> 1], quiet_us: tails[0], ready_ms };
console.log(JSON.stringify({ "Node, kernel": figures }));
