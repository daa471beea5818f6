/** The layers and their parts, drawn at the width there is. Every part is a file or folder of this project. */

import { byId, el, onWidth, svg, table, unitNow } from "./dom.js";

export const LAYERS = [
  [
    "Hosts",
    "one core, two hosts",
    [
      ["Cloudflare Worker", "worker/entry.py"],
      ["own ASGI adapter", "worker/edge/asgi.py"],
      ["container gateway", "gateway/app.py"],
      ["OpenAI API", "worker/api/chat.py"],
      ["classifier kernel", "wasm_classifier/kernel/kernel.c"],
      ["browser kernel", "presentation/kernel.js"],
    ],
  ],
  [
    "Mediator",
    "the only state: admit, then settle",
    [
      ["covenant reader", "worker/covenant/reader.py"],
      ["mediator", "worker/mediator.py"],
      ["budgets", "worker/budget.py"],
      ["limits and keys", "worker/tenants"],
      ["guardrails", "worker/guard"],
      ["answer cache", "worker/cache"],
      ["ledger", "worker/ledger/log.py"],
      ["live feed", "worker/live.py"],
    ],
  ],
  [
    "Decision",
    "pure, in integers",
    [
      ["candidates", "worker/routing/candidates.py"],
      ["pool waits", "worker/routing/pool_waits.py"],
      ["gates", "worker/canon/gates.py"],
      ["totals", "worker/canon/totals.py"],
      ["flips", "worker/canon/flips.py"],
      ["certificate", "worker/canon/certificate.py"],
      ["non-interference", "worker/canon/interference.py"],
      ["promotion", "worker/canon/desk.py"],
    ],
  ],
  [
    "Execution",
    "providers, pools, streams",
    [
      ["attempts and fallback", "worker/upstream/attempts.py"],
      ["AI Gateway", "worker/upstream/ai_gateway.py"],
      ["stream relay", "worker/upstream/relay.py"],
      ["pool leases", "gateway/hostedai/leasing.py"],
      ["pool simulator", "gateway/simulator/pools/engine.py"],
      ["endpoint probe", "gateway/probe"],
    ],
  ],
  [
    "Sessions",
    "told to whom it concerns",
    [
      ["session event", "worker/sessions/event.py"],
      ["spool", "worker/sessions/spool.py"],
      ["routes", "worker/sessions/rules.py"],
      ["transforms", "worker/sessions/transforms.py"],
      ["exposure", "worker/sessions/exposure.py"],
      ["delivery", "worker/sessions/delivery.py"],
      ["signed webhooks", "worker/sessions/webhook.py"],
      ["Python SDK", "sdk/python"],
    ],
  ],
];

/** What goes from each layer to the next. */
const FLOWS = [
  "admit: one transaction",
  "catalogue, policy, estimates",
  "a ranking, least total first",
  "settle: one transaction",
];
const CHIP = 30;
/** From this width on a layer's name stands beside its chips. */
const WIDE = 700;

/**
 * Where layers and chips lie within `width`, in units of `unit` pixels: chips wrap where a row is full.
 *
 * @returns {{height: number, layers: {name, note, y, height, chips: {text, x, y, width}[]}[]}}
 */
export function layOut(layers, width, unit) {
  const [margin, gap] = [16 * unit, 8 * unit];
  const isWide = width > WIDE * unit;
  const left = isWide ? 260 * unit : margin;
  let y = 0;
  const placed = layers.map(([name, note, parts]) => {
    let x = left;
    let line = y + (isWide ? 18 : 54) * unit;
    const chips = parts.map(([text]) => {
      const wide = Math.min(width - 2 * margin, (text.length * 7.6 + 26) * unit);
      if (x + wide > width - margin && x > left) {
        x = left;
        line += (CHIP + 8) * unit;
      }
      const chip = { text, x, y: line, width: wide };
      x += wide + gap;
      return chip;
    });
    const height = line + (CHIP + 18) * unit - y;
    const layer = { name, note, y, height, chips };
    y += height + 34 * unit;
    return layer;
  });
  return { height: y - 34 * unit, layers: placed };
}

function draw(box, width) {
  const unit = unitNow();
  const { height, layers } = layOut(LAYERS, width, unit);
  const shapes = layers.map((layer, at) =>
    svg(
      "g",
      { class: `layer layer-${at}` },
      at
        ? svg("path", {
            class: "flow",
            d: `M${28 * unit} ${layer.y - 29 * unit}v${22 * unit}m${-5 * unit} ${-6 * unit}l${5 * unit} ${6 * unit}l${5 * unit} ${-6 * unit}`,
          })
        : null,
      at ? svg("text", { class: "about", x: 44 * unit, y: layer.y - 13 * unit, text: FLOWS[at - 1] }) : null,
      svg("rect", { class: "plate", x: 1, y: layer.y + 1, width: width - 2, height: layer.height - 2, rx: 12 * unit }),
      svg("rect", {
        class: "edge",
        x: 1,
        y: layer.y + 12 * unit,
        width: 4 * unit,
        height: layer.height - 24 * unit,
        rx: 2 * unit,
      }),
      svg("text", { class: "name", x: 18 * unit, y: layer.y + 28 * unit, text: layer.name }),
      svg("text", { class: "about", x: 18 * unit, y: layer.y + 46 * unit, text: layer.note }),
      ...layer.chips.flatMap((chip) => [
        svg("rect", {
          class: "part",
          x: chip.x,
          y: chip.y,
          width: chip.width,
          height: CHIP * unit,
          rx: (CHIP / 2) * unit,
        }),
        svg("text", {
          class: "label",
          x: chip.x + chip.width / 2,
          y: chip.y + 20 * unit,
          "text-anchor": "middle",
          text: chip.text,
        }),
      ]),
    ),
  );
  box.replaceChildren(
    svg(
      "svg",
      {
        viewBox: `0 0 ${width} ${height}`,
        width,
        height,
        role: "img",
        "aria-label": `Layers: ${LAYERS.map(([name, note]) => `${name}, ${note}`).join("; ")}. The table below has each part and its file.`,
      },
      ...shapes,
    ),
  );
}

/** Draw it, again whenever its width changes, and list each part with its file. */
export function startArchitecture() {
  const box = byId("architecture-picture");
  const rows = LAYERS.flatMap(([layer, , parts]) =>
    parts.map(([part, file]) => [part, layer, el("code", { text: file })]),
  );
  byId("architecture-table").replaceChildren(table("Parts and their files", ["part", "layer", "file"], rows));
  onWidth(box, (width) => draw(box, width));
}
