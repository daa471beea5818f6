/** The cards at the top, and how many sessions came in each minute of the last hour. */

import { byId, el, svg, write } from "./dom.js";
import { counted, span, spanParts, whole } from "./format.js";

const LATENCIES = ["capture", "queue", "delivery"];

export function showFigures({ figures, per_minute: perMinute, process, ts }) {
  write(byId("hour"), whole(figures.events_captured_last_hour));
  write(byId("minute"), whole(figures.events_captured_last_minute));
  write(byId("ever"), whole(figures.events_captured));
  for (const name of LATENCIES) {
    const card = byId(`${name}-latency`);
    card.title = `Of the latest 1,000 in the server's process ${process}`;
    const latency = figures[`${name}_latency`];
    for (const node of card.querySelectorAll("[data-figure]")) {
      const value = latency[node.dataset.figure];
      if (node.classList.contains("big")) writeBig(node, spanParts(value));
      else write(node, span(value));
    }
  }
  drawThroughput(perMinute, ts);
}

function writeBig(node, [number, unit]) {
  if (node.dataset.shown === number + unit) return;
  node.dataset.shown = number + unit;
  node.replaceChildren(number, ...(unit ? [el("span", { class: "unit" }, unit)] : []));
}

/** A number not below the largest that makes round steps: 1, 2, 5, 10, 20, 50, ... and four steps of it. */
function scaleOf(largest) {
  let step = 1;
  while (step * 4 < largest) {
    for (const factor of [2, 2.5, 2]) if (step * 4 < largest) step *= factor;
  }
  return { step, top: step * Math.max(1, Math.ceil(largest / step)) };
}

let drawn = "";

function drawThroughput(perMinute, ts) {
  const total = perMinute.reduce((sum, count) => sum + count, 0);
  const peak = Math.max(...perMinute);
  write(byId("throughput-now"), `peak ${whole(peak)}`);
  const place = byId("throughput");
  const minute = Math.floor(Date.parse(ts) / 60_000);
  const state = `${minute} ${perMinute.join()}`;
  if (state === drawn) return;
  drawn = state;
  const { step, top } = scaleOf(Math.max(4, peak));
  const lines = Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step);
  const picture = svg(
    "svg",
    { viewBox: "0 0 600 100", preserveAspectRatio: "none", role: "img", "aria-label": described(perMinute, total, peak) },
    lines.map((value) => {
      const y = 100 - (value / top) * 100;
      return svg("line", { class: "grid-line", x1: 0, x2: 600, y1: y, y2: y });
    }),
    perMinute.map((count, at) => bar(count, at, top, perMinute.length)),
  );
  place.replaceChildren(
    el("div", { class: "plot" }, picture, lines.map((value) => yLabel(value, top))),
    el("span", { class: "axis x start" }, "60 min ago"),
    el("span", { class: "axis x middle" }, "30 min ago"),
    el("span", { class: "axis x end" }, "now"),
  );
}

function bar(count, at, top, length) {
  const height = (count / top) * 100;
  const isNow = at === length - 1;
  const when = isNow ? "this minute" : `${length - 1 - at} min ago`;
  return svg(
    "g",
    {},
    svg("rect", { class: `bar-of-minute${isNow ? " now" : ""}`, x: at * 10 + 1, width: 8, y: 100 - height, height }),
    svg("rect", { class: "hit", x: at * 10, width: 10, y: 0, height: 100, opacity: 0.5 }, svg("title", {}, `${when}: ${whole(count)}`)),
  );
}

function yLabel(value, top) {
  const label = el("span", { class: "axis y", "aria-hidden": "true" }, short(value));
  label.style.top = `${100 - (value / top) * 100}%`;
  label.style.right = "calc(100% + 0.5rem)";
  return label;
}

function short(value) {
  return value >= 10_000 ? `${value / 1_000}k` : whole(value);
}

function described(perMinute, total, peak) {
  const busiest = perMinute.length - 1 - perMinute.lastIndexOf(peak);
  const when = busiest === 0 ? "this minute" : `${busiest} minutes ago`;
  return total === 0
    ? "No session in the last hour."
    : `${counted(total, "session")} in the last hour; at most ${whole(peak)} in a minute, ${when}.`;
}
