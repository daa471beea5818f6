// Asks the kernel through presentation/kernel.js; the same file in Node and in the browser.
// In Node: node kernel_answers.mjs KERNEL_JS KERNEL_WASM < cases.json

function bytesOf([hex, times]) {
  const once = Uint8Array.from({ length: hex.length / 2 }, (_, at) => parseInt(hex.slice(2 * at, 2 * at + 2), 16));
  const bytes = new Uint8Array(once.length * times);
  for (let at = 0; at < bytes.length; at += once.length) bytes.set(once, at);
  return bytes;
}

const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function answers(kernel, { texts, messages }) {
  return {
    scores: texts.map((one) => kernel.score(bytesOf(one))),
    digests: messages.map((one) => hexOf(kernel.sha3_256(bytesOf(one)))),
  };
}

if (typeof process !== "undefined") {
  const fs = await import("node:fs");
  const { pathToFileURL } = await import("node:url");
  const { loadKernel } = await import(pathToFileURL(process.argv[2]).href);
  const kernel = await loadKernel(fs.readFileSync(process.argv[3]));
  process.stdout.write(JSON.stringify(answers(kernel, JSON.parse(fs.readFileSync(0, "utf8")))));
}
