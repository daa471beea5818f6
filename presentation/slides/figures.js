/** Every number of the page, from figures.json: written into its place, and listed with where it comes from. */

import { el } from "./dom.js";

const KINDS = { measured: "measured", sourced: "sourced", assumed: "assumed or aimed at" };

/** A figure as it is shown. */
export const shown = (figure, isBare) =>
  isBare || !figure.unit ? figure.value : `${figure.value}\u00a0${figure.unit}`;

/** Where a figure comes from, in one line. */
export function originOf(figure, origins) {
  const origin = origins[figure.of] ?? figure;
  if (figure.kind === "measured") return `${origin.command} (${origin.doc})`;
  return origin.source ?? "our assumption";
}

/** Fill in the figures, and list under each section those it shows. */
export function startFigures({ figures, origins }) {
  for (const section of document.querySelectorAll("main section[id]")) {
    const used = new Map();
    for (const node of section.querySelectorAll("[data-figure]")) {
      const figure = figures[node.dataset.figure];
      node.textContent = shown(figure, "bare" in node.dataset);
      node.value = figure.value;
      node.dataset.kind = figure.kind;
      node.title = `${KINDS[figure.kind]}: ${originOf(figure, origins)}`;
      used.set(node.dataset.figure, figure);
    }
    if (!used.size) continue;
    const groups = new Map();
    for (const figure of used.values()) {
      const key = `${figure.kind}\n${originOf(figure, origins)}`;
      groups.set(key, [...(groups.get(key) ?? []), `${figure.label} ${shown(figure)}`]);
    }
    const rows = [...groups].map(([key, names]) => {
      const [kind, origin] = key.split("\n");
      return el(
        "li",
        {},
        el("span", { class: `kind ${kind}`, text: KINDS[kind] }),
        " ",
        el(kind === "measured" ? "code" : "span", { text: origin }),
        `: ${names.join("; ")}`,
      );
    });
    const list = el(
      "details",
      { class: "origins" },
      el("summary", { text: "Where these numbers come from" }),
      el("ul", {}, ...rows),
    );
    (section.querySelector(":scope > .inner") ?? section).append(list);
  }
}
