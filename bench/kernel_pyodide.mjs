// Kernel and reference in Pyodide under Node, through the Worker's own adapter; started by bench/kernel.py.
// The SDK's import of a compiled module is replaced by one that compiles the file: the rest is what the Worker runs.
import { readdirSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { texts, calls, warmUp, rounds, root, pyodide: folder } = JSON.parse(readFileSync(0, "utf8"));
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${folder}/` });

function copy(path) {
  pyodide.FS.mkdirTree(`/checkout/${path}`);
  for (const entry of readdirSync(`${root}/${path}`, { withFileTypes: true })) {
    if (entry.isDirectory()) copy(`${path}/${entry.name}`);
    else if (entry.name.endsWith(".py")) {
      pyodide.FS.writeFile(`/checkout/${path}/${entry.name}`, readFileSync(`${root}/${path}/${entry.name}`));
    }
  }
}
["wasm_classifier", "worker"].forEach(copy);

globalThis.kernelBytes = new Uint8Array(readFileSync(`${root}/wasm_classifier/kernel.wasm`));
globalThis.nowUs = () => Number(process.hrtime.bigint() / 1000n);
globalThis.given = JSON.stringify({ texts, calls, warmUp, rounds });
const figures = await pyodide.runPythonAsync(`
import json, sys, types
import js
sys.path.insert(0, "/checkout")
sdk = types.ModuleType("workers")
sdk.import_from_javascript = lambda name: types.SimpleNamespace(default=js.WebAssembly.Module.new(js.kernelBytes))
sys.modules["workers"] = sdk

from wasm_classifier.reference import classify
from worker.edge.kernel_module import KernelScorer

given = json.loads(js.given)
texts = [text.encode() for text in given["texts"]]
now_us = js.nowUs

scorer = KernelScorer()
began = now_us()
await scorer.load()
ready_ms = (now_us() - began) / 1000

def measure(score):
    for at in range(given["warmUp"]):
        score(texts[at % len(texts)])
    halves, tails = [], []
    for _ in range(given["rounds"]):
        took = []
        for at in range(given["calls"]):
            text = texts[at % len(texts)]
            began = now_us()
            score(text)
            took.append(now_us() - began)
        took.sort()
        halves.append(took[len(took) // 2])
        tails.append(took[len(took) * 99 // 100])
    halves.sort()
    tails.sort()
    return {"p50_us": halves[len(halves) // 2], "p99_us": tails[len(tails) // 2], "quiet_us": tails[0]}

json.dumps({"Pyodide, kernel": {**measure(scorer.score), "ready_ms": ready_ms}, "Pyodide, pure Python": measure(classify)})
`);
console.log(figures);
