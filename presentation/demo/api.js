/** The gateway's HTTP API from this page's own origin: the token, errors as values, the covenant's header. */

import { asciiJson } from "./format.js";

const TOKEN = "harpoon.token";

/** The gateway answered with an error. `reasons`: all of them, for a refusal. */
export class ApiError extends Error {
  constructor(status, error, headers) {
    super(error.message ?? `the gateway answered ${status}`);
    this.status = status;
    this.code = error.code ?? "unknown";
    this.type = error.type ?? "";
    this.reasons = error.reasons ?? [];
    this.requestId = headers?.get("x-request-id") ?? null;
    this.decisionId = headers?.get("x-harpoon-decision-id") ?? null;
    this.retryAfterS = Number(headers?.get("retry-after") ?? 0);
  }
}

/** Nobody answered: the network, or the gateway, is gone. */
export class ConnectionLost extends Error {
  code = "connection_lost";
  status = 0;
  reasons = [];
}

export class Api {
  #askForToken;
  #told;
  /** The token where a browser refuses to keep it: as long as the page. */
  #token = "";

  /**
   * @param {(reason: string) => Promise<boolean>} askForToken resolves once there is another token, or to false.
   * @param {(isReachable: boolean) => void} told hears after each call whether the gateway was reached.
   */
  constructor(askForToken, told = () => {}) {
    this.#askForToken = askForToken;
    this.#told = told;
  }

  /** The token, of this tab alone; a browser may refuse to keep it. */
  get token() {
    try {
      return sessionStorage.getItem(TOKEN) ?? this.#token;
    } catch {
      return this.#token;
    }
  }

  set token(value) {
    this.#token = value;
    try {
      sessionStorage.removeItem(TOKEN);
      if (value) sessionStorage.setItem(TOKEN, value);
    } catch {
      // Full or forbidden: this page alone knows it.
    }
  }

  /**
   * One call; its answer as it came. A 401 asks for a token and tries again.
   *
   * @throws {ApiError | ConnectionLost | DOMException} the last when the signal called it off.
   */
  async send(path, { body, headers = {}, signal, quiet = false } = {}) {
    for (;;) {
      const { token } = this;
      const given = { ...headers, ...(token && { authorization: `Bearer ${token}` }) };
      if (body !== undefined) given["content-type"] = "application/json";
      let answer;
      try {
        answer = await fetch(path, { method: body === undefined ? "GET" : "POST", body, headers: given, signal, cache: "no-store" });
      } catch (problem) {
        if (signal?.aborted) throw problem;
        this.#told(false);
        throw new ConnectionLost("the gateway can't be reached");
      }
      this.#told(true);
      if (answer.ok) return answer;
      const error = await errorOf(answer);
      if (answer.status !== 401 || quiet || !(await this.#askForToken(error.message))) throw error;
    }
  }

  async json(path, options) {
    const answer = await this.send(path, options);
    try {
      return await answer.json();
    } catch (problem) {
      if (options?.signal?.aborted) throw problem;
      throw new ConnectionLost("the answer broke off");
    }
  }

  /** How a covenant's words are read. */
  parse(text, lenient, signal) {
    return this.json("v2/covenant/parse", { body: JSON.stringify({ text, ...(lenient && { mode: "lenient" }) }), signal });
  }

  /** What would be decided for exactly these bytes, with nothing sent. */
  explain(body, covenant, lenient, signal) {
    return this.json("v2/route", { body, headers: covenantHeaders(covenant, lenient), signal });
  }
}

/** The covenant travels in a header, so the body, and what is worked out from its length, is the same with any. */
export function covenantHeaders(covenant, lenient) {
  if (!covenant || (typeof covenant === "string" && !covenant.trim())) return {};
  const headers = { "x-harpoon-covenant": typeof covenant === "string" ? asciiJson(covenant) : covenant.json };
  if (lenient) headers["x-harpoon-covenant-mode"] = "lenient";
  return headers;
}

async function errorOf(answer) {
  let error = {};
  try {
    error = (await answer.json()).error ?? {};
  } catch {
    error = {};
  }
  return new ApiError(answer.status, error, answer.headers);
}
