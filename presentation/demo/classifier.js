/**
 * The classifier of the prompt: the kernel in this page, or the gateway's where the page has none.
 *
 * What it says is what admission will say of the same text, because it is the same kernel.
 */

import { byId, setChip } from "./dom.js";
import { duration } from "./format.js";

const WAIT_MS = 250;
const KINDS = { simple: "good", moderate: "warn", complex: "bad" };

export class Classifier {
  #api;
  #timer = 0;
  #asked = null;
  /** The kernel, or null where there is none. */
  kernel = null;

  constructor(api) {
    this.#api = api;
  }

  /** Load the kernel into the page. */
  async load() {
    try {
      const { loadKernel } = await import("../kernel.js");
      this.kernel = await loadKernel(fetch("kernel.wasm"));
      byId("classifier").dataset.source = "page";
      byId("classifier-time").textContent = "The classifier runs in this page.";
    } catch {
      byId("classifier").dataset.source = "server";
      byId("classifier-time").textContent = "The classifier is not served here; the gateway is asked.";
    }
  }

  /** Score a text as it is typed. */
  score(text) {
    clearTimeout(this.#timer);
    this.#asked?.abort();
    if (!text.trim()) return this.#show(null);
    if (!this.kernel) {
      this.#timer = setTimeout(() => this.#ask(text), WAIT_MS);
      return undefined;
    }
    const began = performance.now();
    const found = this.kernel.score(text);
    const tookUs = (performance.now() - began) * 1_000;
    return this.#show({ ...found, note: `${took(tookUs)} in this page` });
  }

  async #ask(text) {
    this.#asked = new AbortController();
    const began = performance.now();
    try {
      const found = await this.#api.json("classify", { body: JSON.stringify({ text }), signal: this.#asked.signal, quiet: true });
      const tookUs = (performance.now() - began) * 1_000;
      this.#show({ complexity: found.class, p_small_fails_ppm: Math.round(found.score * 1e6), task: found.task, note: `asked the gateway, ${took(tookUs)}` });
    } catch (problem) {
      if (problem.name !== "AbortError") this.#show(null, "Nobody classifies it just now.");
    }
  }

  #show(found, note = "") {
    const needle = byId("classifier-needle");
    if (!found) {
      setChip(byId("classifier-class"), "none", "No text yet");
      byId("classifier-score").textContent = "";
      byId("classifier-time").textContent = note;
      needle.style.width = "0";
      return;
    }
    setChip(byId("classifier-class"), found.complexity, found.complexity, KINDS[found.complexity]);
    byId("classifier-score").textContent = `score ${(found.p_small_fails_ppm / 1e6).toFixed(3)}`;
    byId("classifier-time").textContent = `${found.task} · ${found.note}`;
    needle.style.width = `${found.p_small_fails_ppm / 10_000}%`;
  }
}

/** Browsers round their clock, so a very short time is only known to be short. */
function took(us) {
  return us < 100 ? "under 0.1 ms" : duration(us);
}
