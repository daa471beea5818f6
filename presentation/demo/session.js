/** What the reader does: send, stop, retry, explain, replay; and the trail of each, drawn where it is looked at. */

import { ApiError } from "./api.js";
import { alarm, announce, byId, fill, toast } from "./dom.js";
import { drawClock, drawExecution } from "./execution.js";
import { faultOf, isRefusal } from "./faults.js";
import { Feed } from "./feed.js";
import { proofView } from "./proof_view.js";
import { recheck } from "./recheck.js";
import { chatBody, runRequest } from "./run.js";
import { emptyTrail, isOver, plannedTrail } from "./trail.js";

const CLOCK_MS = 100;
const STOPGAP = "What is a vGPU?";

export class Session {
  #parts;
  #running = null;
  #feed;
  #shown = null;
  #frame = 0;
  #clock = 0;
  turns = [];
  catalogue = null;
  catalogueHash = null;

  /** @param parts `{api, connection, covenant, conversation, classifier, whatif, history, changed}` */
  constructor(parts) {
    this.#parts = parts;
    this.#feed = new Feed(parts.api, parts.connection, (turn, name, data) => this.#heard(turn, name, data));
    drawExecution(emptyTrail());
  }

  get isRunning() {
    return this.#running !== null;
  }

  get shown() {
    return this.#shown;
  }

  /** Send a message under the present covenant, with what was answered before. */
  async send(prompt, before = this.turns) {
    if (this.#running || !prompt.trim()) return;
    const { api, covenant, conversation, connection, changed } = this.#parts;
    const model = byId("model").value;
    const earlier = before.filter((one) => one.state === "done").flatMap((one) => [message("user", one.prompt), message("assistant", one.answer.text)]);
    const turn = this.#turn({ prompt, model, covenant: covenant.text.trim(), lenient: covenant.lenient, body: chatBody(model, [...earlier, message("user", prompt)]) });
    conversation.addUser(prompt, turn.covenant);
    turn.answer = conversation.addAnswer(turn);
    this.turns.push(turn);
    this.#running = turn;
    this.#show(turn);
    changed();
    announce("Sent.");
    try {
      const ending = await runRequest({ api, body: turn.body, covenant: turn.covenant, lenient: turn.lenient, signal: turn.abort.signal }, this.#hearing(turn));
      turn.state = "done";
      turn.costUsd = ending.costUsd;
      turn.answer.done(ending);
      announce(`Answer complete: ${turn.answer.text.length} characters, in ${Math.round(ending.totalMs)} milliseconds.`);
    } catch (problem) {
      this.#failed(turn, problem);
    } finally {
      this.#running = null;
      turn.endedMs = performance.now();
      connection.feed("over");
      this.#remember(turn);
      changed();
    }
  }

  stop() {
    this.#running?.abort.abort();
  }

  /** Ask the same again under the present covenant. */
  retry(turn) {
    return this.send(turn.prompt, this.turns.slice(0, this.turns.indexOf(turn)));
  }

  /** What would be decided now, with nothing sent. */
  async explain(prompt) {
    const { api, covenant } = this.#parts;
    const model = byId("model").value;
    if (!prompt.trim()) toast(`There is no message yet; explained for “${STOPGAP}”`);
    const body = chatBody(model, [message("user", prompt.trim() || STOPGAP)]);
    const turn = this.#turn({ prompt, model, covenant: covenant.text.trim(), lenient: covenant.lenient, body });
    try {
      const explanation = await api.explain(body, turn.covenant, turn.lenient);
      turn.trail = plannedTrail(explanation);
      this.#show(turn);
      this.#offerWhatIf(turn);
      announce(explanation.selected ? `Would choose ${explanation.selected}.` : `Would be refused: ${explanation.refusal.message}`);
    } catch (problem) {
      this.#complain(problem);
    }
  }

  /** Tell a recorded decision again from the ledger, and decide it again in this page. */
  async replay(id) {
    const turn = this.#turn({ prompt: "", model: "", covenant: "", body: "", isReplay: true });
    this.#show(turn);
    this.#parts.whatif.hide();
    try {
      const record = await this.#parts.api.json(`v1/decisions/${encodeURIComponent(id)}`);
      turn.isOtherCatalogue = record.inputs.catalogue !== this.catalogueHash;
      await this.#feed.follow(turn, id);
      announce("Replayed from the ledger.");
    } catch (problem) {
      this.#complain(problem);
    }
  }

  /** Show the trail of an earlier turn. */
  show(turn) {
    this.#show(turn);
    this.#offerWhatIf(turn);
    this.#feed.again(turn).catch((problem) => this.#complain(problem));
  }

  clear() {
    this.stop();
    this.#feed.stop();
    this.turns = [];
    this.#parts.conversation.clear();
    this.#parts.whatif.hide();
    this.#show(this.#turn({ prompt: "", model: "", covenant: "", body: "" }));
  }

  #offerWhatIf({ trail, body }) {
    if (trail.explanation) this.#parts.whatif.load(trail.explanation, body, this.catalogue);
    else this.#parts.whatif.hide();
  }

  #turn(given) {
    return { ...given, state: "running", trail: emptyTrail(), abort: new AbortController(), startedMs: null, endedMs: null, headers: {} };
  }

