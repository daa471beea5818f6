"""The record a decision's digest is taken of: all it rests on and all it says, without an id, a time or a host.

The text is canonical JSON (RFC 8785) put together by hand, because every request writes one: building the value and
encoding it takes three times as long. `parse_canonical` reads it back, and tests hold it against `canonical_json`.
"""

from __future__ import annotations

from functools import lru_cache

from worker.admission import Facts
from worker.budget import Account
from worker.canon.decide import Decision
from worker.covenant.policy import Policy
from worker.ledger.canonical import canonical_json
from worker.ledger.canonical import canonical_string as quote

SNAPSHOT_VERSION = 1


@lru_cache(maxsize=256)
def _policy_text(policy: Policy) -> str:
    return canonical_json(policy.to_plain()).decode()


@lru_cache(maxsize=256)
def _names_text(names: frozenset[str]) -> str:
    return ",".join([quote(name) for name in sorted(names)])


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
) -> str:
    """The canonical text of a decision, members in the order of their names."""
    judged = facts.classification
    rows = ",".join([quote(row) for row in decision.to_rows()])
    return (
        f'{{"accounts":[{",".join([_account_text(account) for account in accounts])}],"candidates":[{rows}],'
        f'"catalogue":"{catalogue_hash}","classification":[{quote(judged.model_version)},{quote(judged.complexity)},'
        f"{quote(judged.task)},{judged.p_small_fails_ppm},{judged.expected_output_tokens}],"
        f'"configured":[{_names_text(configured)}],"load":[{facts.input_bytes},{facts.images},{facts.choices},'
        f"{facts.max_output_tokens},[{_names_text(frozenset(facts.needs))}]],"
        f'"model":{quote(facts.model)},"policy":{_policy_text(facts.policy)},'
        f'"ranking":[{",".join([str(position) for position in decision.ranking])}],'
        f'"request":{quote(facts.request_digest)},'
        f'"unconfigured":[{",".join([quote(route) for route in unconfigured])}],"v":{SNAPSHOT_VERSION}}}'
    )
