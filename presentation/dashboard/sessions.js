/** The table of the latest sessions. */

import { byId, el, keyed, write } from "./dom.js";
import { clock, counted, span, usd, whole } from "./format.js";

const OUTCOMES = { success: "good", error: "bad", timeout: "warn", user_terminated: "" };
let isFirst = true;

/** Args: open: called with the session's line when somebody wants to see it in depth. */
export function showSessions({ recent, figures }, open) {
  const hasDestinations = figures.destinations.length > 0;
  byId("no-recent").hidden = recent.length > 0;
  byId("recent").closest(".table-wrap").hidden = recent.length === 0;
  write(byId("recent-about"), recent.length ? `the latest ${counted(recent.length, "session")}, times of this computer` : "");
  const fresh = keyed(byId("recent"), recent, keyOf, (one) => make(one, open), (row, one) => update(row, one, hasDestinations));
  if (!isFirst) for (const row of fresh) row.classList.add("fresh");
  isFirst = false;
  return fresh.length;
}

export const keyOf = (one) => `${one.tenant} ${one.event_id}`;

function make(one, open) {
  const name = el("button", { class: "link", type: "button", title: one.session_id }, one.session_id);
  const demo = el("span", { class: "chip warn", title: "made by the demo generator" }, "demo");
  return el(
    "tr",
    { on: { click: () => open(one, name) } },
    el("td", { class: "time mono", title: one.captured_at }, clock(one.captured_at)),
    el("td", { class: "session-cell" }, el("div", {}, name, one.is_demo && demo, outcome(one, "narrow"))),
    el("td", { class: "wide" }, one.tenant),
    el("td", { class: "wide model", title: one.model ?? "" }, one.model ?? "–"),
    el("td", { class: "num" }, whole(one.total_tokens)),
    el("td", { class: "num wide" }, usd(one.estimated_cost_usd)),
    el("td", { class: "outcome" }, outcome(one)),
    el("td", { class: "num", "data-part": "after" }),
  );
}

/** How it ended; in a narrow window it stands below the session's id, in the place of a column. */
function outcome(one, where = "") {
  return el("span", { class: `chip ${OUTCOMES[one.status] ?? ""} ${where}`.trim() }, one.status.replaceAll("_", " "));
}

/** What a line's session took until the last of the destinations that have it had it. */
function update(row, one, hasDestinations) {
  const cell = row.querySelector('[data-part="after"]');
  const times = Object.values(one.delivered_after_us);
  write(cell, times.length ? span(Math.max(...times) / 1_000) : hasDestinations ? "not yet" : "kept");
  cell.classList.toggle("muted", times.length === 0);
  const told = Object.entries(one.delivered_after_us).map(([destination, us]) => `${destination} ${span(us / 1_000)}`);
  cell.title = told.join(", ") || (hasDestinations ? "" : "no destination is set up");
}