  #hearing(turn) {
    return {
      planned: (explanation) => {
        turn.trail = plannedTrail(explanation);
        this.#offerWhatIf(turn);
        this.#draw(turn);
        return this.#feed.watch(turn, explanation.decision_digest);
      },
      sent: () => {
        turn.startedMs = performance.now();
        if (turn.heardId === undefined) turn.trail = { ...turn.trail, state: "running" };
        this.#draw(turn);
      },
      accepted: (headers) => {
        turn.headers = headers;
        turn.answer.accepted(headers);
        this.#feed.follow(turn, headers.requestId).catch((problem) => this.#complain(problem));
      },
      text: (text) => turn.answer.append(text),
    };
  }

  #failed(turn, problem) {
    // Nothing of it is known from the feed, so this page says how it ended.
    const isUnheard = !turn.headers.requestId && turn.heardId === undefined;
    if (turn.abort.signal.aborted) {
      turn.state = "cancelled";
      turn.answer.stopped();
      announce("Stopped.");
      if (isUnheard) turn.trail = { ...turn.trail, state: "cancelled" };
    } else {
      turn.state = isRefusal(problem.status) ? "refused" : "failed";
      turn.problem = { code: problem.code ?? "internal_error", message: problem.message, status: problem.status, reasons: problem.reasons ?? [] };
      turn.answer.fail(turn.problem);
      alarm(`${faultOf(turn.problem.code).title}. ${problem.message}`);
      const id = problem instanceof ApiError ? problem.decisionId : null;
      if (id) {
        this.#feed.follow(turn, id).catch(() => {});
        if (turn.trail.denied) this.#heard(turn, "denied", {});
      } else if (problem instanceof ApiError) this.#feed.stop();
      if (!id && isUnheard) turn.trail = { ...turn.trail, state: turn.state, denied: { kind: turn.problem.code, message: problem.message, reasons: turn.problem.reasons } };
      if (!(problem instanceof Error && "code" in problem)) throw problem;
    }
    if (!turn.trail.explanation) this.#parts.whatif.hide();
    this.#draw(turn);
  }

  #heard(turn, name, data) {
    // The refusal's own sentence stands in the answer, not in the feed.
    if (turn.problem && turn.trail.denied) turn.trail = { ...turn.trail, denied: { ...turn.trail.denied, message: turn.problem.message } };
    if (name === "cost" && turn.answer) turn.answer.settled(data);
    this.#draw(turn);
  }

  #show(turn) {
    // What is new is told from its beginning.
    if (turn !== this.#shown) byId("panel-execution").querySelector(".column-body").scrollTop = 0;
    this.#shown = turn;
    fill(byId("verify-result"));
    this.#draw(turn);
  }

  #draw(turn) {
    if (turn !== this.#shown) return;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const { trail } = this.#shown;
      drawExecution(trail, this.#more());
      proofView(this.#parts, this.#shown);
      clearInterval(this.#clock);
      if (!isOver(trail) && this.#shown.startedMs !== null) this.#clock = setInterval(() => drawClock(this.#shown.trail, this.#more()), CLOCK_MS);
    });
  }

  #more() {
    const { trail, startedMs, endedMs, isReplay, model } = this.#shown;
    const elapsedUs = startedMs === null ? null : Math.round(((endedMs ?? performance.now()) - startedMs) * 1_000);
    return { elapsedUs, floorPpm: this.#floor(trail), isReplay, pinned: model && model !== "auto", ...recheck(this.#shown, this.catalogue) };
  }

  #floor(trail) {
    const quality = trail.policy?.quality;
    return quality && this.catalogue ? this.catalogue.quality_floors[`${quality}_ppm`] : null;
  }

  #remember(turn) {
    this.#parts.history.add({
      covenant: turn.covenant,
      prompt: turn.prompt,
      model: turn.model,
      state: turn.state,
      route: turn.headers.route ?? null,
      cost_usd: turn.trail.cost?.cost_usd ?? turn.costUsd ?? null,
      decision_id: turn.headers.decisionId ?? turn.trail.decisionId,
      at: Date.now(),
    });
  }

  #complain(problem) {
    if (problem.name === "AbortError") return;
    toast(`${faultOf(problem.code).title}: ${problem.message}`, "bad");
  }
}

function message(role, content) {
  return { role, content };
}
