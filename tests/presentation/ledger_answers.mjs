// Verifies exports and proofs through presentation/ledger.js; the same file in Node and in the browser.
// In Node: node ledger_answers.mjs KERNEL_JS LEDGER_JS KERNEL_WASM < cases.json

const bytesOf = (base64) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));

/** For each export its report, for each proof null or the reason of its fault. */
export async function answers(kernel, ledger, { exports, inclusions, consistencies }) {
  const reports = [];
  for (const { file, ...given } of exports) {
    reports.push(await ledger.verifyExport(bytesOf(file), { kernel, ...given }));
  }
  const outcome = (verify) => (proof) => {
    try {
      verify(kernel, proof);
      return null;
    } catch (fault) {
      return fault.reason;
    }
  };
  return {
    reports,
    inclusions: inclusions.map(outcome(ledger.verifyInclusion)),
    consistencies: consistencies.map(outcome(ledger.verifyConsistency)),
  };
}

if (typeof process !== "undefined") {
  const fs = await import("node:fs");
  const { pathToFileURL } = await import("node:url");
  const { loadKernel } = await import(pathToFileURL(process.argv[2]).href);
  const ledger = await import(pathToFileURL(process.argv[3]).href);
  const kernel = await loadKernel(fs.readFileSync(process.argv[4]));
  const cases = JSON.parse(fs.readFileSync(0, "utf8"));
  process.stdout.write(JSON.stringify(await answers(kernel, ledger, cases)));
}
