/**
 * A turn's trail, fed by /api/live.
 *
 * A request's id is known only with the headers of its answer, which a slow provider holds back. So the feed of all
 * requests is opened before one is sent, and the request is known in it by its decision: the digest is that of the
 * explanation made of the same bytes a moment ago. Where it isn't there, the feed of the request's id is opened later.
 */

import { follow, rest } from "./live.js";
import { emptyTrail, told } from "./trail.js";

const PATIENCE_MS = 400;

export class Feed {
  #api;
  #connection;
  #heard;
  #stop = new AbortController();
  /** The turn that is being told, or was told last. */
  #turn = null;

  /** @param {(turn: object, name: string, data: object) => void} heard is called after each event of a turn. */
  constructor(api, connection, heard) {
    this.#api = api;
    this.#connection = connection;
    this.#heard = heard;
  }

  stop() {
    this.#stop.abort();
  }

  /** Listen for the request whose decision has this digest; resolves once it would be heard, or patience is over. */
  async watch(turn, digest) {
    const stop = this.#anew(turn);
    const waiting = new Map();
    const isOpen = new Promise((resolve) => {
      const onState = (state) => {
        this.#connection.feed(state);
        if (state === "open") resolve();
      };
      const onEvent = (name, data) => {
        if (turn.heardId !== undefined) {
          if (data.request_id === turn.heardId) this.#hear(turn, name, data, stop);
          return;
        }
        const events = [...(waiting.get(data.request_id) ?? []), [name, data]];
        waiting.set(data.request_id, events);
        if (data.decision_digest !== digest) return;
        turn.heardId = data.request_id;
        this.#begin(turn);
        for (const [one, its] of events) this.#hear(turn, one, its, stop);
      };
      follow(this.#api, null, { signal: stop.signal, onState, onEvent }).catch(resolve);
    });
    await Promise.race([isOpen, rest(PATIENCE_MS, stop.signal)]);
  }

  /** Tell a request from its beginning to its end, unless it is being told already. */
  async follow(turn, id) {
    if (turn.heardId !== undefined && [turn.trail.requestId, turn.trail.decisionId].includes(id)) return;
    const stop = this.#anew(turn);
    turn.heardId = null;
    this.#begin(turn);
    await follow(this.#api, id, {
      signal: stop.signal,
      onState: (state) => this.#connection.feed(state),
      onEvent: (name, data) => this.#hear(turn, name, data, null),
    });
  }

  /** Tell a turn that has not ended again from its beginning, if another was told in between. */
  async again(turn) {
    const id = turn.trail.requestId ?? turn.headers.requestId;
    if (this.#turn === turn || turn.trail.state !== "running" || !id) return;
    turn.heardId = undefined;
    await this.follow(turn, id);
  }

  #anew(turn) {
    this.#turn = turn;
    this.#stop.abort();
    this.#stop = new AbortController();
    return this.#stop;
  }

  #begin(turn) {
    const { explanation } = turn.trail;
    turn.trail = { ...emptyTrail(), explanation, candidates: explanation?.candidates ?? [], policy: explanation?.policy ?? null, state: "running" };
  }

  #hear(turn, name, data, stop) {
    turn.trail = told(turn.trail, name, data);
    this.#heard(turn, name, data);
    // Nobody needs the feed of all requests once this one has ended.
    if (name === "settled" || name === "denied") stop?.abort();
  }
}
