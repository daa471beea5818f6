/** What a failure is called on this page, and what one can do about it. The reason itself is the gateway's sentence. */

const FAULTS = {
  budget_exceeded: ["Refused: over the budget", "Raise the budget, shorten the message, or ask for cost optimised."],
  nothing_admissible: ["Refused: no route is admissible", "The limit that denied each route stands under Candidates."],
  deadline_exceeded: ["Deadline missed", "Allow more time, or ask for max performance."],
  all_routes_down: ["No provider answered", "Every attempt stands under Attempts. Retry once a provider is back."],
  stream_broken: ["The answer broke off", "What came before is kept above. Retry asks again."],
  cut_off: ["The answer was cut off", "What came before is kept above. Retry asks again."],
  unreadable_covenant: ["The covenant can't be read", "Say it as the message suggests, or switch to the lenient reading (Ctrl K)."],
  connection_lost: ["Connection lost", "The page notices when the gateway is back; then retry."],
  rate_limit_exceeded: ["Too many requests", "Wait a moment, then retry."],
  too_many_live_connections: ["Too many live feeds", "Close other pages of this gateway."],
  invalid_api_key: ["A token is needed", "Give one by Ctrl K, “Token”."],
  guardrail_denied: ["Refused by a guardrail", "The message itself is what forbids it."],
  model_not_found: ["No such model", "Choose another model above the conversation."],
  not_local: ["Not served from here", "Without a token only this machine is served."],
  covenant_not_found: ["No such covenant", "Check the id."],
  request_too_large: ["The message is too long", "Shorten it."],
  internal_error: ["A fault of the gateway", "Its log says what. Quote the request id."],
};

/** Answers that refuse a request before anything is sent to a provider, as against what went wrong. */
const REFUSALS = new Set([402, 403, 422]);

export function isRefusal(status) {
  return REFUSALS.has(status);
}

/** `{title, advice}` of an error's code. */
export function faultOf(code) {
  const [title, advice] = FAULTS[code] ?? ["Failed", "Retry, or look at the reason."];
  return { title, advice };
}

/** The limit that refused, if one did: budget, deadline, risk, quality, residency and so on, from the reasons. */
export function limitOf(reasons) {
  const first = reasons?.[0] ?? "";
  const limits = [
    ["COST_BOUND_EXCEEDED: request", "the budget of this request"],
    ["COST_BOUND_EXCEEDED: tenant", "the tenant's budget"],
    ["COST_BOUND_EXCEEDED: hour", "the budget of the hour"],
    ["COST_BOUND_EXCEEDED: day", "the budget of the day"],
    ["COST_BOUND_EXCEEDED: month", "the budget of the month"],
    ["COST_BOUND_EXCEEDED: per_1m_tokens", "the price per million tokens"],
    ["INVARIANT_VIOLATION: POLICY_DEADLINE", "the deadline"],
    ["INVARIANT_VIOLATION: POLICY_RESIDENCY", "residency"],
    ["INVARIANT_VIOLATION: POLICY_REQUIREMENT", "a requirement"],
    ["INVARIANT_VIOLATION: PROVIDER_CONFIGURED", "the provider is not configured"],
    ["INVARIANT_VIOLATION: PROVIDER_AVAILABLE", "the route rests after failures"],
    ["INVARIANT_VIOLATION: MODEL_CAPABILITY", "the model can't do this"],
    ["INVARIANT_VIOLATION: CONTEXT_WINDOW", "the model's context window"],
    ["RISK_BOUND_EXCEEDED", "the risk bound"],
    ["SUCCESS_PROB_TOO_LOW", "the quality floor"],
    ["AUTHORITY_BOUNDARY_FAIL", "what this token may use"],
    ["NON_INTERFERENCE_VIOLATION", "another tenant's work"],
  ];
  return limits.find(([start]) => first.startsWith(start))?.[1] ?? null;
}
