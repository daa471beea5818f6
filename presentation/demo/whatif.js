/**
 * What if: the same request decided again under another budget, deadline, priority, quality or weights.
 *
 * Budget, deadline, priority and quality are decided by the gateway (POST /v2/route, nothing is sent). Weights are no part of a
 * covenant, so for them the gateway's candidates are ranked in the page; the page first shows that it finds the
 * gateway's own totals and order for the weights in force, and offers no other weights where it does not.
 */

import { byId, el, fill } from "./dom.js";
import { agrees, flipsOf, rank, rowsOf, weightsOf } from "./decide.js";
import { duration, usd, whole, words } from "./format.js";
import { NONE, placeOf, SCALES, STEPS_OF_SCALE, valueAt } from "./scale.js";
import { covenantOf, nearest } from "./whatif_covenant.js";

const WAIT_MS = 140;
const PRIORITIES = ["balanced", "cost_optimized", "max_performance", "max_security"];
const QUALITIES = { "": "no floor", low: "low", medium: "medium", high: "high" };
const WEIGHTS = {
  cost: ["Cost weight", (value) => `${whole(value)} µs per µ$`],
  risk: ["Risk weight", (value) => `${whole(value)} µs per ppm`],
  improbability: ["Failure weight", (value) => `${whole(value)} µs per µnat`],
};

export class WhatIf {
  #api;
  #base = null;
  #now = null;
  #weights = null;
  #timer = 0;
  #asked = null;

  constructor(api) {
    this.#api = api;
  }

  /** Begin from an explanation. Args: body: the bytes it explains; catalogue: the one in force. */
  load(explanation, body, catalogue) {
    if (!catalogue) return;
    const { policy } = explanation;
    this.#base = { explanation, body, catalogue, policy };
    this.#now = { explanation, budget: policy.budget_usd_micros, deadline: policy.deadline_us, priority: policy.priority ?? "balanced", quality: policy.quality ?? "" };
    this.#weights = weightsOf(catalogue, this.#now.priority);
    byId("whatif").hidden = false;
    this.#build();
    this.#draw();
  }

  hide() {
    this.#asked?.abort();
    byId("whatif").hidden = true;
  }

