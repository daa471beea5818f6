/** Whether the gateway can be reached, and with which token: told at the top, and asked for when it is needed. */

import { byId, toast } from "./dom.js";
import { rest } from "./live.js";

const PATIENCE_MS = 1_500;
/** How often an idle page asks whether the gateway is still there, and how long it waits for an answer. */
const BEAT_MS = 10_000;
const BEAT_PATIENCE_MS = 8_000;

export class Connection {
  #state = "waiting";
  #feed = "open";
  #label = "";
  #waiters = [];
  #isPolling = false;
  /** Called when the gateway is back after it was gone. */
  regained = () => {};

  constructor() {
    setInterval(() => this.#beat(), BEAT_MS);
    addEventListener("offline", () => this.reached(false));
    addEventListener("online", () => this.#poll());
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#given(byId("token-input").value.trim());
    });
    byId("token-forget").addEventListener("click", () => this.#given(""));
    byId("token-dialog").addEventListener("close", () => this.#answer(false));
    byId("token-open").addEventListener("click", () => this.askForToken(""));
    for (const button of document.querySelectorAll("dialog [data-close]")) {
      button.addEventListener("click", () => button.closest("dialog").close());
    }
  }

  /** Must be set before a token can be kept. */
  api = null;

  /** What the gateway said of itself: its providers by name and state. */
  describe(health) {
    const set = Object.entries(health.providers ?? {}).filter(([, state]) => state !== "not configured");
    const names = set.map(([name]) => name);
    this.#label = names.length === 1 && names[0] === "simulator" ? "Connected, simulated pools" : `Connected, ${names.length} provider${names.length === 1 ? "" : "s"} set up`;
    byId("connection").title = set.map(([name, state]) => `${name}: ${state}`).join("\n");
    this.#draw();
  }

  reached(isReachable) {
    if (isReachable && this.#state === "lost") {
      toast("Connection regained.", "good");
      this.#state = "open";
      this.regained();
    } else if (!isReachable && this.#state !== "lost") {
      toast("Connection lost. Trying again.", "bad");
      this.#state = "lost";
      this.#poll();
    } else if (isReachable) {
      this.#state = "open";
    }
    this.#draw();
  }

  /** The state of a live feed: "open", "lost" or "over". */
  feed(state) {
    if (state === "lost") this.reached(false);
    this.#feed = state;
    this.#draw();
  }

  /** Ask for a token; resolves to whether another one was given. */
  askForToken(reason) {
    byId("token-open").hidden = false;
    byId("token-reason").textContent = reason || "Sent as a bearer token with every call of this page.";
    // Several calls may ask at once: the dialog that is open is not touched while somebody types.
    if (!byId("token-dialog").open) {
      byId("token-input").value = "";
      byId("token-dialog").showModal();
      byId("token-input").focus();
    }
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #given(token) {
    this.api.token = token;
    this.#answer(token !== "");
    byId("token-dialog").close();
    toast(token ? "Token kept for this tab." : "Token forgotten.");
  }

  #answer(isGiven) {
    for (const resolve of this.#waiters.splice(0)) resolve(isGiven);
  }

  /** A page that asks for nothing would go on saying that it is connected. */
  async #beat() {
    if (document.hidden || this.#state !== "open") return;
    try {
      await fetch("health", { cache: "no-store", signal: AbortSignal.timeout(BEAT_PATIENCE_MS) });
    } catch {
      this.reached(false);
    }
  }

  async #poll() {
    if (this.#isPolling) return;
    this.#isPolling = true;
    while (this.#state === "lost") {
      await rest(PATIENCE_MS);
      try {
        const answer = await fetch("health", { cache: "no-store" });
        if (answer.ok) this.reached(true);
      } catch {
        // Still gone; asked again.
      }
    }
    this.#isPolling = false;
  }

  #draw() {
    const state = this.#state === "open" && this.#feed === "lost" ? "lost" : this.#state;
    const text = { waiting: "Connecting", open: this.#label || "Connected", lost: "Connection lost" }[state];
    const box = byId("connection");
    box.dataset.state = state;
    if (box.lastElementChild.textContent !== text) box.lastElementChild.textContent = text;
  }
}
