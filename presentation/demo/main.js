/** The live demo: its parts put together. */

import { Api } from "./api.js";
import { Classifier } from "./classifier.js";
import { Columns, columnOf } from "./columns.js";
import { commandsOf, copy, showKeys } from "./commands.js";
import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { CovenantColumn } from "./covenant.js";
import { announce, byId, el, fill, toast } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { History, fromFragment, stateWord } from "./history.js";
import { limitsIn } from "./limits.js";
import { Palette } from "./palette.js";
import { Session } from "./session.js";
import { WhatIf } from "./whatif.js";

const DRAFT_MS = 400;

function storage() {
  try {
    return globalThis.localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {} };
  }
}

class Page {
  history = new History(storage());
  columns = new Columns();
  connection = new Connection();
  api = new Api(
    (reason) => this.connection.askForToken(reason),
    (isReachable) => this.connection.reached(isReachable),
  );
  classifier = new Classifier(this.api);
  whatif = new WhatIf(this.api);
  covenant = new CovenantColumn(this.api, () => this.#edited());
  conversation = new Conversation({
    copy: (turn) => copy(turn.answer.text),
    retry: (turn) => this.session.retry(turn),
    show: (turn) => {
      this.session.show(turn);
      this.columns.show("execution", true);
    },
  });
  session = new Session({ ...this, changed: () => this.#changed() });
  palette = new Palette(() => commandsOf(this));
  #draftTimer = 0;
  #prompt = byId("prompt");

  constructor() {
    this.connection.api = this.api;
    this.connection.regained = () => {
      if (this.covenant.text) this.covenant.refresh();
      this.#learn();
    };
    this.#listen();
    this.#drawExamples();
    this.#drawHistory();
    this.#begin();
    this.classifier.load().then(() => this.classifier.score(this.#prompt.value));
    this.#learn();
  }

  /** Put a covenant, a message and a model into the fields. */
  load({ covenant, prompt, model }, focus = true) {
    this.covenant.text = covenant;
    this.#prompt.value = prompt ?? "";
    this.setModel(model || "auto");
    this.#edited();
    if (!focus) return;
    this.columns.show("conversation");
    this.#prompt.focus();
  }

  /** Choose a model or a route, also one that is not in the list yet. */
  setModel(id) {
    const select = byId("model");
    if (![...select.options].some((option) => option.value === id)) select.append(el("option", { value: id }, id));
    select.value = id;
  }

  forgetHistory() {
    this.history.clear();
    this.#drawHistory();
    toast("The history of this browser is empty.");
  }

  #begin() {
    const shared = fromFragment(location.hash);
    this.load(shared ?? { ...this.history.draft, model: "auto" }, false);
    if (shared) toast("A shared covenant. Nothing was sent yet.");
  }

  /** What the gateway has: its health, its models, its catalogue. */
  async #learn() {
    const quietly = (made) => made.catch(() => null);
    const [health, models, catalogue] = await Promise.all([
      quietly(this.api.json("health")),
      quietly(this.api.json("v1/models")),
      quietly(this.api.json("v2/catalogue")),
    ]);
    if (health) this.connection.describe(health);
    if (catalogue) {
      this.session.catalogue = catalogue.catalogue;
      this.session.catalogueHash = catalogue.catalogue_hash;
    }
    if (models) this.#drawModels(models.data, catalogue?.catalogue);
  }

  #drawModels(models, catalogue) {
    const chosen = byId("model").value;
    const chats = new Map((catalogue?.models ?? []).map((one) => [one.id, one.capabilities.includes("chat")]));
    const own = models.map((one) => one.id).filter((id) => id !== "auto" && chats.get(id.slice(id.indexOf("/") + 1)) !== false);
    fill(
      byId("model"),
      el("option", { value: "auto" }, "auto: best route"),
      el("optgroup", { label: "Models and labels" }, own.filter((id) => !id.includes("/")).map((id) => el("option", { value: id }, id))),
      el("optgroup", { label: "Pinned to a provider" }, own.filter((id) => id.includes("/")).map((id) => el("option", { value: id }, id))),
    );
    this.setModel(chosen);
  }

  #listen() {
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#prompt.addEventListener("input", () => this.#edited());
    this.#prompt.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    byId("stop").addEventListener("click", () => {
      this.session.stop();
      this.#prompt.focus();
    });
    byId("palette-open").addEventListener("click", () => this.palette.open());
    byId("palette-key").textContent = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘ K" : "Ctrl K";
    addEventListener("keydown", (event) => this.#key(event));
    // Another tab of this browser has written to the history.
    addEventListener("storage", () => this.#drawHistory());
    addEventListener("hashchange", () => {
      const shared = fromFragment(location.hash);
      if (shared) this.load(shared);
    });
  }

  #key(event) {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (this.palette.isOpen) this.palette.close();
      else if (!document.querySelector("dialog[open]")) this.palette.open();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    const column = columnOf(event);
    if (column) {
      event.preventDefault();
      this.columns.show(column, true);
    } else if (event.key === "Escape") {
      this.session.stop();
    } else if (event.key === "?" && !event.target.closest("input, textarea, select")) {
      showKeys();
    }
  }

  #send() {
    const prompt = this.#prompt.value;
    if (this.session.isRunning || !prompt.trim()) return;
    this.#prompt.value = "";
    this.#edited();
    this.session.send(prompt);
  }

  #edited() {
    this.classifier.score(this.#prompt.value);
    this.#drawHint();
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => {
      this.history.draft = { covenant: this.covenant.text, prompt: this.#prompt.value };
    }, DRAFT_MS);
  }

  /** Limits in the message count for nothing; where there is no covenant, one click makes one of them. */
  #drawHint() {
    const found = this.covenant.text.trim() ? null : limitsIn(this.#prompt.value);
    const hint = byId("limits-hint");
    if (found && hint.hidden) announce("Limits in a message don't bind. The button before the message makes them the covenant.");
    hint.hidden = !found;
    fill(hint, found ? [el("span", {}, "Limits in a message don't bind. "), el("strong", {}, "Make them the covenant: "), el("span", {}, found.limits)] : []);
    hint.onclick = () => this.load({ covenant: found.limits, prompt: found.rest, model: byId("model").value });
  }

  #changed() {
    const isFocused = document.activeElement === byId("stop");
    byId("send").hidden = this.session.isRunning;
    byId("stop").hidden = !this.session.isRunning;
    if (isFocused) this.#prompt.focus();
    this.#drawHistory();
  }

  #drawExamples() {
    fill(
      byId("covenant-examples"),
      EXAMPLES.map((one) => el("button", { type: "button", class: `chip ${one.fails ? "bad" : "info"}`, data: { example: one.id }, on: { click: () => this.load(one) } }, one.title)),
    );
  }

  #drawHistory() {
    const records = this.history.all();
    fill(
      byId("history-list"),
      records.map((one) =>
        el(
          "li",
          {},
          el(
            "button",
            { type: "button", class: "history-item", on: { click: () => this.load(one) } },
            el("span", { class: "history-prompt", dir: "auto" }, one.prompt || "(no message)"),
            el("span", { class: "small muted" }, [stateWord(one), one.covenant || "no covenant", one.cost_usd ? `$${one.cost_usd}` : ""].filter(Boolean).join(" · ")),
          ),
        ),
      ),
      records.length ? null : el("li", { class: "small muted" }, "Nothing yet."),
    );
  }
}

new Page();
