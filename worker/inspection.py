"""What can be looked at of a tenant's state: an explained decision, past decisions, the ledger as it grows.

Nothing here writes. What it returns are plain JSON-like values: they are shown, not decided with, and at the edge they
leave an object as text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from worker.admission import Facts
from worker.admitting import MediatorConfig, Weighed, bounds_on, decide_on, refusal_of
from worker.budget import Account
from worker.canon.certificate import CertificateError, certificate_of_request
from worker.canon.decide import Decision, terms_of, total_us
from worker.canon.flips import Flip, find_flips, find_tie, selected_route
from worker.canon.store import catalogue_in
from worker.covenant.policy import Policy
from worker.ledger.entry import ENTRIES_PER_LOG, STRUCTURE_UPDATE, entry_id
from worker.ports import Hasher, Sql, SqlRow, as_int
from worker.routing.candidates import Candidate, complexity_index
from worker.routing.catalogue import CompiledCatalogue
from worker.routing.identity import hashed_form
from worker.routing.pool_waits import may_be_late
from worker.sessions.event import outcome_of

#: How many of a tenant's latest decisions are looked through for a request id, which has no index of its own.
SEARCHED_DECISIONS = 10_000
_RECORD = """SELECT d.decision_id, d.request_id, d.at_us, d.state, d.digest, l.evidence, d.charged, c.evidence
    FROM decision d JOIN ledger l ON l.id = d.entry_id LEFT JOIN ledger c ON c.id = d.completion_id"""


def explain(weighed: Weighed, hasher: Hasher, config: MediatorConfig, facts: Facts) -> dict[str, Any]:
    """A decision of which nothing was written, with what its totals are made of and where it would turn. Pure.

    Args: facts: bound to their covenant, as they were weighed. Returns: `decision`, the record that `decision_digest`
    is taken of; `selected`; `refusal` or None; `flips`; and in the order of the decision's candidates `observed`,
    `waits` (None = its pool says nothing), `terms` (None = denied) and `ties` (None = denied, or the selected one).
    """
    accounts, decision, unconfigured, record, standing = weighed
    bounds = bounds_on(config, facts, accounts, standing)
    horizon_us = facts.policy.deadline_us or config.catalogue.source.horizon_us
    complexity = complexity_index(facts.load.complexity)

    def total(candidate: Candidate) -> int:
        return total_us(candidate, bounds, horizon_us, complexity)

    best_us = decision.totals[decision.ranking[0]] if decision.ranking else None
    terms: list[dict[str, int] | None] = []
    ties: list[dict[str, int | None] | None] = []
    for position, candidate in enumerate(decision.candidates):
        admitted = decision.totals[position] is not None
        terms.append(terms_of(candidate, bounds, horizon_us, complexity)._asdict() if admitted else None)
        loses = admitted and best_us is not None and position != decision.ranking[0]
        ties.append(find_tie(candidate, best_us, total)._asdict() if loses and best_us is not None else None)
    refusal = None if decision.ranking else refusal_of(decision.verdicts, len(unconfigured))
    return {
        "decision": json.loads(record),
        "decision_digest": hasher.sha3_256(record.encode()).hex(),
        "selected": selected_route(decision),
        "observed": [candidate.observation._asdict() for candidate in decision.candidates],
        "waits": [_wait(candidate, facts) for candidate in decision.candidates],
        "terms": terms,
        "ties": ties,
        "refusal": None if refusal is None else {"kind": refusal.kind, "reasons": list(refusal.reasons)},
        "flips": [flip._asdict() for flip in _flips(weighed, config, facts)],
    }


def _wait(candidate: Candidate, facts: Facts) -> dict[str, Any] | None:
    """What a candidate's pool says of itself, the wait that follows, and whether it may break the deadline."""
    wait = candidate.wait
    if wait is None:
        return None
    figures = {name: value for name, value in wait._asdict().items() if name != "reading"}
    return {**wait.reading._asdict(), **figures, "may_be_late": may_be_late(wait, facts.policy.deadline_us)}


def _flips(weighed: Weighed, config: MediatorConfig, facts: Facts) -> tuple[Flip, ...]:
    def redecide(policy: Policy, candidates: Sequence[Candidate]) -> Decision:
        changed = facts._replace(policy=policy)
        names = weighed.standing.accounts(policy, facts.at_us, facts.covenant_id, facts.user_id)
        return decide_on(config, changed, _capped(weighed.accounts, names), candidates, weighed.standing)

    return find_flips(weighed.decision, facts.policy, redecide)


