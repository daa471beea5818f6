/**
 * The classifier's kernel, in a browser or in Node: the same bytes in, the same integers out as on every other host.
 *
 *     import { loadKernel } from "./kernel.js";
 *     const kernel = await loadKernel(fetch("kernel.wasm"));
 *     kernel.score("What is 2+2?");            // { p_small_fails_ppm, complexity, task, ..., model_version }
 *     kernel.sha3_256(new Uint8Array([1]));    // Uint8Array of 32 bytes
 *
 * No build step and no dependencies. What the module's integers mean is read from the module itself.
 */

const ABI = 1;
const DIGEST_BYTES = 32;
/** No score changes with a length beyond it. */
const LENGTH_MAX = 2 ** 31 - 1;

/**
 * Instantiate the kernel.
 *
 * @param {Response | Promise<Response> | BufferSource | WebAssembly.Module} source the built kernel.wasm; a Response
 *   (what `fetch` gives) is compiled while it arrives.
 * @returns {Promise<Kernel>}
 * @throws {Error} when it is no kernel of this ABI; CompileError when it is no WebAssembly.
 */
export async function loadKernel(source) {
  const given = await source;
  if (given instanceof WebAssembly.Module) return new Kernel(await WebAssembly.instantiate(given, {}));
  const isBytes = ArrayBuffer.isView(given) || given instanceof ArrayBuffer;
  const { instance } = isBytes
    ? await WebAssembly.instantiate(given, {})
    : await WebAssembly.instantiateStreaming(given, {});
  return new Kernel(instance);
}

/** One instance. Its memory never grows, so the views made here stay good. */
class Kernel {
  #exports;
  #input;
  #output;
  #digest;
  #scoreBytes;

  constructor(instance) {
    const exports = instance.exports;
    const { buffer } = exports.memory;
    const about = new Uint8Array(buffer, exports.about(), exports.about_bytes());
    /** What the module says of itself: `abi`, `model_version`, and the `fields` of a score. */
    this.about = JSON.parse(new TextDecoder().decode(about));
    if (this.about.abi !== ABI) throw new Error(`kernel.js reads ABI ${ABI}, the module has ${this.about.abi}`);
    this.#exports = exports;
    this.#input = new Uint8Array(buffer, exports.input(), exports.input_bytes());
    this.#output = new Int32Array(buffer, exports.output(), this.about.fields.length);
    this.#digest = new Uint8Array(buffer, exports.digest(), DIGEST_BYTES);
    this.#scoreBytes = exports.score_bytes();
  }

  /**
   * Score one text: any bytes of any length, or a string, which is taken as UTF-8 (half a surrogate pair in it becomes
   * U+FFFD, as TextEncoder does).
   */
  score(text) {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    this.#input.set(bytes.subarray(0, this.#scoreBytes));
    this.#exports.score(Math.min(bytes.length, LENGTH_MAX));
    const score = {};
    this.about.fields.forEach(({ name, values }, at) => {
      score[name] = values.length ? values[this.#output[at]] : this.#output[at];
    });
    score.model_version = this.about.model_version;
    return score;
  }

  /** The SHA3-256 digest of bytes of any length. */
  sha3_256(data) {
    const exports = this.#exports;
    exports.sha3_256_start();
    for (let at = 0; at < data.length; at += this.#input.length) {
      const piece = data.subarray(at, at + this.#input.length);
      this.#input.set(piece);
      exports.sha3_256_update(piece.length);
    }
    exports.sha3_256_finish();
    return this.#digest.slice();
  }
}
