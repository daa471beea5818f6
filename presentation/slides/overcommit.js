/** Latency against overcommit, drawn from the model's file; lines by the way a card is shared. The top is pure. */

import { byId, el, onWidth, svg, table, unitNow } from "./dom.js";

export const METRICS = {
  first_token_p95_ms: ["slow first tokens: there within, for 95 of 100", (value) => value / 1000, "s"],
  p95_ms: ["slow answers: done within, for 95 of 100", (value) => value / 1000, "s"],
  p50_ms: ["usual answers: done within, for half of them", (value) => value / 1000, "s"],
  cost_per_request_usd_micros: ["price of the card per answer", (value) => value / 10000, "US cents"],
};

/** The file with its cells as objects; in the file they are rows under `columns`. */
export function unpack(file) {
  return {
    ...file,
    cells: file.cells.map((row) => Object.fromEntries(file.columns.map((name, at) => [name, row[at]]))),
  };
}

/** How each line is called: in space, or in turns of its quantum. */
export const nameOf = (cell) => (cell.mode === "spatial" ? "in space" : `turns of ${cell.quantum_s} s`);

/** The lines of one load: name, and a value for each ratio. */
export function seriesOf(data, load, metric) {
  const [, convert] = METRICS[metric];
  const lines = new Map();
  for (const cell of data.cells.filter((one) => one.load === load)) {
    const name = nameOf(cell);
    lines.set(name, [...(lines.get(name) ?? []), { ratio: cell.ratio, value: convert(cell[metric]) }]);
  }
  return [...lines].map(([name, points]) => ({ name, points }));
}

/** Round steps from 0 to at least `most`, about `count` of them. */
export function ticksTo(most, count = 4) {
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const ticks = [];
  for (let at = 0; at < most + step * 0.999; at += step) ticks.push(Number(at.toPrecision(6)));
  return ticks;
}

const MARKS = [
  (x, y, r) => svg("circle", { cx: x, cy: y, r }),
  (x, y, r) => svg("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r }),
  (x, y, r) => svg("path", { d: `M${x} ${y - r * 1.3}l${r * 1.3} ${r * 2.3}h${-r * 2.6}z` }),
  (x, y, r) =>
    svg("path", { d: `M${x} ${y - r * 1.4}l${r * 1.4} ${r * 1.4}l${-r * 1.4} ${r * 1.4}l${-r * 1.4} ${-r * 1.4}z` }),
  (x, y, r) => svg("path", { d: `M${x - r} ${y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}` }),
];

function panel(data, load, metric, most, width, unit) {
  const height = 280 * unit;
  const [left, right, top, bottom] = [46 * unit, 14 * unit, 34 * unit, 44 * unit];
  const ticks = ticksTo(most);
  const x = (ratio) =>
    left + ((width - left - right) * (ratio - data.ratios[0])) / (data.ratios.at(-1) - data.ratios[0]);
  const y = (value) => height - bottom - ((height - top - bottom) * value) / ticks.at(-1);
  const lines = seriesOf(data, load, metric).map(({ name, points }, at) =>
    svg(
      "g",
      { class: `line line-${at}` },
      svg("polyline", { points: points.map((one) => `${x(one.ratio)},${y(one.value)}`).join(" ") }),
      ...points.map((one) => {
        const mark = MARKS[at](x(one.ratio), y(one.value), 4 * unit);
        mark.append(
          svg("title", { text: `${name}, ${one.ratio} tenants: ${one.value.toFixed(1)} ${METRICS[metric][2]}` }),
        );
        return mark;
      }),
    ),
  );
  const grid = ticks.flatMap((tick) => [
    svg("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
    svg("text", { class: "tick", x: left - 8 * unit, y: y(tick) + 4 * unit, "text-anchor": "end", text: String(tick) }),
  ]);
  const foot = data.ratios.map((ratio) =>
    svg("text", {
      class: "tick",
      x: x(ratio),
      y: height - bottom + 18 * unit,
      "text-anchor": "middle",
      text: `${ratio}x`,
    }),
  );
  const per = data.assumed.loads[load];
  return svg(
    "svg",
    {
      class: "chart",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-label": `${load} tenants: ${METRICS[metric][0]}, by sharing ratio; modelled. The table below has the figures.`,
    },
    svg("text", { class: "title", x: left, y: 16 * unit, text: `${load}: ${per} requests an hour each` }),
    ...grid,
    ...foot,
    svg("text", {
      class: "tick",
      x: (left + width - right) / 2,
      y: height - 6 * unit,
      "text-anchor": "middle",
      text: `tenants on one card (${METRICS[metric][2]}, modelled)`,
    }),
    ...lines,
  );
}

function legend(data) {
  return seriesOf(data, Object.keys(data.assumed.loads)[0], "p50_ms").map(({ name }, at) =>
    el(
      "li",
      {},
      svg(
        "svg",
        { class: "key", viewBox: "0 0 36 12", width: 36, height: 12, "aria-hidden": "true" },
        svg("g", { class: `line line-${at}` }, svg("polyline", { points: "0,6 36,6" }), MARKS[at](18, 6, 4)),
      ),
      name,
    ),
  );
}

function alternative(data, metric) {
  const convert = METRICS[metric][1];
  const rows = [];
  for (const load of Object.keys(data.assumed.loads)) {
    for (const { name, points } of seriesOf(data, load, metric))
      rows.push([`${load}, ${name}`, ...points.map((one) => one.value.toFixed(convert(1) < 0.001 ? 3 : 2))]);
  }
  const heads = [`load, sharing (${METRICS[metric][2]})`, ...data.ratios.map((ratio) => `${ratio}x`)];
  return table(`${METRICS[metric][0]}, modelled`, heads, rows, { numeric: [1, 2, 3, 4] });
}

/** Draw the panels at the width there is, again whenever that or the metric changes. */
export function startOvercommit(data) {
  const box = byId("overcommit-panels");
  const choice = byId("overcommit-metric");
  const draw = (all) => {
    const metric = choice.value;
    const unit = unitNow();
    const width = all > 640 * unit ? Math.floor((all - 25 * unit) / 2) : all;
    const values = data.cells.map((cell) => METRICS[metric][1](cell[metric]));
    box.replaceChildren(
      ...Object.keys(data.assumed.loads).map((load) => panel(data, load, metric, Math.max(...values), width, unit)),
    );
    byId("overcommit-table").replaceChildren(alternative(data, metric));
  };
  choice.replaceChildren(...Object.entries(METRICS).map(([value, [text]]) => el("option", { value, text })));
  choice.addEventListener("change", () => draw(box.clientWidth));
  byId("overcommit-legend").replaceChildren(...legend(data));
  onWidth(box, draw);
  const { assumed } = data;
  byId("overcommit-note").textContent =
    `Modelled, not measured: ${data.command}. One card of ${assumed.card_mb.toLocaleString("en-US")} MB, a server of ${assumed.server_mb.toLocaleString("en-US")} MB for each tenant, so that all fit in memory; answers of ${assumed.work_mean_ms / 1000} s of GPU time on average, the first token after ${assumed.first_token_ms / 1000} s; the card at $${assumed.hourly_usd_micros / 1e6} an hour; about ${assumed.requests_per_cell.toLocaleString("en-US")} requests a point, seed ${assumed.seed}. No GPU was used.`;
}
