/** What this browser remembers: a bounded history of requests, the draft, and covenants shared by link. */

const KEY = "harpoon.history";
const DRAFT = "harpoon.draft";
export const MOST = 30;
const LONGEST_TEXT = 4_000;
const MARK = "covenant=";

const STATES = { done: "answered", cancelled: "stopped" };

/** How a request of the history ended, in a word. */
export function stateWord({ state }) {
  return STATES[state] ?? String(state ?? "");
}

/** The history over a storage with `getItem` and `setItem`, which may refuse. */
export class History {
  #storage;

  constructor(storage) {
    this.#storage = storage;
  }

  /** Newest first. */
  all() {
    const found = this.#read(KEY, []);
    return Array.isArray(found) ? found.filter(isRecord).slice(0, MOST) : [];
  }

  /** Put one in front; the oldest goes when there are too many. */
  add(record) {
    const { covenant, prompt, model, state, route, cost_usd, decision_id, at } = record;
    const kept = { covenant: clip(covenant), prompt: clip(prompt), model, state, route, cost_usd, decision_id, at };
    this.#write(KEY, [kept, ...this.all()].slice(0, MOST));
  }

  clear() {
    this.#write(KEY, []);
  }

  get draft() {
    const found = this.#read(DRAFT, {});
    return { covenant: textOf(found?.covenant), prompt: textOf(found?.prompt) };
  }

  set draft({ covenant, prompt }) {
    this.#write(DRAFT, { covenant: clip(covenant), prompt: clip(prompt) });
  }

  #read(key, otherwise) {
    try {
      return JSON.parse(this.#storage.getItem(key)) ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  #write(key, value) {
    try {
      this.#storage.setItem(key, JSON.stringify(value));
    } catch {
      // Full or forbidden: nothing is remembered, and nothing else is lost.
    }
  }
}

function isRecord(one) {
  return typeof one === "object" && one !== null && typeof one.covenant === "string" && typeof one.prompt === "string";
}

function textOf(value) {
  return typeof value === "string" ? clip(value) : "";
}

function clip(text) {
  return text.slice(0, LONGEST_TEXT);
}

/** The fragment that carries a covenant: a browser sends no fragment to any server. */
export function toFragment({ covenant, prompt = "", model = "auto" }) {
  const bytes = new TextEncoder().encode(JSON.stringify({ v: 1, covenant, prompt, model }));
  const base64 = btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join(""));
  return `#${MARK}${base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}

/** The inverse of `toFragment`; null for any other fragment. */
export function fromFragment(fragment) {
  if (!fragment.startsWith(`#${MARK}`)) return null;
  try {
    const base64 = fragment.slice(MARK.length + 1).replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    const found = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (found.v !== 1 || typeof found.covenant !== "string") return null;
    return {
      covenant: found.covenant.slice(0, 2_000),
      prompt: textOf(found.prompt),
      model: typeof found.model === "string" && found.model ? found.model.slice(0, 256) : "auto",
    };
  } catch {
    return null;
  }
}
