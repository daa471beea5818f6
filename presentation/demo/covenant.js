/** The covenant column: words that are read as they are typed, with chips that show which words they came from. */

import { ApiError } from "./api.js";
import { byId, el, fill, setChip } from "./dom.js";
import { whole, words } from "./format.js";
import { chipsOf, piecesOf, problemsOf, rangeOf } from "./reading.js";

const WAIT_MS = 160;
const KINDS = { read: "info", warn: "warn", bad: "bad", aside: "aside", plain: "" };

export class CovenantColumn {
  #api;
  #changed;
  #timer = 0;
  #asked = null;
  #text = byId("covenant-text");
  /** The last answer of the parser, for exactly the present text; null while there is none. */
  reading = null;
  lenient = false;

  /** @param {() => void} changed hears of every edit. */
  constructor(api, changed) {
    this.#api = api;
    this.#changed = changed;
    this.#text.addEventListener("input", () => this.#edited());
    this.#text.addEventListener("scroll", () => {
      byId("covenant-marks").scrollTop = this.#text.scrollTop;
    });
    this.#show();
  }

  get text() {
    return this.#text.value;
  }

  set text(value) {
    this.#text.value = value;
    this.#edited();
  }

  focus() {
    this.#text.focus();
  }

  /** Read the present words now, not when typing pauses. */
  async refresh() {
    clearTimeout(this.#timer);
    this.#asked?.abort();
    const text = this.#text.value;
    if (!text.trim()) {
      this.reading = null;
      this.#show();
      return;
    }
    const asked = new AbortController();
    this.#asked = asked;
    const began = performance.now();
    try {
      const reading = await this.#api.parse(text, this.lenient, asked.signal);
      if (asked.signal.aborted) return;
      this.reading = { ...reading, tookMs: performance.now() - began };
      this.#show();
    } catch (problem) {
      if (asked.signal.aborted) return;
      this.reading = null;
      this.#showFailure(problem);
    }
  }

  #edited() {
    this.reading = null;
    this.#paint();
    clearTimeout(this.#timer);
    this.#asked?.abort();
    if (this.#text.value.trim()) {
      setChip(byId("covenant-state"), "reading", "Reading…");
      this.#timer = setTimeout(() => this.refresh(), WAIT_MS);
    } else {
      this.#show();
    }
    this.#changed();
  }

  #show() {
    const { reading } = this;
    this.#paint();
    if (!reading) {
      setChip(byId("covenant-state"), "empty", "No limits");
      byId("covenant-summary").textContent = "No covenant: nothing is limited.";
      fill(byId("covenant-chips"));
      fill(byId("covenant-problems"));
      this.#showPool(null);
      this.#text.removeAttribute("aria-invalid");
      return;
    }
    const problems = problemsOf(reading);
    const isOdd = problems.length > 0;
    setChip(
      byId("covenant-state"),
      reading.served ? "served" : "refused",
      reading.served ? (isOdd ? "Served, with warnings" : `Read in ${Math.max(1, Math.round(reading.tookMs))} ms`) : "Not served",
      reading.served ? (isOdd ? "warn" : "good") : "bad",
    );
    if (reading.served) this.#text.removeAttribute("aria-invalid");
    else this.#text.setAttribute("aria-invalid", "true");
    const chips = chipsOf(reading);
    const said = chips.map((chip) => [chip.label, chip.note].filter(Boolean).join(", ")).join("; ");
    byId("covenant-summary").textContent = `${reading.served ? "" : "Not served. "}${said}`;
    fill(byId("covenant-chips"), chips.map((chip) => el("li", {}, this.#chip(chip))));
    fill(
      byId("covenant-problems"),
      problems.map(({ kind, text }) => el("p", { class: `notice ${kind} small` }, text)),
    );
    this.#showPool(reading.pool);
  }

  #showFailure(problem) {
    this.#paint();
    const isRefused = problem instanceof ApiError;
    setChip(byId("covenant-state"), isRefused ? "refused" : "lost", isRefused ? "Not read" : "No connection", "bad");
    fill(byId("covenant-chips"));
    fill(byId("covenant-problems"), el("p", { class: "notice bad small" }, problem.message));
    this.#showPool(null);
  }

  #chip(chip) {
    const text = [el("span", {}, chip.label), chip.note && el("span", { class: "chip-note" }, ` ${chip.note}`)];
    const data = { field: chip.field, kind: chip.kind };
    if (chip.clause === null) return el("span", { class: "chip", data }, text);
    const clause = this.reading.clauses[chip.clause];
    const light = (isOn) => () => this.#light(chip.clause, isOn);
    return el(
      "button",
      {
        type: "button",
        class: `chip ${KINDS[chip.kind]}`,
        data,
        title: chip.note === "set aside" ? "Another limit of its kind stands." : null,
        on: {
          mouseenter: light(true),
          mouseleave: light(false),
          focus: light(true),
          blur: light(false),
          click: () => {
            const [start, end] = rangeOf(this.#text.value, clause);
            this.#text.focus();
            this.#text.setSelectionRange(start, end);
          },
        },
      },
      text,
      el("span", { class: "visually-hidden" }, `, from “${clause.words}”. Show the words`),
    );
  }

  #light(clause, isOn) {
    for (const piece of byId("covenant-marks").children) {
      const own = piece.dataset.clauses?.split(" ") ?? [];
      piece.classList.toggle("lit", isOn && own.includes(String(clause)));
    }
  }

  #paint() {
    const text = this.#text.value;
    const pieces = this.reading ? piecesOf(text, this.reading) : [{ text, kind: "", clauses: [] }];
    fill(
      byId("covenant-marks"),
      pieces.map(({ text: part, kind, clauses }) =>
        kind ? el("mark", { class: kind, data: { clauses: clauses.join(" ") } }, part) : el("span", {}, part),
      ),
      // A last line feed makes a line in a text field, and none elsewhere.
      "\u200b",
    );
  }

  #showPool(pool) {
    const box = byId("covenant-pool");
    if (!pool) {
      const none = this.reading ? "The catalogue has no pool for this." : "Say something about cost, speed or security, and the pool it means stands here.";
      fill(box, el("p", { class: "small muted" }, none));
      return;
    }
    const slots = Array.from({ length: Math.min(pool.sharing_ratio, 16) }, (_, at) => el("span", { class: at ? "slot" : "slot own" }));
    const rows = [
      ["Sharing", pool.sharing_ratio === 1 ? "alone on the GPU" : `${whole(pool.sharing_ratio)} workloads to a GPU`],
      ["Scheduling", words(pool.scheduling)],
      ["Optimised for", words(pool.optimisation)],
      ["Guaranteed share", `${pool.guaranteed_share_percent} %`],
    ];
    const others = pool.alternatives.map((one) => one.pool);
    fill(
      box,
      el("div", { class: "pool-name" }, el("code", {}, pool.pool), el("span", { class: "slots", "aria-hidden": "true" }, slots)),
      el("dl", { class: "facts" }, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      el("p", { class: "small muted" }, others.length ? `Else: ${others.join(", ")}.` : "No other pool will do: it fails closed."),
    );
  }
}
