"""The only place that denies: every gate a candidate fails is reported, ordered by code; none is skipped.

Rules, in the order of the seven codes:
  AUTHORITY_BOUNDARY_FAIL     the tenant, or the key that asks, may not use the provider or the model
  COST_BOUND_EXCEEDED         the worst case exceeds the request's budget, an account, or a price per million
  INVARIANT_VIOLATION         deadline, residency, requirement, capability, context window, availability, configuration,
                              a guardrail
  MISSING_CANON_PREREQS       the catalogue, or a table of it, is not CANON in this tenant's log
  NON_INTERFERENCE_VIOLATION  the route's pool is full, and some of the work in it is another tenant's
  RISK_BOUND_EXCEEDED         the route is riskier than the priority tolerates, or not private where that is demanded
  SUCCESS_PROB_TOO_LOW        below the quality floor
A bound that is met exactly passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from worker.canon import codes
from worker.canon.codes import Denial, denial_from_text
from worker.canon.interference_pools import FullPools, denials_of_pool
from worker.covenant.policy import Policy, allows_region
from worker.routing.candidates import MILLION, Candidate, Load
from worker.routing.catalogue import CompiledCatalogue, QualityFloors, Weights


class Funds(NamedTuple):
    """What may still be spent in one account, in micro-dollars."""

    account: str
    left_usd_micros: int


class Bounds(NamedTuple):
    """All a gate compares with, gathered once per request. `funds` lists the request's own budget first.

    `fulfilled`: requirements that the gateway fulfils itself. `guardrails`: what forbids the request on every route.
    `missing_canon`: items besides the catalogue that every route rests on and that are not CANON. `full_pools`: those
    that may not be joined, by `provider@pool`, with their capacity.
    """

    policy: Policy
    weights: Weights
    success_floor_ppm: int
    funds: tuple[Funds, ...]
    max_price_per_mtok: int | None
    configured: frozenset[str]
    allowed: frozenset[str] | None
    catalogue_is_canon: bool
    min_output_tokens: int
    allowed_models: frozenset[str] | None = None
    fulfilled: frozenset[str] = frozenset()
    guardrails: tuple[Denial, ...] = ()
    missing_canon: tuple[str, ...] = ()
    full_pools: FullPools = ()


#: The item that every route cites first of all.
CATALOGUE = "catalogue"
#: The requirements that the gateway fulfils itself where it redacts a prompt.
FULFILLED = frozenset({"redact_pii"})


def guardrail_denials(guardrails: tuple[str, ...]) -> tuple[Denial, ...]:
    """What forbids a request, given as `INVARIANT:bound:value`. Raises: ValueError."""
    return tuple(denial_from_text(f"{codes.INVARIANT_VIOLATION}:{text}") for text in guardrails)


class Verdict(NamedTuple):
    """A candidate's fate: denied if and only if `denials` is not empty; otherwise its output limit and worst case."""

    denials: tuple[Denial, ...]
    output_tokens: int
    worst_usd_micros: int


def success_floor_ppm(floors: QualityFloors, quality: str | None) -> int:
    """The least success probability a spoken quality asks for."""
    if quality == "high":
        return floors.high_ppm
    if quality == "medium":
        return floors.medium_ppm
    return floors.low_ppm if quality == "low" else floors.unspoken_ppm


def judge(candidate: Candidate, load: Load, bounds: Bounds) -> Verdict:
    """Every reason against a candidate, or what it may reserve."""
    denials: list[Denial] = []
    if bounds.allowed is not None and candidate.route.provider not in bounds.allowed:
        denials.append(Denial(codes.AUTHORITY_BOUNDARY_FAIL, candidate.route.provider, 0, 0))
    if bounds.allowed_models is not None and candidate.route.model not in bounds.allowed_models:
        denials.append(Denial(codes.AUTHORITY_BOUNDARY_FAIL, candidate.route.model, 0, 0))
    output, worst = _money(candidate, load, bounds, denials)
    _invariants(candidate, load, bounds, denials)
    if not bounds.catalogue_is_canon:
        denials.append(Denial(codes.MISSING_CANON_PREREQS, CATALOGUE, 0, 0))
    if bounds.missing_canon:
        denials.extend([Denial(codes.MISSING_CANON_PREREQS, name, 0, 0) for name in bounds.missing_canon])
    if bounds.full_pools:
        denials.extend(denials_of_pool(candidate.route, bounds.full_pools))
    weights = bounds.weights
    if candidate.risk_ppm > weights.max_risk_ppm:
        denials.append(Denial(codes.RISK_BOUND_EXCEEDED, "max_risk_ppm", weights.max_risk_ppm, candidate.risk_ppm))
    elif weights.private_only and not candidate.route.private:
        denials.append(Denial(codes.RISK_BOUND_EXCEEDED, "private_pool", 1, 0))
    floor = bounds.success_floor_ppm
    if candidate.success_ppm < floor:
        denials.append(Denial(codes.SUCCESS_PROB_TOO_LOW, "success_ppm", floor, candidate.success_ppm))
    return Verdict(tuple(denials) if denials else (), output, worst)


