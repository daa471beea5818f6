/** One request: explained, sent, streamed. What happens is told through `on`; how it ends is what it returns. */

import { ApiError, ConnectionLost, covenantHeaders } from "./api.js";
import { rest } from "./live.js";
import { readEvents } from "./sse.js";

const EXPLAIN_PATIENCE_MS = 1_000;

/** The stream said itself that it failed, or ended too early. */
export class StreamFault extends Error {
  status = 200;
  reasons = [];

  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** The body of a chat request: the same bytes are explained, sent, and asked about again by "what if". */
export function chatBody(model, messages) {
  return JSON.stringify({ model, messages, stream: true });
}

/**
 * @param {{api: object, body: string, covenant: string, lenient: boolean, signal: AbortSignal}} given
 * @param {{planned: Function, sent: Function, accepted: Function, text: Function}} on
 * @returns {Promise<{costUsd: string | null, finish: string | null, firstMs: number, totalMs: number}>}
 * @throws {ApiError | ConnectionLost | StreamFault}
 */
export async function runRequest({ api, body, covenant, lenient, signal }, on) {
  await explained(api, { body, covenant, lenient, signal }, on.planned);
  const began = performance.now();
  on.sent();
  const answer = await api.send("v1/chat/completions", { body, headers: covenantHeaders(covenant, lenient), signal });
  on.accepted(headersOf(answer.headers));
  const ending = { costUsd: null, finish: null, firstMs: 0, isDone: false };
  try {
    for await (const event of readEvents(answer.body)) {
      take(event, ending, (text) => {
        ending.firstMs ||= performance.now() - began;
        on.text(text);
      });
      if (ending.isDone) break;
    }
  } catch (problem) {
    if (signal.aborted || problem instanceof StreamFault) throw problem;
    throw new ConnectionLost("the connection was lost while the answer was streaming");
  }
  if (!ending.isDone) throw new StreamFault("cut_off", "the stream ended before the answer did");
  return { ...ending, totalMs: performance.now() - began };
}

/** What would be decided is asked first, so that the page has the terms of the very decision; it never holds one up. */
async function explained(api, { body, covenant, lenient, signal }, planned) {
  const patience = new AbortController();
  const stop = () => patience.abort();
  signal.addEventListener("abort", stop);
  try {
    const explanation = await Promise.race([
      api.explain(body, covenant, lenient, patience.signal),
      rest(EXPLAIN_PATIENCE_MS, signal).then(() => null),
    ]);
    if (explanation) await planned(explanation);
    else stop();
  } catch (problem) {
    // Whatever is wrong with the request, sending it will say so.
    if (!(problem instanceof ApiError || problem instanceof ConnectionLost || patience.signal.aborted)) throw problem;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  signal.throwIfAborted();
}

/** The headers of an answer that the page shows. */
export function headersOf(headers) {
  return {
    requestId: headers.get("x-request-id"),
    decisionId: headers.get("x-harpoon-decision-id"),
    route: headers.get("x-harpoon-route"),
    isSimulated: headers.get("x-harpoon-simulated") === "1",
    isCached: headers.get("cf-aig-cache-status") === "HIT",
    redacted: headers.get("x-harpoon-redacted"),
  };
}

function take(event, ending, told) {
  if (event.comment !== undefined) {
    const cost = /^harpoon-cost-usd ([0-9.]{1,20})$/.exec(event.comment);
    if (cost) ending.costUsd = cost[1];
    return;
  }
  if (event.data === "[DONE]") {
    ending.isDone = true;
    return;
  }
  let chunk;
  try {
    chunk = JSON.parse(event.data);
  } catch {
    throw new StreamFault("stream_broken", "the gateway sent something that is no chunk");
  }
  if (typeof chunk !== "object" || chunk === null) throw new StreamFault("stream_broken", "the gateway sent something that is no chunk");
  if (chunk.error) throw new StreamFault(chunk.error.code ?? "stream_broken", chunk.error.message ?? "the stream failed");
  const choice = chunk.choices?.[0];
  if (choice?.finish_reason) ending.finish = choice.finish_reason;
  if (typeof choice?.delta?.content === "string" && choice.delta.content) told(choice.delta.content);
}
