/**
 * What happened to a request, put together from the events of /api/live (or from an explanation, before it is sent).
 *
 * Plain values only: `told` takes a trail and an event and gives the next trail.
 */

export const STEPS = [
  ["classified", "Classified"],
  ["candidates", "Candidates estimated"],
  ["decided", "Decided"],
  ["attempt", "Provider called"],
  ["first_token", "First token"],
  ["settled", "Settled"],
];

export function emptyTrail() {
  return {
    state: "empty",
    requestId: null,
    decisionId: null,
    beganUs: null,
    steps: {},
    classification: null,
    candidates: [],
    decision: null,
    denied: null,
    policy: null,
    attempts: [],
    cost: null,
    settled: null,
    entries: [],
    explanation: null,
  };
}

/** The trail of an explanation: everything is planned, nothing has happened. */
export function plannedTrail(explanation) {
  const { classification, candidates, selected, ranking, decision_digest, refusal, policy } = explanation;
  return {
    ...emptyTrail(),
    state: "planned",
    classification,
    candidates,
    policy,
    decision: selected ? { selected, ranking, decision_digest } : null,
    denied: refusal,
    explanation,
  };
}

/** The trail after an event. What is not known is left out; an event that is told twice changes nothing. */
export function told(trail, name, data) {
  const known = {
    ...trail,
    requestId: data.request_id ?? trail.requestId,
    decisionId: data.decision_id ?? trail.decisionId,
    beganUs: trail.beganUs ?? data.at_us,
    entries: noted(trail.entries, name, data.entry),
  };
  const at = (step) => ({ ...known.steps, [step]: data.at_us - known.beganUs });
  switch (name) {
    case "classification":
      return { ...known, state: "running", classification: data, steps: at("classified") };
    case "candidates":
      return { ...known, candidates: data.candidates, steps: at("candidates") };
    case "decision":
      return { ...known, decision: data, policy: data.policy, denied: null, steps: at("decided") };
    case "denied":
      return { ...known, state: "refused", denied: data, decision: null, policy: data.policy, steps: at("decided") };
    case "attempt":
      return { ...known, attempts: [...known.attempts, attemptOf(data)], steps: trail.attempts.length ? known.steps : at("attempt") };
    case "first_token":
      return { ...known, steps: at("first_token") };
    case "cost":
      return { ...known, cost: data };
    case "settled":
      return { ...known, state: endOf(data), settled: data, attempts: ended(known.attempts, data.attempts), steps: at("settled") };
    default:
      return known;
  }
}

function attemptOf(data) {
  return { route: data.route, reserved_usd_micros: data.reserved_usd_micros, cause: null, status: 0, elapsed_us: null };
}

/** The attempts as they ended. A retry of the same route has no event of its own: the settlement tells of it. */
function ended(begun, attempts) {
  const reserved = new Map(begun.map((one) => [one.route, one.reserved_usd_micros]));
  if (!attempts.length) return begun;
  return attempts.map((one) => ({ ...one, reserved_usd_micros: reserved.get(one.route) ?? null }));
}

function endOf({ outcome }) {
  return { success: "success", user_terminated: "cancelled" }[outcome] ?? "failed";
}

const TELLS = { decision: "decision", denied: "refusal", attempt: "fallback", settled: "settlement" };

function noted(entries, name, entry) {
  if (entry === undefined || !(name in TELLS) || entries.some((one) => one.entry === entry)) return entries;
  return [...entries, { entry, what: TELLS[name] }];
}

/** Whether a candidate's provider is set up here; the catalogue's others are candidates in name only. */
export function isConfigured(candidate) {
  return !candidate.denials.some((denial) => denial.subject === "PROVIDER_CONFIGURED");
}

/** Whether more may come. */
export function isOver(trail) {
  return !["empty", "planned", "running"].includes(trail.state);
}

/**
 * Cost, time and quality against their limits: `{value, limit, part, kind, is}`; `part` of the limit in percent, null
 * without one; `is`: what the value is (charged, expected, estimated).
 *
 * @param {number | null} elapsedUs of this page's clock, while it runs.
 */
export function limitsOf(trail, elapsedUs, floorPpm) {
  const { policy, settled, cost } = trail;
  const route = settled?.route ?? trail.attempts.at(-1)?.route ?? trail.decision?.selected;
  const candidate = trail.candidates.find((one) => one.route === route);
  const spent = cost ? cost.cost_usd_micros : (candidate?.cost_usd_micros ?? null);
  const time = settled ? settled.elapsed_us : (elapsedUs ?? candidate?.ttv_us ?? null);
  const budget = policy?.budget_scope === "per_1m_tokens" ? null : (policy?.budget_usd_micros ?? null);
  // Of an answer that never came there is no quality to estimate.
  const success = trail.state === "failed" ? null : (candidate?.success_ppm ?? null);
  return {
    cost: { value: spent, limit: budget, ...filled(spent, budget), is: cost ? "charged" : "expected" },
    latency: {
      value: time,
      limit: policy?.deadline_us ?? null,
      ...filled(time, policy?.deadline_us ?? null),
      is: settled ? "measured" : elapsedUs === null ? "expected" : trail.state === "refused" ? "until refused" : isOver(trail) ? "to the end" : "so far",
    },
    quality: {
      value: success,
      limit: floorPpm,
      part: success === null ? null : success / 10_000,
      kind: success === null ? "" : success >= (floorPpm ?? 0) ? "good" : "bad",
      is: "estimated",
    },
  };
}

function filled(value, limit) {
  if (value === null || limit === null) return { part: null, kind: "" };
  const part = limit === 0 ? (value ? 100 : 0) : (100 * value) / limit;
  return { part: Math.min(part, 100), kind: part > 100 ? "bad" : part > 80 ? "warn" : "good" };
}

/**
 * Why the first beat the second: both totals, and the terms of both where an explanation of the same decision has them.
 *
 * @returns {null | {winner: object, other: object | null, terms: Array<[string, number, number]> | null}}
 */
export function whyOf(trail) {
  if (!trail.decision) return null;
  const [first, second] = trail.decision.ranking;
  const find = (route, list) => list?.find((one) => one.route === route) ?? null;
  const winner = find(first, trail.candidates);
  const other = second ? find(second, trail.candidates) : null;
  const isSame = trail.explanation?.decision_digest === trail.decision.decision_digest;
  const [a, b] = [find(first, trail.explanation?.candidates), find(second, trail.explanation?.candidates)];
  if (!winner) return null;
  const terms = isSame && a?.terms && b?.terms ? Object.keys(a.terms).map((name) => [name, a.terms[name], b.terms[name]]) : null;
  return { winner, other, terms, isSame };
}
