/** Elements made without markup: what is given as text stays text, whatever is in it. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/**
 * An element. `properties`: `class`, `on` (listeners by event), `data` (data attributes), other names are attributes;
 * false, null and undefined leave one out. Children that are strings or numbers become text.
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false).map(nodeOrText));
  return node;
}

function nodeOrText(child) {
  return child instanceof Node ? child : String(child);
}

/** Put these children in the place of all others. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** One of the symbols of the page, for the eye alone. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Scroll an element's own column to it, and nothing else. */
export function reveal(node) {
  const box = node.closest(".column-body");
  box.scrollTop += node.getBoundingClientRect().top - box.getBoundingClientRect().top - 16;
}

/** A chip whose kind (`info`, `good`, `warn`, `bad`) is said by its words too, never by colour alone. */
export function setChip(chip, state, text, kind = "") {
  chip.dataset.state = state;
  chip.className = `chip ${kind}`.trim();
  chip.textContent = text;
}

/** A message at the corner for some seconds, and for screen readers. */
export function toast(text, kind = "", forMs = 5_000) {
  const box = el("div", { class: `toast ${kind}`.trim() }, text);
  byId("toasts").append(box);
  announce(text);
  setTimeout(() => box.remove(), forMs);
}

/** Say something to screen readers, politely; the same words again are said again. */
export function announce(text) {
  say(byId("announcer"), text);
}

/** Say something that can't wait. */
export function alarm(text) {
  say(byId("alerts"), text);
}

function say(region, text) {
  region.textContent = "";
  setTimeout(() => {
    region.textContent = text;
  }, 50);
}