def _capped(accounts: list[Account], names: dict[str, int | None]) -> list[Account]:
    """The accounts that another policy draws on, with the caps that it sets."""
    return [account._replace(cap=names[account.account]) for account in accounts if account.account in names]


def decision_in(sql: Sql, tenant: str, decision_id: str) -> dict[str, Any] | None:
    """One decision, or None."""
    rows = sql.execute(f"{_RECORD} WHERE d.tenant = ? AND d.decision_id = ?", tenant, decision_id)
    return _record(rows[0]) if rows else None


def certificate_in(
    sql: Sql, hasher: Hasher, config: MediatorConfig, tenant: str, decision_id: str
) -> tuple[dict[str, Any], str | None] | None:
    """The record of one decision, and the kept text of its catalogue if that is in force no more; None = no such one.

    `certified` makes the certificate of them, which no transaction has to wait for.
    """
    record = decision_in(sql, tenant, decision_id)
    if record is None:
        return None
    decision = record["decision"]
    if decision is None or decision["catalogue"] == config.catalogue_hash:
        return record, None
    return record, catalogue_in(sql, hasher, tenant, decision["catalogue"])


def certified(
    found: tuple[dict[str, Any], str | None] | None, hasher: Hasher, config: MediatorConfig
) -> dict[str, Any] | None:
    """The certificate of what `certificate_in` found, as `certificate`; `problem` = it can't be had. Pure."""
    if found is None:
        return None
    record, kept = found
    decision = record["decision"]
    if decision is None:
        return {"problem": "the ledger's retention has dropped what this decision rests on; its digest is kept"}
    form: object = json.loads(kept) if kept else None
    compiled: CompiledCatalogue | None = None
    if decision["catalogue"] == config.catalogue_hash:
        form, compiled = hashed_form(config.catalogue.canonical, hasher.sha3_256), config.catalogue
    try:
        return {"certificate": certificate_of_request(decision, form, hasher, compiled)}
    except CertificateError as problem:
        return {"problem": problem.message}


def decisions_in(
    sql: Sql, tenant: str, limit: int, before: str | None, request_id: str | None = None
) -> list[dict[str, Any]]:
    """At most `limit` decisions, newest first. Args: before: only those made before the decision of this id.

    request_id: only those of one request, among the latest `SEARCHED_DECISIONS` before `before`.
    """
    # "dec_" is followed by lower-case hexadecimal digits, so every id is smaller than this.
    before = "dec_g" if before is None else before
    if request_id is None:
        rows = sql.execute(
            f"{_RECORD} WHERE d.tenant = ? AND d.decision_id < ? ORDER BY d.decision_id DESC LIMIT ?",
            tenant,
            before,
            limit,
        )
    else:
        rows = sql.execute(
            f"""{_RECORD} WHERE d.tenant = ? AND d.decision_id IN ({_OF_REQUEST})
                ORDER BY d.decision_id DESC LIMIT ?""",
            tenant,
            tenant,
            before,
            SEARCHED_DECISIONS,
            request_id,
            limit,
        )
    return [_record(row) for row in rows]


_OF_REQUEST = """SELECT decision_id FROM (SELECT decision_id, request_id FROM decision
    WHERE tenant = ? AND decision_id < ? ORDER BY decision_id DESC LIMIT ?) WHERE request_id = ?"""


def _record(row: SqlRow) -> dict[str, Any]:
    decision_id, request_id, at_us, state, digest, evidence, charged, event = row
    return {
        "id": decision_id,
        "request_id": request_id,
        "at_us": at_us,
        "state": state,
        "decision_digest": digest,
        "charged_usd_micros": charged,
        "outcome": outcome_of(json.loads(str(event))) if event else None,
        # None: retention has dropped the record; its digest is there for ever.
        "decision": None if evidence is None else json.loads(str(evidence)),
    }


