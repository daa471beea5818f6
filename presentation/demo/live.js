/** GET /api/live of one request, until it has ended: comes back after a lost connection and misses nothing. */

import { ApiError, ConnectionLost } from "./api.js";
import { EventParser, readEvents } from "./sse.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

/**
 * @param {string | null} id a request's or a decision's; null = all requests from now on, until called off.
 * @param {{onEvent: (name: string, data: object) => void, onState: (state: "open" | "lost" | "over") => void,
 *   signal: AbortSignal}} given
 */
export async function follow(api, id, { onEvent, onState, signal }) {
  const parser = new EventParser();
  let waitMs = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      const headers = parser.lastId ? { "last-event-id": parser.lastId } : {};
      const path = id === null ? "api/live" : `api/live?request_id=${encodeURIComponent(id)}`;
      const answer = await api.send(path, { headers, signal });
      if (answer.status === 204) break;
      onState("open");
      let isOver = false;
      for await (const event of readEvents(answer.body, parser)) {
        if (event.comment !== undefined) continue;
        waitMs = FIRST_WAIT_MS;
        isOver = id !== null && (event.event === "settled" || event.event === "denied");
        onEvent(event.event, JSON.parse(event.data));
      }
      // The gateway closes a feed when the request has ended, or after some minutes; in doubt it is asked again.
      if (isOver) break;
    } catch (problem) {
      if (signal.aborted) return;
      if (problem instanceof ApiError && problem.status < 500 && problem.status !== 429) throw problem;
      if (!(problem instanceof ApiError)) onState("lost");
      if (problem instanceof ApiError && problem.retryAfterS) waitMs = problem.retryAfterS * 1_000;
      else if (!(problem instanceof ConnectionLost || problem instanceof ApiError || problem instanceof TypeError)) throw problem;
    }
    await rest(waitMs, signal);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  }
  if (!signal.aborted) onState("over");
}

/** Wait, unless called off before. */
export function rest(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
  });
}
