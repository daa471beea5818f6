/** The execution column: a trail drawn, event by event, into places that are there from the beginning. */

import { byId, el, fill, setChip } from "./dom.js";
import { duration, percent, short, usd, whole, words } from "./format.js";
import { STEPS, isConfigured, isOver, limitsOf } from "./trail.js";
import { drawCandidates, drawWhy } from "./verdicts.js";

const STATES = {
  empty: ["Nothing yet", ""],
  planned: ["Planned, nothing sent", "info"],
  running: ["Running", "info"],
  success: ["Answered", "good"],
  refused: ["Refused", "bad"],
  failed: ["Failed", "bad"],
  cancelled: ["Stopped", "warn"],
};
/** Draw a trail. `more`: `{elapsedUs, floorPpm, pinned, note}` of the run. */
export function drawExecution(trail, more = {}) {
  const [label, kind] = STATES[trail.state];
  setChip(byId("execution-state"), more.isReplay ? "replayed" : trail.state, more.isReplay ? `Replayed: ${label}` : label, kind);
  const id = trail.decisionId ?? trail.requestId;
  byId("execution-id").textContent = id ? short(id, 14) : "";
  byId("execution-id").title = id ?? "";
  drawSteps(trail);
  drawLimits(trail, more);
  drawAttempts(trail);
  drawWhy(trail, more);
  drawCandidates(trail);
  drawLedger(trail);
}

/** Only what changes with the clock. */
export function drawClock(trail, more) {
  drawLimits(trail, more);
}

function drawSteps(trail) {
  const failed = ["refused", "failed"].includes(trail.state);
  const last = STEPS.map(([name]) => name).filter((name) => name in trail.steps).at(-1);
  const next = STEPS.map(([name]) => name).find((name) => !(name in trail.steps));
  fill(
    byId("steps"),
    STEPS.map(([name, title]) => {
      const isDone = name in trail.steps;
      const isFault = trail.denied ? name === "decided" : failed && name === last;
      const state = isDone || isFault ? (isFault ? "failed" : "done") : trail.state === "running" && name === next ? "now" : "waiting";
      const [text, at] = [detailOf(trail, name), isDone ? sinceStart(trail.steps[name]) : ""];
      return el(
        "li",
        { data: { step: name, state }, "aria-label": `${title}: ${{ done: "done", failed: "failed", now: "now", waiting: "not yet" }[state]}. ${text} ${at}` },
        el("span", { class: "step-dot", "aria-hidden": "true" }),
        el("span", { class: "step-title" }, name === "decided" && trail.denied ? "Refused" : title),
        el("span", { class: "step-time num" }, at),
        el("span", { class: "step-detail" }, text || "\u00a0"),
      );
    }),
  );
}

/** Admission is one transaction, so its steps have one time. */
function sinceStart(us) {
  return us === 0 ? "start" : duration(us);
}

function detailOf(trail, name) {
  const { classification, candidates, decision, denied, attempts, cost, settled } = trail;
  const admitted = candidates.filter((one) => !one.denials.length).length;
  const configured = candidates.filter(isConfigured).length;
  if (name === "classified" && classification) {
    return `${classification.complexity}, ${words(classification.task)}; ${whole(classification.expected_output_tokens)} tokens expected`;
  }
  if (name === "candidates" && candidates.length) return `${configured} ${configured === 1 ? "route" : "routes"}, ${admitted} admissible`;
  if (name === "decided") return decision?.selected ?? (denied ? words(denied.kind) : "");
  if (name === "attempt" && attempts.length) return attempts.length > 1 ? `${attempts.length} attempts` : attempts[0].route;
  if (name === "settled" && settled) return `${words(settled.outcome)}${cost ? `, ${usd(cost.cost_usd_micros)}` : ""}${settled.state === "unsettled" ? ", at the worst case" : ""}`;
  return "";
}

function drawLimits(trail, { elapsedUs = null, floorPpm = null }) {
  const limits = limitsOf(trail, elapsedUs, floorPpm);
  const rows = [
    ["cost", "Cost", usd, "no budget"],
    ["latency", "Latency", duration, "no deadline"],
    ["quality", "Quality", percent, "no floor"],
  ];
  const box = byId("limits");
  if (!box.children.length) {
    fill(box, rows.map(([name, title]) => limitRow(name, title)));
  }
  for (const [name, title, text, none] of rows) {
    const { value, limit, part, kind, is } = limits[name];
    const row = byId(`limit-${name}`);
    const bound = name === "quality" ? `floor ${text(limit)}` : `of ${text(limit)}`;
    row.querySelector(".limit-value").textContent = value === null ? "–" : text(value);
    row.querySelector(".limit-title").textContent = value === null ? title : `${title}, ${is}`;
    row.querySelector(".limit-bound").textContent = limit === null ? none : bound;
    const bar = row.querySelector(".bar");
    bar.className = `bar ${kind}`;
    bar.firstElementChild.style.width = `${part === null ? 0 : Math.max(part, value ? 1 : 0)}%`;
    bar.classList.toggle("open", part === null);
  }
}

function limitRow(name, title) {
  return el(
    "div",
    { class: "limit", id: `limit-${name}` },
    el("span", { class: "limit-title" }, title),
    el("span", { class: "limit-value num" }, "–"),
    el("div", { class: "bar", "aria-hidden": "true" }, el("span")),
    el("span", { class: "limit-bound small muted" }),
  );
}

function drawAttempts(trail) {
  const { attempts } = trail;
  const rows = attempts.map((one, at) => {
    const isOk = one.cause === "ok";
    const state = one.cause === null ? (isOver(trail) ? "" : "calling") : words(one.cause);
    return el(
      "li",
      { data: { route: one.route, cause: one.cause ?? "" } },
      el("span", { class: `chip ${one.cause === null ? "info" : isOk ? "good" : "bad"}` }, state || "begun"),
      el("span", { class: "attempt-route" }, at && attempts[at - 1].route !== one.route ? "fallback to " : at ? "again " : "", el("code", {}, one.route)),
      el(
        "span",
        { class: "num small muted" },
        [one.status ? `HTTP ${one.status}` : "", one.elapsed_us === null ? "" : duration(one.elapsed_us), one.reserved_usd_micros === null ? "" : `${usd(one.reserved_usd_micros)} reserved`]
          .filter(Boolean)
          .join(" · "),
      ),
    );
  });
  fill(byId("attempts"), rows.length ? rows : el("li", { class: "muted small" }, trail.state === "refused" ? "None: nothing was sent." : "None yet."));
}

function drawLedger(trail) {
  const { entries, decision, denied, decisionId } = trail;
  const digest = decision?.decision_digest ?? denied?.decision_digest;
  fill(
    byId("ledger"),
    entries.length
      ? el("ul", { class: "entries" }, entries.map(({ entry, what }) => el("li", {}, el("code", {}, `#${entry}`), ` ${what}`)))
      : el("p", { class: "muted small" }, "Every decision and every settlement becomes an entry."),
    digest ? el("p", { class: "small muted" }, "decision ", el("code", { title: digest }, short(digest, 20))) : null,
  );
  byId("verify").disabled = !entries.length || !decisionId;
}
