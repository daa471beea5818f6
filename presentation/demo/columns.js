/** The three columns: side by side where there is room, else one at a time behind tabs; and the keys between them. */

import { byId } from "./dom.js";

const NAMES = ["covenant", "conversation", "execution"];
const WIDE = matchMedia("(min-width: 75rem)");

export class Columns {
  #at = "conversation";

  constructor() {
    for (const name of NAMES) byId(`tab-${name}`).addEventListener("click", () => this.show(name));
    byId("tab-covenant").parentElement.addEventListener("keydown", (event) => this.#key(event));
    WIDE.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  get isWide() {
    return WIDE.matches;
  }

  /** Bring a column to the eye, and focus into it if wanted. */
  show(name, focus = false) {
    this.#at = name;
    this.#draw();
    if (focus) byId(`panel-${name}`).focus({ preventScroll: true });
  }

  #draw() {
    for (const name of NAMES) {
      const [tab, panel] = [byId(`tab-${name}`), byId(`panel-${name}`)];
      const isOn = name === this.#at;
      tab.setAttribute("aria-selected", String(isOn));
      tab.tabIndex = isOn ? 0 : -1;
      panel.hidden = !WIDE.matches && !isOn;
      if (WIDE.matches) {
        panel.removeAttribute("role");
        panel.setAttribute("aria-labelledby", `${name}-title`);
      } else {
        panel.setAttribute("role", "tabpanel");
        panel.setAttribute("aria-labelledby", `tab-${name}`);
      }
    }
  }

  #key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    const at = NAMES.indexOf(this.#at);
    const next = event.key === "Home" ? 0 : event.key === "End" ? NAMES.length - 1 : (at + (steps[event.key] ?? 0) + NAMES.length) % NAMES.length;
    if (next === at) return;
    event.preventDefault();
    this.show(NAMES[next]);
    byId(`tab-${NAMES[next]}`).focus();
  }
}

/** Alt and a digit go to a column. */
export function columnOf(event) {
  return event.altKey && !event.ctrlKey && !event.metaKey ? (NAMES[["Digit1", "Digit2", "Digit3"].indexOf(event.code)] ?? null) : null;
}
