"""Why a request gets no answer, in words: a refusal of admission, or attempts that all failed."""

from __future__ import annotations

from worker.admission import BUDGET, UNAVAILABLE, UNKNOWN_COVENANT, Facts, Refusal
from worker.api.guarding import guardrail_error, without_secrets
from worker.canon import codes
from worker.canon.reasons import reason_sentence
from worker.errors import (
    AllRoutesDown,
    BudgetExceeded,
    HarpoonError,
    NothingAdmissible,
    RateLimited,
    UnknownCovenant,
)
from worker.exchange import Exchange
from worker.failed_attempts import tried_text
from worker.routing.candidates import requested_routes
from worker.routing.catalogue import CompiledCatalogue
from worker.upstream.dispatch import Reply
from worker.upstream.providers import setting_prefix

#: What the message of a refusal names, by what stands in the way.
_DECISIVE = {BUDGET: codes.COST_BOUND_EXCEEDED, UNAVAILABLE: codes.PROVIDER_AVAILABLE}


def _decisive_reason(refusal: Refusal) -> str:
    """The most frequent reason of the kind that stands in the way; a provider without a key only if nothing else."""
    decisive = _DECISIVE.get(refusal.kind)
    found = [
        reason
        for reason in refusal.reasons
        if (decisive in reason if decisive else codes.PROVIDER_CONFIGURED not in reason)
    ]
    return (found or list(refusal.reasons) or ["no route serves it"])[0]


def failure_error(exchange: Exchange, reply: Reply) -> HarpoonError:
    """Attempts without an answer as an error: the provider's refusal, a common rate limit, or what was tried."""
    if reply.rejection is not None:
        return without_secrets(reply.rejection)
    tried = tried_text(exchange.attempts, exchange.words)
    if all(attempt.status == RateLimited.status for attempt in exchange.attempts):
        return RateLimited(f"every provider asked is at its rate limit: {tried}")
    return AllRoutesDown(f"no route answered: {tried}")


def _how_to_configure(catalogue: CompiledCatalogue, model: str) -> str:
    """What to set, so that somebody can be asked for a model."""
    providers = {catalogue.routes[position].provider for position in requested_routes(catalogue, model)}
    if len(providers) > 1:
        return f"configure one of {', '.join(sorted(providers))}"
    prefix = setting_prefix(min(providers))
    return f"set {prefix}_API_KEY, or {prefix}_BASE_URL if it has no public address"


def refusal_error(catalogue: CompiledCatalogue, refusal: Refusal, facts: Facts) -> HarpoonError:
    """The refusal as an error: what stands in the way, and every reason."""
    if refusal.kind == UNKNOWN_COVENANT:
        return UnknownCovenant("no covenant of yours has this id", param="covenant_id")
    if facts.guardrails:
        return guardrail_error(refusal)
    first = _decisive_reason(refusal)
    said = reason_sentence(first, facts.covenant_id)
    if refusal.kind == BUDGET:
        return BudgetExceeded(f"no route fits the budget: {said}", details=refusal.reasons)
    if refusal.kind == UNAVAILABLE:
        return AllRoutesDown(f"every admissible route is resting after failures: {said}", details=refusal.reasons)
    hint = ""
    if facts.model != "auto" and "PROVIDER_CONFIGURED" in first:
        how = _how_to_configure(catalogue, facts.model)
        hint = f"; its provider has no key or base URL here: {how}, or use model auto"
    return NothingAdmissible(f"no route is admissible: {said}{hint}", details=refusal.reasons)
