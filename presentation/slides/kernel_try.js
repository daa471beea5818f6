/** The classifier's kernel in this page: the same integers as on every other host, timed here. */

import { loadKernel } from "../kernel.js";
import { byId } from "./dom.js";

const CALLS = 200;
/** The kernel is not needed for the first look, so it comes after it. */
const PATIENCE_MS = 800;

async function start() {
  const out = byId("kernel-out");
  const field = byId("kernel-text");
  const kernel = await loadKernel(fetch("/kernel.wasm"));
  const show = () => {
    const begun = performance.now();
    for (let call = 0; call < CALLS; call += 1) kernel.score(field.value);
    const us = ((performance.now() - begun) * 1000) / CALLS;
    const found = kernel.score(field.value);
    byId("kernel-class").textContent = found.complexity;
    byId("kernel-bar").style.width = `${found.p_small_fails_ppm / 10000}%`;
    out.textContent = `Difficulty ${(found.p_small_fails_ppm / 10000).toFixed(1)} of 100; task: ${found.task}; about ${found.expected_output_tokens} tokens expected. ${us.toFixed(1)} µs a call in this browser, mean of ${CALLS}; model ${found.model_version}.`;
  };
  field.addEventListener("input", show);
  show();
}

/** Load the kernel once the page stands; where none was built, say so. */
export function startKernel() {
  setTimeout(() => {
    start().catch((problem) => {
      byId("kernel-out").textContent =
        `The kernel can't be loaded here (${problem.message}); the gateway then uses the same classifier in Python.`;
    });
  }, PATIENCE_MS);
}
