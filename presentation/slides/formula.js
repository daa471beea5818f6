/** The formula on a live decision: every term of every candidate, worked out again in the page. The top is pure. */

import { ask, GatewayError, json } from "./api.js";
import { byId, el, svg, table } from "./dom.js";

const MILLION = 1_000_000;
const COMPLEXITIES = ["simple", "moderate", "complex"];

/** -ln p in micro-nats, of p in parts per million. The gateway's routine is exact; this one is for checking it. */
export const micronats = (ppm) => Math.round(-Math.log(ppm / MILLION) * MILLION);

/**
 * The terms of one candidate's total, in microseconds.
 *
 * @param {object} candidate ttv_us, cost_usd_micros, risk_ppm, success_ppm
 * @param {object} weights the row of the catalogue for the priority
 * @param {number} horizonUs the deadline, else the catalogue's horizon
 * @param {number} tierPpm the provider's factor for this complexity
 */
export function termsOf(candidate, weights, horizonUs, tierPpm) {
  const time = Math.min(candidate.ttv_us, horizonUs);
  const cost = weights.cost_us_per_usd_micro * candidate.cost_usd_micros;
  const terms = {
    time_us: time,
    cost_us: cost,
    tier_penalty_us: Math.floor(((time + cost) * (tierPpm - MILLION)) / MILLION),
    risk_us: weights.risk_us_per_ppm * candidate.risk_ppm,
    improbability_us: weights.improbability_us_per_micronat * micronats(candidate.success_ppm),
  };
  return { ...terms, total_us: Object.values(terms).reduce((sum, one) => sum + one, 0) };
}

/** What a certificate says about how its decision was weighed. */
export function settingOf(certificate, explanation) {
  const { catalogue } = certificate;
  const factors = Object.fromEntries(catalogue.providers.map((one) => [one.id, one.tier_factor_ppm]));
  const at = COMPLEXITIES.indexOf(explanation.classification.complexity);
  return {
    priority: explanation.policy.priority ?? "balanced",
    weights: catalogue.weights[explanation.policy.priority ?? "balanced"],
    horizonUs: explanation.policy.deadline_us ?? catalogue.horizon_us,
    tierOf: (route) => factors[route.split("/")[0]][at],
  };
}

/** The admitted candidates by total, each with its terms worked out here and whether they are the gateway's. */
export function workOut(explanation, setting) {
  return explanation.candidates
    .filter((one) => !one.denials.length)
    .map((one) => {
      const terms = termsOf(one, setting.weights, setting.horizonUs, setting.tierOf(one.route));
      return { route: one.route, candidate: one, terms, isEqual: terms.total_us === one.total_us };
    })
    .sort((one, other) => one.terms.total_us - other.terms.total_us || (one.route < other.route ? -1 : 1));
}

/** Microseconds as milliseconds, exactly. */
export function ms(us) {
  const text = String(Math.abs(us)).padStart(4, "0");
  const whole = text.slice(0, -3).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${us < 0 ? "-" : ""}${whole}.${text.slice(-3)}`;
}

export const PARTS = [
  ["time_us", "E[min(TTV, H)]"],
  ["cost_us", "λC·C"],
  ["tier_penalty_us", "tier"],
  ["risk_us", "λR·R"],
  ["improbability_us", "−λP·ln p"],
];

function totalsTable(rows, selected) {
  const heads = ["candidate", ...PARTS.map(([, name]) => name), "total, ms"];
  const cells = rows.map(({ route, terms }) => [
    el(
      "span",
      {},
      el("code", { text: route }),
      route === selected ? el("b", { class: "argmin", text: "argmin" }) : null,
    ),
    ...PARTS.map(([name]) => ms(terms[name])),
    el("b", { text: ms(terms.total_us) }),
  ]);
  const chosen = rows.findIndex((one) => one.route === selected);
  return table("Terms of each admitted candidate, in milliseconds", heads, cells, {
    numeric: [1, 2, 3, 4, 5, 6],
    chosen,
  });
}

function bars(rows) {
  const most = Math.max(...rows.map((one) => one.terms.total_us));
  const height = 26;
  const made = rows.map(({ route, terms }, number) => {
    let at = 0;
    const pieces = PARTS.map(([name, label], part) => {
      const width = (terms[name] / most) * 1000;
      const piece = svg(
        "rect",
        { class: `part-${part}`, x: at, y: number * height + 3, width: Math.max(0, width), height: height - 8 },
        svg("title", { text: `${route}: ${label} ${ms(terms[name])} ms` }),
      );
      at += width;
      return piece;
    });
    return svg("g", {}, ...pieces);
  });
  const legend = PARTS.map(([, name], part) =>
    el("li", {}, el("span", { class: `swatch part-${part}`, "aria-hidden": "true" }), name),
  );
  const picture = svg(
    "svg",
    {
      class: "bars",
      viewBox: `0 0 1000 ${rows.length * height}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
      height: rows.length * height,
    },
    ...made,
  );
  return el("div", { class: "stacked" }, picture, el("ul", { class: "legend" }, ...legend));
}

