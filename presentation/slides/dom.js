/** Small helpers to build elements: text goes in as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";
/** The width of A4 within its margins, in pixels. */
const PAPER = 700;

/** An element of HTML. `attributes` may hold `text`, `class`, `on` (event to handler) and any attribute. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same in SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((one) => one !== null && one !== undefined));
  return node;
}

/** The table with its column's name on every cell, which is shown where rows become blocks. */
export function labelled(made) {
  const heads = [...made.querySelectorAll("thead th")].map((one) => one.textContent);
  for (const row of made.querySelectorAll("tbody tr")) {
    [...row.cells].forEach((cell, at) => heads[at] && cell.setAttribute("data-label", heads[at]));
  }
  return made;
}

/** A table with a caption. Rows are lists of texts or nodes; `numeric` names the columns that are aligned right. */
export function table(caption, heads, rows, { numeric = [], chosen = -1 } = {}) {
  const cell = (value, at, name = "td") => {
    const node = value instanceof Node ? value : document.createTextNode(value);
    return el(name, { class: numeric.includes(at) ? "num" : null, scope: name === "th" ? "row" : null }, node);
  };
  const head = heads.map((text, at) => el("th", { scope: "col", text, class: numeric.includes(at) ? "num" : null }));
  const body = rows.map((row, number) =>
    el("tr", { class: number === chosen ? "chosen" : null }, ...row.map((one, at) => cell(one, at, at ? "td" : "th"))),
  );
  const made = labelled(
    el(
      "table",
      { class: "table" },
      el("caption", { class: "visually-hidden", text: caption }),
      el("thead", {}, el("tr", {}, ...head)),
      el("tbody", {}, ...body),
    ),
  );
  return el("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": caption }, made);
}

/** How many pixels sixteen of the page's own are: pictures grow with its type. */
export const unitNow = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;

/** Call `draw(width)` now, whenever the box gets another width, and for paper; not while it has no width. */
export function onWidth(box, draw) {
  let last = 0;
  new ResizeObserver(() => {
    const width = box.clientWidth;
    if (width === last || width < 120) return;
    last = width;
    draw(width);
  }).observe(box);
  addEventListener("beforeprint", () => draw(PAPER));
  addEventListener("afterprint", () => draw(box.clientWidth));
}

export const byId = (id) => document.getElementById(id);
