/** The first screen's decision: one prompt under four covenants, explained by the gateway; nothing is sent to a model. */

import { json } from "./api.js";
import { byId, el } from "./dom.js";

const SHOWN = 5;

/** A total as the picture shows it: it is priced in time, yet no time that anybody waits, so it goes without a unit. */
const points = (totalUs) => Math.round(totalUs / 1000).toLocaleString("en-US");

/** The candidates to show, best first and the denied after them; those of providers that aren't there are left out. */
export function linesOf(explanation) {
  const present = explanation.candidates.filter(
    (one) => !one.denials.some((why) => why.subject === "PROVIDER_CONFIGURED"),
  );
  const order = new Map(explanation.ranking.map((route, at) => [route, at]));
  present.sort((one, other) => (order.get(one.route) ?? 99) - (order.get(other.route) ?? 99));
  const most = Math.max(1, ...present.map((one) => one.total_us ?? 0));
  return present.slice(0, SHOWN).map((one) => ({
    name: one.route.slice(one.route.indexOf("/") + 1),
    isSelected: one.route === explanation.selected,
    share: one.denials.length ? 0 : one.total_us / most,
    text: one.denials.length ? one.denials[0].reason_code : points(one.total_us),
    isDenied: one.denials.length > 0,
  }));
}

async function decide(words) {
  const out = byId("hero-lines");
  const body = { text: byId("hero-prompt").textContent };
  if (words) body.covenant = words;
  try {
    const explanation = (await json("POST", "/v2/route", { body })).json;
    const lines = linesOf(explanation).map((line) => {
      const bar = el("span");
      bar.style.width = `${(100 * line.share).toFixed(1)}%`;
      return el(
        "li",
        { class: line.isSelected ? "selected" : line.isDenied ? "denied" : null },
        el("span", { class: "route mono", text: line.name }),
        el("span", { class: "num", text: line.text }),
        el("div", { class: "bar", "aria-hidden": "true" }, bar),
      );
    });
    out.replaceChildren(...lines);
    byId("hero-said").textContent = explanation.selected
      ? `Classified ${explanation.classification.complexity}. Chosen: ${explanation.selected}.`
      : `Nothing is admissible: ${explanation.refusal?.message ?? ""}`;
  } catch (problem) {
    byId("hero-said").textContent = `The gateway was not heard: ${problem.message}`;
    if (problem.status === 401) document.dispatchEvent(new CustomEvent("token-wanted"));
  }
}

/** Decide at once, and again for each covenant that is pressed. Returns what asks once more. */
export function startHero() {
  const buttons = [...document.querySelectorAll("[data-hero]")];
  const again = () => decide(buttons.find((one) => one.getAttribute("aria-pressed") === "true").dataset.hero);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      again();
    });
  }
  again();
  return again;
}
