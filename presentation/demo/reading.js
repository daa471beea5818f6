/**
 * What POST /v2/covenant/parse answers, as the page shows it: chips, underlined words, problems.
 *
 * Nothing is read here anew: every chip is a clause of the answer, every reason a sentence of it. Clauses count their
 * place in code points, strings in UTF-16 units.
 */

import { duration, usd, words } from "./format.js";

const RIVALS = new Set(["contradiction", "multi_limit"]);

/** Where each code point of a text begins, and the text's end. */
function placesOf(text) {
  const places = [];
  let at = 0;
  for (const one of text) {
    places.push(at);
    at += one.length;
  }
  places.push(at);
  return places;
}

/** A clause's place in the string: [start, end]. */
export function rangeOf(text, clause) {
  const places = placesOf(text);
  const last = places.length - 1;
  return [places[Math.min(clause.start, last)], places[Math.min(clause.end, last)]];
}

/** How a clause counts: `read`, `aside` (set aside), `warn` (odd, and served), `bad` (nothing is served with it). */
export function kindOf(clause, reading) {
  if (clause.field === "unread" || clause.field === "budget_other") return reading.served ? "warn" : "bad";
  if (clause.field === "flags") {
    if (clause.value === "injection") return "warn";
    // Vague words beside an exact limit of the same kind say nothing.
    return !clause.stands ? "aside" : reading.served ? "warn" : "bad";
  }
  if (reading.flags.some((flag) => RIVALS.has(flag)) && hasRival(clause, reading)) return "warn";
  return clause.stands ? "read" : "aside";
}

function hasRival(clause, reading) {
  return reading.clauses.some(
    (other) => other !== clause && other.field === clause.field && !(other.stands && clause.stands) && other.value !== clause.value,
  );
}

/** The text in pieces, in order: `{text, kind, clauses}`; kind "" is a piece that no clause speaks of. */
export function piecesOf(text, reading) {
  const clauses = reading.clauses.map((clause, index) => {
    const [start, end] = rangeOf(text, clause);
    return { index, start, end, kind: kindOf(clause, reading) };
  });
  const cuts = new Set([0, text.length]);
  for (const { start, end } of clauses) cuts.add(start).add(end);
  const order = [...cuts].sort((one, other) => one - other);
  const weight = ["", "aside", "read", "warn", "bad"];
  return order.slice(0, -1).map((start, at) => {
    const over = clauses.filter((clause) => clause.start <= start && clause.end > start);
    const kind = over.map((clause) => clause.kind).reduce((one, other) => (weight.indexOf(other) > weight.indexOf(one) ? other : one), "");
    return { text: text.slice(start, order[at + 1]), kind, clauses: over.map((clause) => clause.index) };
  });
}

/** A clause in few words. */
export function labelOf(clause) {
  const { rule, field, value } = clause;
  if (field === "budget_usd") {
    const money = usd(Math.round(Number(value) * 1e6));
    return rule === "budget.minimum" ? `at least ${money}` : `Budget ${money}`;
  }
  if (field === "deadline_s") {
    const time = duration(Math.round(Number(value) * 1e6));
    return rule === "deadline.minimum" ? `at least ${time}` : `Deadline ${time}`;
  }
  if (field === "budget_scope") return `Scope ${words(value)}`;
  if (field === "budget_other") return `Budget ${value}`;
  if (field === "quality") return `Quality ${value}`;
  if (field === "priority") return `Priority ${words(value)}`;
  if (field === "residency") return `Only in ${value}`;
  if (field === "residency_exclude") return `Not in ${value}`;
  if (field === "requirements") return words(value);
  if (field === "unread") return `Can't be kept: ${value}`;
  return words(value);
}

const ASIDE = "set aside";

/** Chips in the order of the words: `{label, kind, field, note, clause}`; `clause` is null for what no words say. */
export function chipsOf(reading) {
  const seen = new Set();
  const chips = reading.clauses.map((clause, index) => {
    const kind = kindOf(clause, reading);
    const note = kind === "bad" ? "not served" : clause.stands || clause.field === "unread" ? "" : clause.field === "flags" ? "says nothing" : ASIDE;
    return { label: labelOf(clause), kind, field: clause.field, note, clause: index, stands: clause.stands };
  });
  const unique = chips.filter((chip) => {
    const { start, end } = reading.clauses[chip.clause];
    const key = `${chip.label} ${start} ${end}`;
    const isTwin = chips.some((other) => other !== chip && other.label === chip.label && other.stands && !chip.stands && reading.clauses[other.clause].start === start);
    if (seen.has(key) || isTwin) return false;
    return seen.add(key);
  });
  const said = reading.clauses.some((clause) => clause.field === "priority" && clause.stands);
  if (!said && reading.policy) {
    const priority = reading.policy.priority ?? "balanced";
    unique.push({ label: `Priority ${words(priority)}`, kind: "plain", field: "priority", note: reading.policy.priority ? "the strict reading" : "by default", clause: null, stands: true });
  }
  return unique;
}

/** What is wrong or odd, in the gateway's own sentences: `{kind, text}`. */
export function problemsOf(reading) {
  const refusals = reading.refusal ? reading.refusal.split(/; (?=")/) : [];
  return [
    ...refusals.map((text) => ({ kind: "bad", text })),
    ...reading.warnings.map((text) => ({ kind: "warn", text })),
  ];
}
