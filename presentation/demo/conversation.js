/** The conversation column: messages as text, an answer that grows without moving anything, failures as failures. */

import { byId, el, fill, icon, setChip } from "./dom.js";
import { faultOf, isRefusal, limitOf } from "./faults.js";
import { duration, usd, whole } from "./format.js";

const NEAR_END_PX = 80;
/** A longer message is sent whole, and shown from its beginning. */
const LONGEST_SHOWN = 8_000;
const STATES = { running: ["Answering", "info"], done: ["Answered", "good"], failed: ["Failed", "bad"], cancelled: ["Stopped", "warn"], cut: ["Cut off", "bad"], refused: ["Refused", "bad"] };

export class Conversation {
  #box = byId("messages");
  #acts;
  /** Whether the reader is at the end, and so is to stay there while more comes. */
  #isAtEnd = true;

  /** @param {{copy: Function, retry: Function, show: Function}} acts take a turn. */
  constructor(acts) {
    this.#acts = acts;
    this.#box.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#box;
      this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    });
    this.clear();
  }

  clear() {
    fill(
      this.#box,
      el(
        "div",
        { class: "empty" },
        el("p", { class: "empty-title" }, "Say what it may cost. Ask. Watch it being decided."),
        el("p", { class: "muted" }, "The covenant stands on the left, what really happens on the right. Whatever is estimated, simulated or worked out in this page says so."),
      ),
    );
  }

  addUser(text, covenant) {
    this.#box.querySelector(".empty")?.remove();
    const note = covenant ? el("p", { class: "message-covenant small muted", dir: "auto" }, `under: ${covenant}`) : null;
    const more = text.length - LONGEST_SHOWN;
    const rest = more > 0 ? el("p", { class: "small muted" }, `… and ${whole(more)} characters more, not shown here.`) : null;
    this.#box.append(el("article", { class: "message", data: { role: "user" }, "aria-label": "You" }, el("p", { class: "message-text", dir: "auto" }, text.slice(0, LONGEST_SHOWN)), rest, note));
    this.#toEnd(true);
  }

  /** An answer to come. */
  addAnswer(turn) {
    const answer = new Answer(turn, this.#acts, () => this.#toEnd(false));
    this.#box.append(answer.node);
    this.#toEnd(true);
    return answer;
  }

  #toEnd(always) {
    this.#isAtEnd ||= always;
    if (this.#isAtEnd) this.#box.scrollTop = this.#box.scrollHeight;
  }
}

/** One answer. Everything but its text stands above the text, so nothing moves while it grows. */
class Answer {
  #state = el("span", { class: "chip info" });
  #meta = el("span", { class: "message-meta num small muted" }, "\u00a0");
  #text = document.createTextNode("");
  #body;
  #waiting = "";
  #kind = "";
  #about = [];
  #frame = 0;
  #grown;
  #actions;

  constructor(turn, acts, grown) {
    this.#grown = grown;
    const act = (name, title, symbol) => el("button", { type: "button", class: "btn small icon quiet", title, "aria-label": title, data: { action: name }, on: { click: () => acts[name](turn) } }, icon(symbol));
    this.#actions = el("span", { class: "message-actions" }, act("show", "Show its execution", "trail"), act("copy", "Copy the answer", "copy"), act("retry", "Ask again", "retry"));
    this.#body = el("div", { class: "message-text", dir: "auto", "aria-busy": "true" }, this.#text);
    this.node = el(
      "article",
      { class: "message", data: { role: "assistant" }, "aria-label": "Answer" },
      el("div", { class: "message-head" }, this.#state, this.#meta, this.#actions),
      this.#body,
    );
    this.#become("running");
  }

  get text() {
    return this.#text.data + this.#waiting;
  }

  /** Text that has come; put on the page at most once a frame. */
  append(text) {
    this.#waiting += text;
    this.#frame ||= requestAnimationFrame(() => this.#flush());
  }

  accepted({ route, isSimulated, isCached, redacted }) {
    this.#kind = isSimulated ? "simulated" : "";
    this.#about = [isCached ? "from the cache" : "", redacted ? `redacted: ${redacted}` : "", route];
    this.#tell([]);
  }

  done({ costUsd, firstMs, totalMs, finish }) {
    this.#end("done");
    const first = firstMs ? ` (first token ${duration(firstMs * 1_000)})` : "";
    this.#tell([costUsd === null ? "" : `$${costUsd}`, `${duration(totalMs * 1_000)} in this page${first}`, finish === "length" ? "cut at its limit" : ""]);
  }

  stopped() {
    this.#end("cancelled");
  }

  /** @param {{code: string, message: string, reasons: string[]}} problem */
  fail(problem) {
    const { title, advice } = faultOf(problem.code);
    const isCut = this.text !== "";
    this.#end(isCut ? "cut" : "failed");
    if (isRefusal(problem.status)) setChip(this.#state, "failed", ...STATES.refused);
    const limit = limitOf(problem.reasons);
    this.node.append(
      el(
        "div",
        { class: "problem notice bad", data: { code: problem.code } },
        el("p", { class: "problem-title" }, title, limit ? ` (${limit})` : "", " ", el("span", { class: "code-chip" }, problem.status ? `${problem.status} ${problem.code}` : problem.code)),
        el("p", {}, problem.message),
        problem.reasons?.length ? el("ul", { class: "reasons small" }, problem.reasons.map((one) => el("li", {}, one))) : null,
        el("p", { class: "small" }, advice),
      ),
    );
    this.#grown();
  }

  /** What the settlement says, once it is known: the charge of an answer that broke off, too. */
  settled({ cost_usd_micros }) {
    if (this.node.dataset.state !== "done") this.#tell([`charged ${usd(cost_usd_micros)}`]);
  }

  #tell(figures) {
    const text = [this.#kind, ...figures, ...this.#about].filter(Boolean).join(" · ");
    this.#meta.textContent = text || "\u00a0";
    this.#meta.title = text;
  }

  #end(state) {
    this.#flush();
    this.#body.setAttribute("aria-busy", "false");
    this.#become(state);
  }

  #become(state) {
    this.node.dataset.state = state;
    setChip(this.#state, state, ...STATES[state]);
    for (const button of this.#actions.children) button.disabled = state === "running" && button.dataset.action !== "show";
  }

  #flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (!this.#waiting) return;
    this.#text.appendData(this.#waiting);
    this.#waiting = "";
    this.#grown();
  }
}
