/** Why a route was chosen, or none, and how every candidate fared. */

import { byId, el, fill } from "./dom.js";
import { duration, percent, routeParts, signed, usd, whole, words } from "./format.js";
import { isConfigured, whyOf } from "./trail.js";

const TERMS = {
  time_us: "Time to the full answer",
  cost_us: "Cost, weighed",
  risk_us: "Risk, weighed",
  improbability_us: "Chance of failure, weighed",
  tier_penalty_us: "Provider tier",
  total: "Total",
};

/** @param {{pinned?: boolean, note?: string, ranked?: object[]}} more what this page has worked out again, in words and rows. */
export function drawWhy(trail, { pinned, note, ranked }) {
  const box = byId("why");
  byId("why-title").textContent = trail.denied ? "Why no route" : "Why this route";
  if (trail.denied) {
    fill(
      box,
      el("p", {}, trail.denied.message ?? "No route is admissible."),
      el("ul", { class: "reasons small" }, trail.denied.reasons.map((one) => el("li", {}, reasonOf(one)))),
    );
    return;
  }
  const why = whyOf(trail);
  if (!why) {
    fill(box, el("p", { class: "muted small" }, "Send a message, or explain one without sending (Ctrl K, “Explain only”)."));
    return;
  }
  const { winner, other, terms } = why;
  const head = el("p", { class: "winner" }, el("code", {}, winner.route));
  if (!other) {
    fill(box, head, el("p", {}, pinned ? "The only admissible route of what is pinned." : "The only admissible route."));
    return;
  }
  const margin = other.total_us - winner.total_us;
  const sentence = el("p", {}, `Beats `, el("code", {}, other.route), ` by ${duration(margin)} of ${duration(other.total_us)}. Time, cost, risk and chance of failure are weighed into one total, in seconds; the least wins.`);
  const table = terms ?? (ranked ? ownTerms(ranked) : null);
  fill(
    box,
    head,
    sentence,
    table ? termsTable(table, winner, other) : null,
    el("p", { class: "small muted", id: "why-note" }, note || "\u00a0"),
  );
}

/** The terms that this page has worked out, as an explanation has them. */
function ownTerms([first, second]) {
  const names = { time: "time_us", cost: "cost_us", risk: "risk_us", improbability: "improbability_us", tier: "tier_penalty_us" };
  return Object.entries(names).map(([name, wire]) => [wire, Number(first.terms[name]), Number(second.terms[name])]);
}

function termsTable(terms, winner, other) {
  const most = Math.max(...terms.flatMap(([, a, b]) => [a, b]), 1);
  const bar = (value, kind) => {
    const inner = el("span");
    inner.style.width = `${(100 * value) / most}%`;
    return el("div", { class: `bar thin ${kind}`, "aria-hidden": "true" }, inner);
  };
  const row = ([name, a, b]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, TERMS[name] ?? name),
      el("td", { class: "num" }, duration(a), bar(a, "good")),
      el("td", { class: "num" }, duration(b), bar(b, "")),
      el("td", { class: `num ${b - a < 0 ? "warn" : ""}` }, signed(b - a, duration)),
    );
  return el(
    "div",
    { class: "table-wrap" },
    el(
      "table",
      { class: "table terms" },
      el("thead", {}, el("tr", {}, ["Term", "Chosen", "Next", "Margin"].map((one, at) => el("th", { scope: "col", class: at ? "num" : "" }, one)))),
      el("tbody", {}, terms.map(row), row(["total", winner.total_us, other.total_us])),
    ),
  );
}

/** `CODE: rest`, the code set apart. */
function reasonOf(reason) {
  const colon = reason.indexOf(": ");
  return colon < 0 ? reason : [el("span", { class: "code-chip" }, reason.slice(0, colon)), ` ${reason.slice(colon + 2)}`];
}