def _money(candidate: Candidate, load: Load, bounds: Bounds, denials: list[Denial]) -> tuple[int, int]:
    """The output tokens the funds buy and the worst case they make; denies where they buy too little.

    The input bound is one token per byte. Without a limit from the client, the limit sent up is what is affordable.
    """
    route = candidate.route
    wished, worst_input = load.max_output_tokens, candidate.worst_input_usd_micros
    per_token = route.output_price * load.choices
    output = wished or candidate.output_limit
    if bounds.max_price_per_mtok is not None:
        dearest = max(route.input_price, route.output_price)
        if dearest > bounds.max_price_per_mtok:
            denials.append(Denial(codes.COST_BOUND_EXCEEDED, "per_1m_tokens", bounds.max_price_per_mtok, dearest))
    for account, left in bounds.funds:
        least = wished
        if not wished:
            if per_token:
                output = min(output, max(0, left - worst_input) * MILLION // per_token)
            least = max(output, min(bounds.min_output_tokens, candidate.output_limit))
        worst = worst_input + -(-least * per_token // MILLION)
        if worst > left:
            denials.append(Denial(codes.COST_BOUND_EXCEEDED, account, left, worst))
    return output, worst_input + -(-output * per_token // MILLION)


#: Denials that say nothing but which invariant was violated, made once.
_PLAIN = {
    invariant: Denial(codes.INVARIANT_VIOLATION, invariant, 0, 0)
    for invariant in (
        codes.MODEL_CAPABILITY,
        codes.POLICY_REQUIREMENT,
        codes.POLICY_RESIDENCY,
        codes.PROVIDER_CONFIGURED,
    )
}


def _invariants(candidate: Candidate, load: Load, bounds: Bounds, denials: list[Denial]) -> None:
    route, policy = candidate.route, bounds.policy
    wished, window = load.max_output_tokens, route.context_window_tokens
    if candidate.input_tokens + wished > window or candidate.output_limit < 1:
        needed = candidate.input_tokens + max(1, wished)
        denials.append(Denial(codes.INVARIANT_VIOLATION, codes.CONTEXT_WINDOW, window, needed))
    elif wished > route.max_output_tokens:
        denials.append(Denial(codes.INVARIANT_VIOLATION, codes.CONTEXT_WINDOW, route.max_output_tokens, wished))
    if bounds.guardrails:
        denials.extend(bounds.guardrails)
    if not load.needs <= route.capabilities:
        denials.append(_PLAIN[codes.MODEL_CAPABILITY])
    if policy.deadline_us is not None and candidate.ttv_us > policy.deadline_us:
        denials.append(Denial(codes.INVARIANT_VIOLATION, codes.POLICY_DEADLINE, policy.deadline_us, candidate.ttv_us))
    if policy.requirements and not (route.attests | bounds.fulfilled).issuperset(policy.requirements):
        denials.append(_PLAIN[codes.POLICY_REQUIREMENT])
    if (policy.residency or policy.residency_exclude) and not allows_region(policy, route.regions):
        denials.append(_PLAIN[codes.POLICY_RESIDENCY])
    if candidate.observation.open:
        failures = candidate.observation.failures
        denials.append(Denial(codes.INVARIANT_VIOLATION, codes.PROVIDER_AVAILABLE, 0, failures))
    if route.provider not in bounds.configured:
        denials.append(_PLAIN[codes.PROVIDER_CONFIGURED])


def judge_all(candidates: Sequence[Candidate], load: Load, bounds: Bounds) -> list[Verdict]:
    """The verdict on every candidate, in the same order."""
    return [judge(candidate, load, bounds) for candidate in candidates]


def bounds_of(
    catalogue: CompiledCatalogue,
    policy: Policy,
    funds: tuple[Funds, ...],
    configured: frozenset[str],
    allowed: frozenset[str] | None,
    catalogue_is_canon: bool,
    allowed_models: frozenset[str] | None = None,
) -> Bounds:
    """What the gates compare with, for one policy and one state of the accounts."""
    source = catalogue.source
    per_mtok = policy.budget_usd_micros if policy.budget_scope == "per_1m_tokens" else None
    return Bounds(
        policy=policy,
        weights=source.weights[policy.effective_priority],
        success_floor_ppm=success_floor_ppm(source.quality_floors, policy.quality),
        funds=funds,
        max_price_per_mtok=per_mtok,
        configured=configured,
        allowed=allowed,
        catalogue_is_canon=catalogue_is_canon,
        min_output_tokens=source.min_output_tokens,
        allowed_models=allowed_models,
    )


def canon_bounds(bounds: Bounds, missing: tuple[str, ...], full_pools: FullPools = ()) -> Bounds:
    """The bounds where these items, which every route rests on, are not CANON, and these pools may not be joined."""
    if full_pools:
        bounds = bounds._replace(full_pools=full_pools)
    if not missing:
        return bounds
    others = tuple(name for name in missing if name != CATALOGUE)
    return bounds._replace(catalogue_is_canon=CATALOGUE not in missing, missing_canon=others)
