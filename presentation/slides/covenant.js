/** The worked covenant: compiled by the gateway as one types, each chip tied to its words. The top is pure. */

import { GatewayError, json } from "./api.js";
import { byId, el, table } from "./dom.js";

/**
 * The text cut where clauses begin and end: pieces with the clauses they belong to, in order.
 *
 * @param {string} text
 * @param {{start: number, end: number}[]} clauses places in code points, as the gateway tells them
 */
export function cutAtClauses(text, clauses) {
  const points = [...text];
  const cuts = new Set([0, points.length]);
  for (const { start, end } of clauses) cuts.add(start).add(end);
  const places = [...cuts].filter((at) => at <= points.length).sort((one, other) => one - other);
  return places.slice(0, -1).map((start, at) => ({
    text: points.slice(start, places[at + 1]).join(""),
    clauses: clauses.flatMap((one, number) => (one.start <= start && one.end > start ? [number] : [])),
  }));
}

/** What a policy says, as label and value; fields that say nothing are left out. */
export function chipsOf(policy) {
  const chips = [];
  const scope = policy.budget_scope ? ` ${policy.budget_scope.replaceAll("_", " ")}` : "";
  if (policy.budget_usd !== null) chips.push(["budget", `$${policy.budget_usd}${scope}`]);
  if (policy.deadline_s !== null) chips.push(["deadline", `${policy.deadline_s} s`]);
  if (policy.quality) chips.push(["quality", policy.quality]);
  if (policy.priority) chips.push(["priority", policy.priority.replace("_", " ")]);
  if (policy.residency.length) chips.push(["residency", policy.residency.join(", ")]);
  if (policy.residency_exclude.length) chips.push(["never in", policy.residency_exclude.join(", ")]);
  for (const one of policy.requirements) chips.push(["requires", one.replaceAll("_", " ")]);
  return chips;
}

function marked(text, clauses) {
  return cutAtClauses(text, clauses).map((piece) => {
    if (!piece.clauses.length) return document.createTextNode(piece.text);
    const found = piece.clauses.map((at) => clauses[at]);
    const stands = found.some((one) => one.stands);
    const title = found.map((one) => `${one.rule}${one.stands ? "" : ", set aside"}`).join("; ");
    return el("mark", { class: stands ? "stands" : "aside", title, text: piece.text });
  });
}

function poolCard(pool) {
  if (!pool) return el("p", { class: "muted", text: "This catalogue has no pool of that kind." });
  const rows = [
    ["pool", pool.pool],
    ["sharing ratio", `${pool.sharing_ratio} to a card`],
    ["scheduling", pool.scheduling],
    ["optimisation", pool.optimisation],
    ["guaranteed share", `${pool.guaranteed_share_percent} %`],
    ["also admissible", pool.alternatives.map((one) => one.pool).join(", ") || "none"],
  ];
  return el(
    "dl",
    { class: "facts" },
    ...rows.flatMap(([name, value]) => [el("dt", { text: name }), el("dd", { text: value })]),
  );
}

async function compile(text, signal) {
  const status = byId("covenant-status");
  try {
    const found = (await json("POST", "/v2/covenant/parse", { body: { text }, signal })).json;
    byId("covenant-words").replaceChildren(...marked(text, found.clauses));
    const chips = chipsOf(found.policy).map(([name, value]) =>
      el("li", { class: "chip info" }, el("span", { class: "muted", text: name }), el("b", { text: value })),
    );
    chips.push(...found.flags.map((flag) => el("li", { class: "chip warn", text: flag.replaceAll("_", " ") })));
    byId("covenant-chips").replaceChildren(...chips);
    byId("covenant-pool").replaceChildren(
      found.served ? poolCard(found.pool) : el("p", { class: "muted", text: "None: a covenant like this is not served." }),
    );
    status.className = found.served ? "good" : "bad";
    status.textContent = found.served
      ? "Served with this reading."
      : `Not served: ${found.refusal?.message ?? found.refusal ?? ""}`;
    const rows = found.clauses.map((one) => [
      el("code", { text: one.rule }),
      one.words,
      String(one.value),
      one.stands ? "stands" : "set aside",
    ]);
    byId("covenant-clauses").replaceChildren(
      table("Clauses of the covenant", ["rule", "words", "value", "in the policy"], rows),
    );
  } catch (problem) {
    if (problem.name === "AbortError") return;
    status.className = "bad";
    status.textContent = problem instanceof GatewayError ? problem.message : "The gateway can't be reached.";
    if (problem.status === 401) document.dispatchEvent(new CustomEvent("token-wanted"));
  }
}

const PRIORITIES = [
  [
    "max_security",
    "financial analysis, health data",
    "Nobody else is on the card; a full pool is refused rather than widened.",
  ],
  [
    "max_performance",
    "real-time inference",
    "Fits in space or is alone: a turn of somebody else would break any interactive bound.",
  ],
  ["balanced", "general enterprise work", "Shares in space while memory fits; turns are tolerated."],
  ["cost_optimized", "batch, nothing urgent", "Waiting is accepted, so the cheapest slice is taken."],
];

async function mapping() {
  const out = byId("mapping");
  try {
    const rows = [];
    for (const [priority, use, why] of PRIORITIES) {
      const { pool } = (await json("POST", "/v2/covenant/parse", { body: { covenant: { priority } } })).json;
      const share = pool ? `${pool.guaranteed_share_percent}\u00a0%` : "-";
      rows.push([
        el("code", { text: priority }),
        el("code", { text: pool?.pool ?? "none" }),
        String(pool?.sharing_ratio ?? "-"),
        pool?.scheduling ?? "-",
        pool?.optimisation ?? "-",
        share,
        use,
        why,
      ]);
    }
    const heads = ["priority", "pool", "ratio", "scheduling", "optimisation", "share", "use", "because"];
    out.replaceChildren(
      table("Priorities and the pools they mean, asked of this gateway", heads, rows, { numeric: [2, 5] }),
    );
  } catch (problem) {
    out.replaceChildren(el("p", { class: "bad", text: `The table could not be asked for: ${problem.message}` }));
    if (problem.status === 401) document.dispatchEvent(new CustomEvent("token-wanted"));
  }
}

/** Wire the field, its examples and the table of priorities; called again once a token is there. */
export function startCovenant() {
  const field = byId("covenant-text");
  let waiting;
  let running = new AbortController();
  const again = () => {
    running.abort();
    running = new AbortController();
    compile(field.value, running.signal);
  };
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(again, 150);
  });
  for (const button of document.querySelectorAll("[data-covenant]")) {
    button.addEventListener("click", () => {
      field.value = button.dataset.covenant;
      again();
    });
  }
  again();
  mapping();
  return () => {
    again();
    mapping();
  };
}