export function drawCandidates(trail) {
  const known = trail.candidates.filter(isConfigured);
  const unset = trail.candidates.length - known.length;
  const order = new Map((trail.decision?.ranking ?? []).map((route, at) => [route, at]));
  const rows = [...known].sort((one, other) => (order.get(one.route) ?? 99) - (order.get(other.route) ?? 99));
  const columns = ["Route", "Time", "Cost", "Risk", "Quality", "Total"];
  fill(
    byId("candidates"),
    el("caption", { class: "visually-hidden" }, "Candidates, the admissible ones first, best first"),
    el("thead", {}, el("tr", {}, columns.map((one, at) => el("th", { scope: "col", class: at ? "num" : "" }, one)))),
    el("tbody", {}, rows.length ? rows.map((one) => candidateRow(one, trail.decision?.selected)) : el("tr", {}, el("td", { colspan: "6", class: "muted" }, "No candidates yet."))),
    unset ? el("tfoot", {}, el("tr", {}, el("td", { colspan: "6", class: "muted" }, `${unset} more routes: their providers are not configured here.`))) : null,
  );
}

function candidateRow(one, selected) {
  const { provider, model, pool } = routeParts(one.route);
  const verdict = one.route === selected ? "selected" : one.denials.length ? "denied" : "admitted";
  return el(
    "tr",
    { class: verdict === "selected" ? "chosen" : "", data: { route: one.route, verdict } },
    el(
      "th",
      { scope: "row", class: "route" },
      el("span", { class: "route-model" }, model),
      el("span", { class: "route-place" }, `${provider} @ ${pool}`),
      el(
        "span",
        { class: "verdicts" },
        verdict === "selected" ? el("span", { class: "chip good tiny" }, "chosen") : null,
        one.denials.map((denial) => el("span", { class: "denial" }, el("span", { class: "chip bad tiny" }, breakable(codeOf(denial))), el("span", { class: "denial-words" }, denialWords(denial)))),
      ),
    ),
    el("td", { class: "num" }, duration(one.ttv_us)),
    el("td", { class: "num" }, usd(one.cost_usd_micros)),
    el("td", { class: "num" }, percent(one.risk_ppm)),
    el("td", { class: "num" }, percent(one.success_ppm)),
    el("td", { class: "num" }, one.denials.length ? "denied" : duration(one.total_us)),
  );
}

/** A long name that may break behind its underscores, and is still one text. */
function breakable(name) {
  return el("span", {}, name.split(/(?<=_)/).flatMap((part) => [part, el("wbr")]));
}

/** The frozen code; an invariant's name belongs to it. */
function codeOf({ reason_code, subject }) {
  return reason_code === "INVARIANT_VIOLATION" ? `${reason_code} ${subject}` : reason_code;
}

const INVARIANTS = {
  POLICY_RESIDENCY: () => "not known to stay where the covenant wants it",
  POLICY_REQUIREMENT: () => "not known to meet a requirement",
  POLICY_DEADLINE: (value, bound) => `needs ${duration(value)} of ${duration(bound)}`,
  CONTEXT_WINDOW: (value, bound) => `needs ${whole(value)} tokens of ${whole(bound)}`,
  MODEL_CAPABILITY: () => "the model can't do this",
  PROVIDER_AVAILABLE: () => "rests after failures",
};

/** A denial's figures in their own units. Of what this page does not know it says the name and the whole numbers. */
export function denialWords({ reason_code, subject, value, bound }) {
  if (reason_code === "RISK_BOUND_EXCEEDED" && subject === "max_risk_ppm") return `risk ${percent(value)}, at most ${percent(bound)}`;
  if (reason_code === "SUCCESS_PROB_TOO_LOW") return `quality ${percent(value)}, at least ${percent(bound)}`;
  if (reason_code === "COST_BOUND_EXCEEDED" && subject === "per_1m_tokens") return `${usd(value)} per million tokens, at most ${usd(bound)}`;
  if (reason_code === "COST_BOUND_EXCEEDED") return `may cost ${usd(value)}, ${words(subject)} budget has ${usd(bound)}`;
  if (reason_code === "AUTHORITY_BOUNDARY_FAIL") return `this token may not use ${subject}`;
  if (reason_code === "INVARIANT_VIOLATION" && subject in INVARIANTS) return INVARIANTS[subject](value, bound);
  return value || bound ? `${words(subject)}: ${whole(value)} against ${whole(bound)}` : words(subject);
}
