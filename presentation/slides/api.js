/** Calls to the gateway that serves this page. A token is kept for this tab only, and sent to this host only. */

const TOKEN = "harpoon.token";

export class GatewayError extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.body = body;
  }
}

export function token() {
  try {
    return sessionStorage.getItem(TOKEN) ?? "";
  } catch {
    return "";
  }
}

export function keepToken(value) {
  try {
    if (value) sessionStorage.setItem(TOKEN, value);
    else sessionStorage.removeItem(TOKEN);
  } catch {
    return;
  }
}

function headersOf(extra) {
  const held = token();
  return { ...(held ? { authorization: `Bearer ${held}` } : {}), ...extra };
}

/** The answer's status, headers and JSON, whatever the status. Throws only if no answer came. */
export async function ask(method, path, { body, headers = {}, signal } = {}) {
  const begun = performance.now();
  const sent = body === undefined ? {} : { "content-type": "application/json" };
  const response = await fetch(path, {
    method,
    headers: headersOf({ ...sent, ...headers }),
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    signal,
  });
  const text = await response.text();
  let json = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Plain text, such as /metrics.
  }
  return { status: response.status, headers: response.headers, json, text, ms: performance.now() - begun };
}

/** The JSON of a good answer. Throws GatewayError for any other. */
export async function json(method, path, options) {
  const answer = await ask(method, path, options);
  if (answer.status >= 400) throw new GatewayError(answer.status, answer.json);
  return answer;
}

/** Stream a chat: `onDelta` hears each piece of text. Returns the headers, times in ms, and how many pieces came. */
export async function stream(body, { headers = {}, signal, onDelta }) {
  const begun = performance.now();
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: headersOf({ "content-type": "application/json", ...headers }),
    body: JSON.stringify({ ...body, stream: true }),
    signal,
  });
  if (!response.ok) throw new GatewayError(response.status, await response.json().catch(() => null));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let pieces = 0;
  let firstMs = null;
  let isWhole = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const events = splitEvents(rest + value);
    rest = events.rest;
    for (const data of events.data) {
      if (data === "[DONE]") isWhole = true;
      else {
        const chunk = JSON.parse(data);
        if (chunk.error) throw new GatewayError(response.status, chunk);
        const text = chunk.choices?.[0]?.delta?.content;
        if (text) {
          firstMs ??= performance.now() - begun;
          pieces += 1;
          onDelta(text);
        }
      }
    }
  }
  return { headers: response.headers, firstMs, ms: performance.now() - begun, pieces, isWhole };
}

/** The data of every whole server-sent event in `text`, and what is left of the one that is not whole yet. */
export function splitEvents(text) {
  const blocks = text.split(/\r?\n\r?\n/);
  const rest = blocks.pop();
  const data = blocks
    .map((block) =>
      block
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trim())
        .join("\n"),
    )
    .filter(Boolean);
  return { data, rest };
}
