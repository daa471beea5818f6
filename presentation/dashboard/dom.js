/** Elements made without markup: what is given as text stays text, whatever is in it. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element. `on`: listeners by event; `class`; other names are attributes, left out if false or null. */
export function el(tag, properties = {}, ...children) {
  return withChildren(document.createElement(tag), properties, children);
}

/** The same for a part of a picture. */
export function svg(tag, properties = {}, ...children) {
  return withChildren(document.createElementNS(SVG, tag), properties, children);
}

function withChildren(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "class") node.setAttribute("class", value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false));
  return node;
}

/** Writes a text only where it changed, so that a reader's selection and focus stay. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Keeps the children of `parent` in step with `items`, one for each key, reusing those that are there.
 * `make(item)` gives an element, `update(element, item)` writes into it. Returns the elements that are new.
 */
export function keyed(parent, items, keyOf, make, update) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const fresh = [];
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = before.get(key);
    if (node) before.delete(key);
    else {
      node = make(item);
      node.dataset.key = key;
      fresh.push(node);
    }
    update(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const gone of before.values()) gone.remove();
  return fresh;
}

/** Resolves once a dialog is closed. The event comes late: it may be of an earlier time that this one was open. */
export function closed(dialog) {
  return new Promise((done) => {
    const onClose = () => {
      if (dialog.open) return;
      dialog.removeEventListener("close", onClose);
      done();
    };
    dialog.addEventListener("close", onClose);
  });
}

/** Tells screen readers, once, politely. */
export function announce(text) {
  const region = byId("announcer");
  region.textContent = "";
  setTimeout(() => {
    region.textContent = text;
  }, 50);
}

/** A message at the corner for some seconds. */
export function toast(text, kind = "") {
  const box = el("div", { class: `toast ${kind}`.trim() }, text);
  byId("toasts").append(box);
  announce(text);
  setTimeout(() => box.remove(), 6_000);
}
