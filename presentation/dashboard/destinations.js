/** Where sessions go, and whether they arrive. */

import { byId, el, keyed, write } from "./dom.js";
import { ago, span, until, whole } from "./format.js";

const SHARES = ["delivered", "skipped", "pending", "parked", "dead"];

export function showDestinations({ figures, ts }) {
  const all = figures.destinations;
  byId("no-destinations").hidden = all.length > 0;
  write(byId("reachable"), all.length ? `${figures.destinations_reachable} of ${all.length} reachable` : "");
  keyed(byId("destinations"), all, (one) => one.name, make, (node, one) => update(node, one, ts));
}

/** How it is, in a word that stands beside the colour. */
function health(one) {
  if (!one.is_on) return ["off", "warn"];
  if (one.failures > 0) return [one.failures > 1 ? `failing, ${one.failures} in a row` : "failing", "bad"];
  if (one.parked > 0) return ["some parked", "warn"];
  if (one.delivered_at === null) return ["nothing sent yet", ""];
  return ["healthy", "good"];
}

function make(one) {
  return el(
    "li",
    { class: "destination" },
    el("h3", {}, el("span", {}, one.name), el("span", { class: "chip", "data-part": "health" })),
    el("span", { class: "when", "data-part": "when" }),
    el(
      "div",
      { class: "shares", "aria-hidden": "true" },
      SHARES.map((share) => el("span", { class: `share-${share}` })),
    ),
    el(
      "dl",
      { class: "pairs" },
      SHARES.map((share) => el("div", { "data-share": share }, el("dt", {}, share), el("dd", { class: "num" }))),
      el("div", { "data-part": "latency" }, el("dt", {}, "delivery p95"), el("dd", { class: "num" })),
    ),
    el("p", { class: "reason bad", "data-part": "reason", hidden: true }),
  );
}

function update(node, one, ts) {
  const part = (name) => node.querySelector(`[data-part="${name}"]`);
  const [word, kind] = health(one);
  const chip = part("health");
  write(chip, word);
  chip.className = `chip ${kind}`.trim();
  write(part("when"), one.delivered_at ? `last delivery ${ago(one.delivered_at, ts)}` : "no delivery yet");
  const total = SHARES.reduce((sum, share) => sum + (one[share] ?? 0), 0);
  const spans = node.querySelector(".shares").children;
  SHARES.forEach((share, at) => {
    const count = one[share] ?? 0;
    spans[at].style.flex = `${total ? count / total : 0} 0 ${count ? "3px" : "0"}`;
    write(node.querySelector(`[data-share="${share}"] dd`), whole(one[share]));
  });
  write(part("latency").querySelector("dd"), span(one.delivery_latency.p95_ms));
  const reason = part("reason");
  const isTold = Boolean(one.reason) && (one.failures > 0 || !one.is_on || one.parked > 0);
  reason.hidden = !isTold;
  const again = one.retry_at && one.is_on && one.failures > 0 ? `, next attempt ${until(one.retry_at, ts)}` : "";
  write(reason, isTold ? one.reason + again : "");
}
