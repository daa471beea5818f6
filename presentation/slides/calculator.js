/** Calculators over labelled assumptions: each field is editable, each result shows its formula. The top is pure. */

import { byId, el, table } from "./dom.js";

/** What a month costs at a price per million tokens. */
export const monthly = (requests, inTokens, outTokens, inPrice, outPrice) =>
  (requests * (inTokens * inPrice + outTokens * outPrice)) / 1e6;

/** Costs in dollars a month, before and after, by the assumptions' names. */
export function costOf(given) {
  const load = [given.requests, given.tokens_in, given.tokens_out];
  const before = monthly(...load, given.base_in, given.base_out);
  const pooled = monthly(...load, given.pool_in, given.pool_out);
  const share = given.pool_share / 100;
  const after = share * pooled + (1 - share) * before + given.running;
  const saved = before - after;
  return {
    before,
    after,
    saved,
    saved_percent: before ? (100 * saved) / before : 0,
    roi: given.running ? saved / given.running : null,
  };
}

/** One card sold in `ratio` slots: what a slot costs an hour, and what a card brings beside what it costs. */
export function poolOf(given, ratio) {
  const slot = given.slot_list / ratio ** given.slot_law;
  const revenue = ratio * slot * (given.occupancy / 100);
  return { slot, revenue, margin: revenue - given.card_cost };
}

/** Revenue kept over three years in which each year loses a share of it. */
export function retained(yearly, churnPercent) {
  const kept = 1 - churnPercent / 100;
  return yearly * (kept + kept ** 2 + kept ** 3);
}

const dollars = (value) =>
  value.toLocaleString("en-US", {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: Math.abs(value) < 10 ? 3 : 0,
    maximumFractionDigits: Math.abs(value) < 10 ? 3 : 0,
  });

function field(id, figure, onChange) {
  const input = el("input", {
    class: "input",
    id: `assume-${id}`,
    type: "number",
    inputmode: "decimal",
    value: figure.value,
    min: figure.min,
    max: figure.max,
    step: figure.step ?? "any",
    on: { input: onChange },
  });
  return el(
    "div",
    { class: "assumption" },
    el(
      "label",
      { class: "label", for: `assume-${id}` },
      figure.label,
      el("span", { class: "muted", text: ` ${figure.unit}` }),
    ),
    input,
    el("span", { class: "small muted", text: figure.source ? `assumed; default: ${figure.source}` : "assumed" }),
  );
}

/** Build one calculator: its fields from the figures, its result by `render(values)`. */
function build(name, figures, render) {
  const own = Object.entries(figures).filter(([, one]) => one.calculator === name);
  const out = byId(`${name}-result`);
  const read = () =>
    Object.fromEntries(
      own.map(([id, one]) => {
        const value = byId(`assume-${id}`).valueAsNumber;
        const least = Number(one.min ?? 0);
        return [
          id.split(".")[1],
          Number.isFinite(value) ? Math.min(Number(one.max ?? Infinity), Math.max(least, value)) : Number(one.value),
        ];
      }),
    );
  const again = () => out.replaceChildren(...render(read()));
  byId(`${name}-fields`).replaceChildren(...own.map(([id, one]) => field(id, one, again)));
  again();
}

/** Build all calculators. Args: figures: of figures.json; overcommit: of overcommit.json. */
export function startCalculators(figures, overcommit) {
  build("cost", figures, (given) => {
    const found = costOf(given);
    const rows = [
      ["before, a month", dollars(found.before)],
      ["with the share on pools, a month", dollars(found.after)],
      ["saved, a month", dollars(found.saved)],
      ["saved of what it was", `${found.saved_percent.toFixed(1)} %`],
      ["net saving per dollar of running it", found.roi === null ? "-" : found.roi.toFixed(1)],
    ];
    return [
      table("Cost and return, from the assumptions beside", ["result", "by the assumptions"], rows, { numeric: [1] }),
    ];
  });
  build("pool", figures, (given) => {
    const rows = [1, ...overcommit.ratios].map((ratio) => {
      const found = poolOf(given, ratio);
      const cell = overcommit.cells.find((one) => one.ratio === ratio && one.mode === "spatial" && one.load === "busy");
      return [
        String(ratio),
        dollars(found.slot),
        dollars(found.revenue),
        dollars(found.margin),
        cell ? `${(cell.p95_ms / 1000).toFixed(1)} s` : "-",
      ];
    });
    return [
      table(
        "Pool economics by sharing ratio",
        ["slots a card", "slot, per hour", "card brings, per hour", "less its cost", "slow answers, modelled"],
        rows,
        { numeric: [0, 1, 2, 3, 4] },
      ),
    ];
  });
  build("scenario", figures, (given) => {
    const one = retained(given.revenue, given.churn_own);
    const other = retained(given.revenue, given.churn_third);
    const rows = [
      ["kept over three years, own runtime", dollars(one)],
      ["kept over three years, third party", dollars(other)],
      ["difference", dollars(one - other)],
    ];
    return [
      table("Three years, from the assumptions beside", ["result", "by the assumptions"], rows, { numeric: [1] }),
    ];
  });
}
