/** One event in depth: what it cost, where it went and when, its JSON, and where the ledger has it. */

import { readEvent } from "./api.js";
import { byId, closed, el, toast } from "./dom.js";
import { clock, span, usd, whole } from "./format.js";

/** Whose everything is that an open gateway does. */
const OPEN_TENANT = "local";
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null)/g;

export function setUpEvent() {
  const drawer = byId("event");
  drawer.addEventListener("click", (event) => {
    if (event.target === drawer || event.target.closest("[data-close]")) drawer.close();
  });
}

/** Args: from: what had the focus, which gets it back. host: `isOpen`: it asks for no login; `hasDestinations`. */
export async function openEvent(line, from, host) {
  const drawer = byId("event");
  byId("event-title").textContent = line.session_id;
  byId("event-body").replaceChildren(el("p", { class: "muted" }, "Looking it up …"));
  if (!drawer.open) drawer.showModal();
  closed(drawer).then(() => from?.focus());
  byId("event-title").focus();
  try {
    const found = await readEvent(line.event_id, line.tenant);
    byId("event-body").replaceChildren(...parts(found, line, host));
  } catch (problem) {
    byId("event-body").replaceChildren(el("p", { class: "notice bad" }, problem.message));
  }
}

function parts(found, line, { isOpen, hasDestinations }) {
  const { event } = found;
  const shown = { ...event, routed_to: found.routed_to };
  return [
    el(
      "div",
      { class: "row" },
      line.is_demo && el("span", { class: "chip warn" }, "demo data"),
      el("span", { class: "chip" }, found.source === "own" ? "through this gateway" : "reported by a service"),
      el("span", { class: "chip" }, `tenant ${found.tenant}`),
    ),
    facts([
      ["Tokens", whole(event.usage.total_tokens)],
      ["Model", event.usage.model ?? "not said"],
      ["Cost", event.usage.estimated_cost_usd === null ? "unknown" : usd(line.estimated_cost_usd)],
      ["Duration", isToldOf(event, "session.start_time") || event.session.duration_ms ? span(Number(event.session.duration_ms)) : "not said"],
      ["Outcome", event.outcome.status.replaceAll("_", " ")],
      ["User", isToldOf(event, "user.user_id") ? event.user.user_id : "not said"],
    ]),
    el("section", {}, el("h3", {}, "Its way"), way(found, hasDestinations)),
    el("section", {}, el("h3", {}, "Ledger"), ledger(found, isOpen)),
    json(shown),
  ];
}

/** Whether its reporter said so; what was left out is assumed at capture, and named. */
function isToldOf({ metadata }, path) {
  return !metadata?.assumed_fields?.includes?.(path);
}

function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function way({ captured_at: capturedAt, routed_to: routedTo }, hasDestinations) {
  const steps = routedTo.map(({ destination, delivered_at: at }) => {
    const after = microseconds(at, capturedAt) / 1_000;
    return step(destination, at, `+${span(Math.max(0, after))}`);
  });
  const rest = el("li", {}, el("span", { class: "muted" }, hasDestinations ? "no destination has it yet" : "kept here: no destination is set up"));
  return el("ol", { class: "way" }, step("captured, durable", capturedAt, clock(capturedAt)), steps.length ? steps : rest);
}

function step(name, at, when) {
  return el("li", { title: at }, el("span", {}, name), el("span", { class: "num mono" }, when));
}

/** The difference of two RFC 3339 times with six digits, which a Date would cut to three. */
function microseconds(later, earlier) {
  const micros = (text) => Date.parse(`${text.slice(0, 19)}Z`) * 1_000 + Number((text.slice(20, 26) || "0").padEnd(6, "0"));
  return micros(later) - micros(earlier);
}

/** Where a tenant's log has it. Only the log of an open gateway's own tenant can be asked for without a token. */
function ledger({ ledger: found, tenant }, isOpen) {
  if (!found || found.entry === null || found.entry === undefined) {
    return el("p", { class: "muted" }, "It is in no ledger entry yet: reported events are entered in batches.");
  }
  const path = `/api/ledger/proof?entry=${found.entry}`;
  const place = found.count ? `, as number ${found.index + 1} of ${found.count} in its batch` : "";
  const told = el("p", {}, `Entry ${whole(found.entry)} of the log of ${tenant}${place}. `);
  if (isOpen && tenant === OPEN_TENANT) {
    told.append(el("a", { href: path, target: "_blank", rel: "noopener" }, "Its inclusion proof"));
    return told;
  }
  const command = `curl -H "Authorization: Bearer hk_${tenant}_..." "${location.origin}${path}"`;
  return el("div", {}, told, el("p", { class: "muted small" }, "Its inclusion proof, with the tenant's token:"), el("pre", { class: "json command", tabindex: "0" }, command));
}

function json(value) {
  const text = JSON.stringify(value, null, 2);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied", "good");
    } catch {
      toast("The browser doesn't allow copying here", "warn");
    }
  };
  return el(
    "section",
    {},
    el("div", { class: "head" }, el("h3", {}, "Event"), el("button", { class: "btn small quiet", type: "button", on: { click: copy } }, "Copy")),
    el("pre", { class: "json", tabindex: "0", "aria-label": "The event as JSON" }, coloured(text)),
  );
}

/** JSON's text in pieces, each of which is text. */
function coloured(text) {
  const pieces = [];
  let end = 0;
  for (const found of text.matchAll(TOKEN)) {
    pieces.push(text.slice(end, found.index));
    const [all, quoted, colon, plain] = found;
    if (plain) pieces.push(el("span", { class: "plain" }, plain));
    else pieces.push(el("span", { class: colon ? "key" : "text" }, quoted), colon ?? "");
    end = found.index + all.length;
  }
  return [...pieces, text.slice(end)];
}
