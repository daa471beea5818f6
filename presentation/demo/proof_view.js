/** The button that verifies a turn's newest ledger entry, and what it found. */

import { announce, byId, el, fill, icon } from "./dom.js";
import { short } from "./format.js";
import { verifyEntry } from "./proof.js";

let shown = null;

/** Let the button verify this turn's entries. */
export function proofView({ api, classifier }, turn) {
  shown = turn;
  byId("verify").onclick = () => verify(api, classifier, turn);
}

async function verify(api, classifier, turn) {
  const { entries, decisionId, decision, denied } = turn.trail;
  const box = byId("verify-result");
  const button = byId("verify");
  if (!classifier.kernel) {
    fill(box, el("p", { class: "notice warn small" }, "The page has no kernel, so it can't hash: /kernel.wasm is not served here."));
    return;
  }
  button.disabled = true;
  const digest = (decision ?? denied)?.decision_digest;
  const began = performance.now();
  try {
    const results = [];
    for (const { entry, what } of entries) {
      results.push(await verifyEntry(api, classifier.kernel, entry, { decisionId, digest: what === "settlement" || what === "fallback" ? undefined : digest }));
    }
    if (shown !== turn) return;
    const ok = results.every((one) => one.ok);
    box.dataset.state = ok ? "verified" : "failed";
    fill(
      box,
      el("p", { class: `notice small ${ok ? "good" : "bad"}` }, ok ? `Verified here, in ${Math.round(performance.now() - began)} ms.` : "This does not verify.", results[0].isSigned ? "" : " The gateway has no key, so nobody has signed the root."),
      el("ul", { class: "checks small" }, results.flatMap((one) => one.checks).map((one) => el("li", { class: one.ok ? "good" : "bad" }, icon(one.ok ? "check" : "cross"), el("span", {}, `${one.ok ? "" : "Not so: "}${one.text}`)))),
      el("p", { class: "small muted" }, "root ", el("code", { title: results.at(-1).root }, short(results.at(-1).root, 20)), ` of ${results.at(-1).size} entries`),
    );
    announce(ok ? "The ledger entries verify." : "The ledger entries do not verify.");
  } catch (problem) {
    box.dataset.state = "failed";
    fill(box, el("p", { class: "notice bad small" }, problem.message));
  } finally {
    button.disabled = false;
  }
}
