"""The record a decision's digest is taken of: all it rests on and all it says, without an id, a time or a host.

The text is canonical JSON (RFC 8785) put together by hand, because every request writes one: building the value and
encoding it takes three times as long. `parse_canonical` reads it back, and tests hold it against `canonical_json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from worker.admission import Facts
from worker.budget import Account
from worker.canon.decide import Decision
from worker.canon.interference_pools import FullPools
from worker.covenant.policy import Policy
from worker.ledger.canonical import canonical_json
from worker.ledger.canonical import canonical_string as quote
from worker.routing.pool_readings import NO_READINGS, cells_of
from worker.routing.pool_waits import PoolReading

SNAPSHOT_VERSION = 2
Authority = tuple[frozenset[str] | None, frozenset[str] | None]


@lru_cache(maxsize=256)
def _policy_text(policy: Policy) -> str:
    return canonical_json(policy.to_plain()).decode()


@lru_cache(maxsize=256)
def _names_text(names: frozenset[str]) -> str:
    return ",".join([quote(name) for name in sorted(names)])


@lru_cache(maxsize=256)
def _authority_text(authority: Authority) -> str:
    if authority == (None, None):
        return ""
    said = ["null" if names is None else f"[{_names_text(names)}]" for names in authority]
    return f'"authority":[{",".join(said)}],'


def _redacted_text(facts: Facts) -> str:
    """What was replaced in the prompt before it left, by kind; nothing at all if nobody asked for it."""
    if not facts.is_redacted or facts.redactable is None:
        return ""
    return f'"redacted":[{",".join([quote(kind) for kind in facts.redactable])}],'


def _guardrails_text(facts: Facts) -> str:
    """What forbids the request on every route; nothing at all if nothing does."""
    if not facts.guardrails:
        return ""
    return f'"guardrails":[{",".join([quote(text) for text in facts.guardrails])}],'


def _missing_text(missing_canon: tuple[str, ...]) -> str:
    if not missing_canon:
        return ""
    return f'"missing_canon":[{",".join([quote(name) for name in missing_canon])}],'


def _pools_text(full_pools: FullPools) -> str:
    if not full_pools:
        return ""
    return f'"full_pools":{canonical_json(dict(full_pools)).decode()},'


def _readings_text(readings: Mapping[str, PoolReading]) -> str:
    if not readings:
        return ""
    said = [f"{quote(route)}:{quote(cells_of(readings[route]))}" for route in sorted(readings)]
    return f'"pools":{{{",".join(said)}}},'


def _account_text(account: Account) -> str:
    cap = "null" if account.cap is None else account.cap
    return f"[{quote(account.kind)},{cap},{account.spent},{account.reserved}]"


def record_text(
    facts: Facts,
    accounts: list[Account],
    decision: Decision,
    unconfigured: list[str],
    configured: frozenset[str],
    catalogue_hash: str,
    authority: Authority = (None, None),
    missing_canon: tuple[str, ...] = (),
    full_pools: FullPools = (),
    readings: Mapping[str, PoolReading] = NO_READINGS,
) -> str:
    """The canonical text of a decision, members in the order of their names.

    Args: authority: the providers and the models that may be used; None = all of them, and if all of both may be,
    nothing is said of it. missing_canon: the items every route rests on that are not CANON; likewise.
    full_pools: those that may not be joined, with their capacity; likewise. readings: by the id of each route whose
    estimate is made from one; likewise.
    """
    judged = facts.classification
    rows = ",".join([quote(row) for row in decision.to_rows()])
    return (
        f'{{"accounts":[{",".join([_account_text(account) for account in accounts])}],{_authority_text(authority)}'
        f'"candidates":[{rows}],'
        f'"catalogue":"{catalogue_hash}","classification":[{quote(judged.model_version)},{quote(judged.complexity)},'
        f"{quote(judged.task)},{judged.p_small_fails_ppm},{judged.expected_output_tokens}],"
        f'"configured":[{_names_text(configured)}],{_pools_text(full_pools)}{_guardrails_text(facts)}'
        f'"load":[{facts.input_bytes},{facts.images},{facts.choices},'
        f"{facts.max_output_tokens},[{_names_text(frozenset(facts.needs))}]],"
        f'{_missing_text(missing_canon)}"model":{quote(facts.model)},"policy":{_policy_text(facts.policy)},'
        f"{_readings_text(readings)}"
        f'"ranking":[{",".join([str(position) for position in decision.ranking])}],{_redacted_text(facts)}'
        f'"request":{quote(facts.request_digest)},'
        f'"unconfigured":[{",".join([quote(route) for route in unconfigured])}],"v":{SNAPSHOT_VERSION}}}'
    )