def follow_in(sql: Sql, tenant: str, after_id: int | None, limit: int, request: str | None = None) -> dict[str, Any]:
    """The tenant's ledger entries after a cursor that concern decisions, with their evidence.

    Args: after_id: id of the last entry already seen; None = begin where the request begins, or, without one, at the
    present, which is also where a cursor beyond it goes on. limit: how many entries are looked at. request: only the
    entries of this decision, by its id or that of its request. Returns: `rows`; `cursor`, the last entry looked at;
    `more`, whether there are entries after that; `decision_id` of the request, None if no decision of the tenant has
    this id; `over`, whether it ended before the cursor.
    """
    logs = sql.execute("SELECT log FROM tenant WHERE tenant = ?", tenant)
    # A tenant without a log has no entry yet; all that come will be after 0.
    first, end = 1, 1
    if logs:
        first = entry_id(as_int(logs[0][0]), 0)
        end = first + ENTRIES_PER_LOG
    found = None if request is None else _begun_and_ended(sql, tenant, request)
    if request is not None and found is None:
        return {"rows": [], "cursor": 0, "more": False, "decision_id": None, "over": True}
    if after_id is None:
        after_id = _last_id(sql, first, end) if found is None else found[1] - 1
    after_id = max(after_id, first - 1)
    decision_id, _, ended = found or (None, 0, None)
    window = sql.execute(
        "SELECT MAX(id), COUNT(*) FROM (SELECT id FROM ledger WHERE id > ? AND id < ? ORDER BY id LIMIT ?)",
        after_id,
        end,
        limit,
    )
    last, count = window[0]
    # A cursor from before the state was replaced may lie beyond the present, where nothing would be told for long.
    cursor = last if isinstance(last, int) else min(after_id, _last_id(sql, first, end))
    return {
        "rows": _entries_in(sql, after_id, cursor, decision_id) if cursor > after_id else [],
        "cursor": cursor,
        "more": as_int(count) == limit,
        "decision_id": decision_id,
        "over": ended is not None and cursor >= ended,
    }


def _last_id(sql: Sql, first: int, end: int) -> int:
    last = sql.execute("SELECT MAX(id) FROM ledger WHERE id >= ? AND id < ?", first, end)[0][0]
    return last if isinstance(last, int) else first - 1


def _begun_and_ended(sql: Sql, tenant: str, request: str) -> tuple[str, int, int | None] | None:
    """The request's decision, its first ledger entry, and its last one (None while it is being served)."""
    chosen, parameters = "= ?", (request,)
    if not request.startswith("dec_"):
        chosen, parameters = f"IN ({_OF_REQUEST})", (tenant, "dec_g", SEARCHED_DECISIONS, request)  # type: ignore[assignment]
    rows = sql.execute(
        f"""SELECT decision_id, entry_id, completion_id, state FROM decision
            WHERE tenant = ? AND decision_id {chosen} ORDER BY decision_id DESC LIMIT 1""",
        tenant,
        *parameters,
    )
    if not rows:
        return None
    decision_id, entry, completion, state = rows[0]
    ended = None if state == "open" else max(as_int(entry), as_int(completion))
    return str(decision_id), as_int(entry), ended


def _entries_in(sql: Sql, after_id: int, last_id: int, decision_id: str | None) -> list[dict[str, Any]]:
    """Entries that name a decision; `admitted_id` and `admitted_us`: the entry in which it was made, and when."""
    only, parameters = ("", ()) if decision_id is None else (" AND d.decision_id = ?", (decision_id,))
    rows = sql.execute(
        f"""SELECT l.id, l.kind, l.at_us, l.entry, l.evidence, d.request_id, d.entry_id, d.at_us
            FROM ledger l JOIN decision d
            ON d.tenant = l.tenant AND d.decision_id = json_extract(l.entry, '$.payload.decision_id')
            WHERE l.id > ? AND l.id <= ? AND l.kind != ?{only} ORDER BY l.id""",
        after_id,
        last_id,
        STRUCTURE_UPDATE,
        *parameters,
    )
    return [
        {
            "id": identity,
            "kind": kind,
            "at_us": at_us,
            "payload": json.loads(str(entry))["payload"],
            "evidence": None if evidence is None else json.loads(str(evidence)),
            "request_id": request_id,
            "admitted_id": admitted_id,
            "admitted_us": admitted_us,
        }
        for identity, kind, at_us, entry, evidence, request_id, admitted_id, admitted_us in rows
    ]
