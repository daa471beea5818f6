/** Who sees what of a session's event, drawn from exposure.json: worked out from two routes files, nothing else. */

import { byId, el, onWidth, svg, table, unitNow } from "./dom.js";

const TITLES = { provider: "The provider runs the runtime", "third-party": "A third-party cloud runs it" };

/** Rows of boxes from top to bottom, and arrows between them, as indices of boxes. */
export function graphOf(name, topology) {
  const owner = name === "provider" ? "provider" : "third-party cloud";
  const boxes = [
    { row: 0, text: "services and browsers", kind: "source" },
    { row: 1, text: "session runtime", note: `run by the ${owner}`, kind: "runtime" },
  ];
  const arrows = [[0, 1]];
  const party = new Map();
  for (const one of topology.parties) {
    party.set(one.party, boxes.length);
    boxes.push({ row: 3, text: one.party, note: `${one.seen.length} fields`, kind: "party" });
  }
  for (const [destination, who] of topology.destinations) {
    arrows.push([1, boxes.length], [boxes.length, party.get(who)]);
    boxes.push({ row: 2, text: destination, kind: "destination" });
  }
  for (const [giver, taker] of topology.passes_on) arrows.push([party.get(giver), party.get(taker)]);
  return { boxes, arrows };
}

/** A place for each box within `width`: rows are spread evenly. */
export function place(boxes, width, unit) {
  const gap = 10 * unit;
  return boxes.map((box) => {
    const row = boxes.filter((one) => one.row === box.row);
    const wide = Math.min(196 * unit, (width - gap * (row.length + 1)) / row.length);
    const start = (width - row.length * wide - (row.length - 1) * gap) / 2;
    const lines = box.text.length * 7 * unit + 8 * unit > wide ? box.text.split(" ") : [box.text];
    const high = (20 + 16 * (lines.length + (box.note ? 1 : 0))) * unit;
    return {
      ...box,
      lines,
      x: start + row.indexOf(box) * (wide + gap),
      y: 12 * unit + box.row * 92 * unit,
      wide,
      high,
    };
  });
}

function arrow(from, to, unit) {
  const isBeside = from.row === to.row;
  if (isBeside) {
    const right = from.x < to.x;
    const y = from.y + from.high;
    const [x1, x2] = [from.x + from.wide / 2, to.x + to.wide / 2];
    return svg("path", {
      class: "arrow passes",
      "marker-end": "url(#tip)",
      d: `M${x1} ${y} C${x1} ${y + 44 * unit} ${x2} ${y + 44 * unit} ${x2 + (right ? -1 : 1)} ${y + 6 * unit}`,
    });
  }
  const [x1, y1, x2, y2] = [from.x + from.wide / 2, from.y + from.high, to.x + to.wide / 2, to.y - 5 * unit];
  return svg("path", {
    class: "arrow",
    "marker-end": "url(#tip)",
    d: `M${x1} ${y1} C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}`,
  });
}

function picture(name, topology, width, unit) {
  const { boxes, arrows } = graphOf(name, topology);
  const placed = place(boxes, width, unit);
  const height = 12 * unit + 3 * 92 * unit + 68 * unit + 42 * unit;
  const shapes = placed.map((box) => {
    const middle = box.x + box.wide / 2;
    return svg(
      "g",
      { class: `box ${box.kind}` },
      svg("rect", { x: box.x, y: box.y, width: box.wide, height: box.high, rx: 8 * unit }),
      ...box.lines.map((text, at) =>
        svg("text", { x: middle, y: box.y + (22 + 16 * at) * unit, "text-anchor": "middle", text }),
      ),
      box.note
        ? svg("text", {
            class: "note",
            x: middle,
            y: box.y + (22 + 16 * box.lines.length) * unit,
            "text-anchor": "middle",
            text: box.note,
          })
        : null,
    );
  });
  const label = topology.parties.map((one) => `${one.party} sees ${one.seen.length} fields`).join(", ");
  const tip = svg(
    "defs",
    {},
    svg(
      "marker",
      { id: "tip", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
      svg("path", { class: "tip", d: "M0 0L8 4L0 8z" }),
    ),
  );
  return svg(
    "svg",
    {
      class: "topology",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-label": `${TITLES[name]}: ${label}.`,
    },
    tip,
    ...arrows.map(([from, to]) => arrow(placed[from], placed[to], unit)),
    ...shapes,
  );
}

function matrix(data) {
  const columns = Object.entries(data.topologies).flatMap(([name, topology]) =>
    topology.parties.map((party) => ({ name, party })),
  );
  const heads = [
    "field",
    ...columns.map(({ name, party }) => `${party.party} (${name === "provider" ? "own runtime" : "third party"})`),
  ];
  const rows = data.fields.map((field) => [
    el("code", { text: field }),
    ...columns.map(({ party }) =>
      party.seen.includes(field)
        ? el("span", { class: "sees", text: "sees" })
        : party.inferred.includes(field)
          ? "infers"
          : "-",
    ),
  ]);
  return table("Fields each party can see", heads, rows);
}

/** Draw both topologies at the width there is. */
export function startTopology(data) {
  const box = byId("topologies");
  const draw = (all) => {
    const unit = unitNow();
    const isWide = all > 640 * unit;
    const width = (isWide ? Math.floor((all - 25 * unit) / 2) : all) - 34 * unit;
    box.replaceChildren(
      ...Object.entries(data.topologies).map(([name, topology]) =>
        el(
          "figure",
          { class: "card" },
          el(
            "figcaption",
            {},
            el("h3", { text: TITLES[name] }),
            el("p", { class: "small muted" }, "from ", el("code", { text: topology.routes })),
          ),
          picture(name, topology, width, unit),
        ),
      ),
    );
  };
  byId("topology-table").replaceChildren(matrix(data));
  byId("topology-command").textContent = data.command;
  onWidth(box, draw);
}
