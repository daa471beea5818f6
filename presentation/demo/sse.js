/**
 * Server-sent events (WHATWG HTML, section 9.2), read from text or bytes that may be cut anywhere.
 *
 * Comments are told too: the gateway says a stream's cost in one.
 */

/** Takes text piece by piece; `feed` gives what has become complete: events, and comments on their own. */
export class EventParser {
  #line = "";
  #wasCarriageReturn = false;
  #isFirst = true;
  #data = [];
  #event = "";
  /** The last event id seen, as `Last-Event-ID` wants it. */
  lastId = "";
  /** How long to wait before coming back, in milliseconds, if the stream said so. */
  retryMs = null;

  /** @returns {Array<{event: string, data: string, id: string} | {comment: string}>} */
  feed(text) {
    const found = [];
    for (const character of text) {
      // A line feed after a carriage return belongs to it, also when it comes in the next piece.
      if (character === "\n" && this.#wasCarriageReturn) {
        this.#wasCarriageReturn = false;
        continue;
      }
      this.#wasCarriageReturn = character === "\r";
      if (character === "\r" || character === "\n") {
        this.#take(this.#line, found);
        this.#line = "";
      } else if (!(this.#isFirst && character === "\ufeff")) {
        this.#line += character;
      }
      this.#isFirst = false;
    }
    return found;
  }

  #take(line, found) {
    if (line === "") {
      if (this.#data.length) found.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.lastId });
      this.#data = [];
      this.#event = "";
      return;
    }
    if (line.startsWith(":")) {
      found.push({ comment: line.slice(1).trim() });
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    else if (field === "retry" && /^[0-9]{1,9}$/.test(value)) this.retryMs = Number(value);
  }
}

/**
 * The events of a response's body, as they come.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {EventParser} parser keeps where it was, for who comes back.
 */
export async function* readEvents(body, parser = new EventParser()) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
