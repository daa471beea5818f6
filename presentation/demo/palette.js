/** The command palette: fuzzy search over commands, by keyboard alone. A command may ask to choose from a list. */

import { byId, el, fill } from "./dom.js";
import { search } from "./fuzzy.js";

export class Palette {
  #dialog = byId("palette");
  #input = byId("palette-input");
  #list = byId("palette-list");
  #commands;
  #items = [];
  #shown = [];
  #at = 0;

  /** @param {() => Array<{id: string, title: string, keywords?: string, hint?: string, run: Function}>} commands */
  constructor(commands) {
    this.#commands = commands;
    this.#input.addEventListener("input", () => this.#search());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.close();
    });
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /** Show all commands. */
  open() {
    this.#offer(this.#commands(), "Search commands");
  }

  /** Ask to choose one; resolves to it, or to null when the palette is closed. */
  choose(items, placeholder) {
    return new Promise((resolve) => {
      const closed = () => resolve(null);
      this.#dialog.addEventListener("close", closed, { once: true });
      this.#offer(
        items.map((item) => ({ ...item, run: () => resolve(item) })),
        placeholder,
      );
    });
  }

  close() {
    this.#dialog.close();
  }

  #offer(items, placeholder) {
    this.#items = items;
    this.#input.placeholder = placeholder;
    this.#input.setAttribute("aria-label", placeholder);
    this.#input.value = "";
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#search();
    this.#input.focus();
  }

  #search() {
    this.#shown = search(this.#items, this.#input.value);
    this.#at = 0;
    fill(
      this.#list,
      this.#shown.map((item, at) =>
        el(
          "li",
          {
            id: `palette-option-${at}`,
            role: "option",
            data: { command: item.id },
            on: {
              mousemove: () => this.#move(at),
              click: () => this.#run(at),
            },
          },
          el("span", { class: "option-title" }, item.title),
          item.hint ? el("span", { class: "option-hint small muted" }, item.hint) : null,
        ),
      ),
      this.#shown.length ? null : el("li", { class: "muted", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "Nothing fits."),
    );
    this.#move(0);
  }

  #key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    const last = this.#shown.length - 1;
    if (event.key in steps && last >= 0) this.#move((this.#at + steps[event.key] + last + 1) % (last + 1));
    else if (event.key === "PageDown") this.#move(Math.min(this.#at + 8, last));
    else if (event.key === "PageUp") this.#move(Math.max(this.#at - 8, 0));
    else if (event.key === "Enter" && !event.isComposing) this.#run(this.#at);
    else return;
    event.preventDefault();
  }

  #move(at) {
    this.#at = at;
    [...this.#list.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === at)));
    const option = this.#shown.length ? this.#list.children[at] : null;
    if (!option) {
      this.#input.removeAttribute("aria-activedescendant");
      return;
    }
    this.#input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  #run(at) {
    const item = this.#shown[at];
    if (!item) return;
    // Closed first: focus goes back to where it was, and the command may move it from there.
    if (item.staysOpen) {
      // What it offers may take a moment to come; until then a second Enter must not run it again.
      this.#items = this.#shown = [];
      fill(this.#list, el("li", { class: "muted", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "One moment…"));
    } else this.close();
    item.run();
  }
}