  #build() {
    const reset = el("button", { id: "whatif-reset", type: "button", class: "btn small", on: { click: () => this.load(this.#base.explanation, this.#base.body, this.#base.catalogue) } }, "As it was");
    fill(
      byId("whatif-body"),
      el("div", { id: "whatif-result", class: "whatif-result" }),
      el("div", { class: "sliders" }, this.#slider("budget", "Budget", usd), this.#slider("deadline", "Deadline", duration)),
      el(
        "div",
        { class: "whatif-row" },
        this.#choice("priority", "Priority", PRIORITIES.map((name) => [name, words(name)])),
        this.#choice("quality", "Quality", Object.entries(QUALITIES)),
        reset,
      ),
      el("div", { class: "sliders" }, Object.keys(WEIGHTS).map((name) => this.#slider(name, ...WEIGHTS[name]))),
      el("ul", { id: "whatif-flips", class: "flips small" }),
      el("p", { id: "whatif-source", class: "small muted" }),
    );
  }

  #choice(name, title, options) {
    const listeners = { change: (event) => this.#set(name, event.target.value) };
    const select = el("select", { id: `whatif-${name}`, class: "select", on: listeners }, options.map(([value, text]) => el("option", { value }, text)));
    return el("span", { class: "choice" }, el("label", { class: "label", for: `whatif-${name}` }, title), select);
  }

  #slider(name, title, text) {
    const value = this.#valueOf(name);
    const shown = el("output", { class: "num", for: `whatif-${name}`, id: `whatif-${name}-value` });
    const range = el("input", {
      id: `whatif-${name}`,
      class: "range",
      type: "range",
      min: 0,
      max: STEPS_OF_SCALE,
      value: placeOf(name, value),
      on: { input: (event) => this.#set(name, valueAt(name, Number(event.target.value))) },
    });
    range.dataset.text = name;
    this.texts = { ...this.texts, [name]: (given) => (given === NONE ? "no limit" : text(given)) };
    return el(
      "div",
      { class: "slider" },
      el("label", { class: "label", for: `whatif-${name}` }, title, " ", shown),
      el("div", { class: "slider-track" }, range, el("span", { class: "ticks", id: `whatif-${name}-ticks`, "aria-hidden": "true" })),
    );
  }

  #valueOf(name) {
    return name in WEIGHTS ? this.#weights[name] : this.#now[name];
  }

  #set(name, value) {
    if (name in WEIGHTS) {
      this.#weights = { ...this.#weights, [name]: value };
      this.#draw();
      return;
    }
    this.#now = { ...this.#now, [name]: value };
    if (name === "priority") this.#weights = weightsOf(this.#base.catalogue, value);
    this.#drawValues();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), WAIT_MS);
  }

  async #ask() {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    const { policy, body } = this.#base;
    const given = covenantOf({ ...policy, budget_usd_micros: this.#now.budget, deadline_us: this.#now.deadline, priority: this.#now.priority, quality: this.#now.quality });
    try {
      const explanation = await this.#api.explain(body, { json: given }, false, asked.signal);
      if (asked.signal.aborted) return;
      this.#now = { ...this.#now, explanation };
      this.#draw();
    } catch (problem) {
      if (!asked.signal.aborted) fill(byId("whatif-result"), el("p", { class: "bad" }, problem.message));
    }
  }

  #draw() {
    this.#drawValues();
    const { catalogue, explanation: base } = this.#base;
    const { explanation, priority } = this.#now;
    const rows = rowsOf(explanation.candidates, explanation.policy, explanation.classification.complexity, catalogue);
    const inForce = weightsOf(catalogue, priority);
    const isExact = agrees(rank(rows, inForce), explanation.candidates, explanation.ranking);
    for (const name of Object.keys(WEIGHTS)) byId(`whatif-${name}`).disabled = !isExact || !rows.length;
    const isOwn = Object.keys(inForce).some((name) => inForce[name] !== this.#weights[name]);
    const ranked = isExact ? rank(rows, this.#weights) : [];
    const selected = isExact && isOwn ? (ranked[0]?.route ?? null) : explanation.selected;
    this.#drawResult(selected, base.selected, ranked, explanation);
    this.#drawFlips(explanation, rows, isExact);
    byId("whatif-source").textContent = `Budget, deadline, priority and quality: decided by the gateway, nothing sent. ${aboutWeights(rows.length, isExact)}`;
  }

  #drawValues() {
    for (const name of Object.keys(SCALES)) {
      const value = this.#valueOf(name);
      const range = byId(`whatif-${name}`);
      const text = this.texts[name](value);
      byId(`whatif-${name}-value`).textContent = text;
      range.setAttribute("aria-valuetext", text);
      if (document.activeElement !== range) range.value = placeOf(name, value);
    }
    for (const name of ["priority", "quality"]) byId(`whatif-${name}`).value = this.#now[name];
  }

  #drawResult(selected, before, ranked, explanation) {
    const box = byId("whatif-result");
    box.dataset.route = selected ?? "";
    const turned = selected !== before;
    const next = ranked[1] && selected === ranked[0].route ? `next: ${ranked[1].route}` : "";
    fill(
      box,
      el("span", { class: `chip ${selected ? (turned ? "warn" : "good") : "bad"}` }, selected ? (turned ? "Turns" : "Stays") : "Refused"),
      selected ? el("code", {}, selected) : el("span", { class: "small" }, explanation.refusal?.message ?? "no route"),
      el("span", { class: "small muted" }, next || "\u00a0"),
    );
  }

  #drawFlips(explanation, rows, isExact) {
    const flips = explanation.flips.filter((one) => one.dimension === "budget" || one.dimension === "deadline");
    for (const name of isExact ? Object.keys(WEIGHTS) : []) {
      for (const flip of flipsOf(rows, this.#weights, name, SCALES[name].most)) {
        flips.push({ dimension: name, at: flip.at, selected: flip.selected, instead_of: flip.insteadOf });
      }
    }
    for (const name of Object.keys(SCALES)) {
      const own = flips.filter((one) => one.dimension === name && one.at !== null);
      fill(
        byId(`whatif-${name}-ticks`),
        own.map((one) => {
          const tick = el("span", { class: "tick" });
          tick.style.left = `${(100 * placeOf(name, one.at)) / STEPS_OF_SCALE}%`;
          return tick;
        }),
      );
    }
    const title = { budget: "budget", deadline: "deadline", cost: "cost weight", risk: "risk weight", improbability: "failure weight" };
    const from = ({ dimension, at }) => `From ${title[dimension]} ${at === null ? "without limit" : this.texts[dimension](at)} on: `;
    const shown = [
      ...nearest(flips, (name) => this.#valueOf(name)).map((one) => turn(from(one), one)),
      ...explanation.flips.filter((one) => one.dimension === "priority").map((one) => turn(`With priority ${words(one.at)}: `, one)),
      ...explanation.flips.filter((one) => one.dimension === "quality").map((one) => turn(one.at ? `With quality ${one.at}: ` : "With no quality floor: ", one)),
    ];
    fill(byId("whatif-flips"), shown, shown.length ? null : el("li", {}, "The choice turns nowhere on these scales."));
  }
}

function aboutWeights(count, isExact) {
  if (!isExact) return "Weights: not offered, because this page does not find the gateway's totals.";
  if (!count) return "Weights: not offered, because every candidate is denied.";
  return `Weights: ranked in this page, which finds the gateway's ${count === 1 ? "total" : `${count} totals`} exactly.`;
}

/** A place where the choice turns. Args: where: in words. */
function turn(where, { selected, instead_of }) {
  const route = (name, otherwise) => (name ? el("code", {}, name) : otherwise);
  return el("li", {}, where, route(selected, "refused"), " instead of ", route(instead_of, "a refusal"));
}