function deniedList(explanation) {
  const denied = explanation.candidates.filter((one) => one.denials.length);
  const absent = denied.filter((one) => one.denials.some((why) => why.subject === "PROVIDER_CONFIGURED"));
  const told = denied.filter((one) => !absent.includes(one));
  const rows = told.map((one) => [
    el("code", { text: one.route }),
    el("span", {}, ...one.denials.map((why) => el("span", { class: "chip bad", text: why.reason_code }))),
    one.denials.map((why) => `${why.subject}: ${why.value} against ${why.bound}`).join("; "),
  ]);
  if (absent.length)
    rows.push([
      `${absent.length} routes`,
      el("span", { class: "chip", text: "PROVIDER_CONFIGURED" }),
      "their providers have no key or address here",
    ]);
  return table("Inadmissible candidates", ["candidate", "denied by", "value against bound"], rows);
}

function checks(rows, explanation, decision, certificate) {
  const equal = rows.filter((one) => one.isEqual).length;
  const told = [
    [
      equal === rows.length,
      `${equal} of ${rows.length} totals worked out in this page equal the gateway's, to the microsecond`,
    ],
    [rows[0]?.route === decision.selected, "the least of them is the route that was selected"],
    explanation.decision_digest === decision.decision_digest
      ? [true, "the explanation asked for before has the digest of the decision made after"]
      : [false, "the explanation's digest is another: other requests have changed what was learned in between"],
    [certificate.decision_digest === decision.decision_digest, "so has the certificate"],
  ];
  return el(
    "ul",
    { class: "checks" },
    ...told.map(([holds, text]) =>
      el("li", { class: holds ? "good" : "bad" }, el("b", { text: holds ? "✓ " : "✗ " }), text),
    ),
  );
}

const TRIES = 3;

/** Explain, decide and fetch what proves it; once more where another request has come in between. */
async function decide(body) {
  let found;
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    found = await decideOnce(body);
    if (found.explanation.decision_digest === found.decision.decision_digest) break;
  }
  return found;
}

async function decideOnce(body) {
  const explanation = (await json("POST", "/v2/route", { body })).json;
  const answer = await ask("POST", "/v1/chat/completions", { body });
  const id = answer.headers.get("x-harpoon-decision-id");
  if (!id) throw new GatewayError(answer.status, answer.json);
  const decision = (await json("GET", `/v1/decisions/${id}`)).json;
  const certificate = (await json("GET", `/v1/decisions/${id}/certificate`)).json;
  return { explanation, answer, decision, certificate };
}

async function show() {
  const status = byId("formula-status");
  const out = byId("formula-out");
  const words = byId("formula-covenant").value.trim();
  const body = { model: "auto", messages: [{ role: "user", content: byId("formula-prompt").value }] };
  if (words) body.covenant = words;
  status.textContent = "Explaining, deciding, fetching the certificate …";
  try {
    const { explanation, decision, certificate, answer } = await decide(body);
    const setting = settingOf(certificate, explanation);
    const rows = workOut(explanation, setting);
    const { weights } = setting;
    status.textContent = decision.selected
      ? `${decision.selected} is the argmin of ${rows.length} admissible of ${explanation.candidates.length} candidates (HTTP ${answer.status}).`
      : `Nothing is admissible: HTTP ${answer.status}, ${answer.json?.error?.message ?? ""}`;
    out.replaceChildren(
      el(
        "p",
        {},
        "Priority ",
        el("code", { text: setting.priority }),
        `: λC = ${weights.cost_us_per_usd_micro.toLocaleString("en-US")} µs per micro-dollar, λR = ${weights.risk_us_per_ppm} µs per ppm, λP = ${weights.improbability_us_per_micronat} µs per micro-nat; H = ${ms(setting.horizonUs)} ms.`,
      ),
      ...(rows.length
        ? [totalsTable(rows, decision.selected), bars(rows), checks(rows, explanation, decision, certificate)]
        : []),
      el("h3", { text: "Not admissible" }),
      deniedList(explanation),
      el(
        "p",
        { class: "small muted" },
        "Decision ",
        el("code", { text: decision.id }),
        ", digest ",
        el("code", { class: "digest", text: decision.decision_digest }),
        ". Check the certificate without any server: ",
        el("code", { text: `harpoon certificate show ${decision.id} > c.json && harpoon certificate verify c.json` }),
      ),
    );
  } catch (problem) {
    status.textContent =
      problem instanceof GatewayError
        ? `Refused with ${problem.status}: ${problem.message}`
        : `No answer: ${problem.message}`;
    if (problem.status === 401) document.dispatchEvent(new CustomEvent("token-wanted"));
  }
}

/** Wire the form; nothing is asked before somebody asks for it. */
export function startFormula() {
  byId("formula-form").addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
}
