"""Settlement inside one transaction: what was held becomes spending, exactly once, and the session an event.

The other ways a reservation can end are here too: moved to the next route of the same request, or orphaned by a crash
and settled at its worst case, flagged `unsettled`. A settlement that comes after that corrects the charge.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NamedTuple

from worker.admission import Fallback, Grant, Settled, Settlement
from worker.admitting import MediatorConfig, action_text, crowded
from worker.budget import (
    REQUEST_BUDGET,
    Account,
    covenant_of,
    decode_accounts,
    funds_of,
    read_accounts,
    release,
    reserve,
)
from worker.canon.gates import FULFILLED, Verdict, bounds_of, canon_bounds, judge
from worker.canon.ttv_model import models_of, with_models
from worker.covenant.policy import policy_from_plain
from worker.errors import StateError
from worker.ledger.canonical import canonical_string as quote
from worker.ledger.entry import ACTION, ENTRIES_PER_LOG, SESSION_COMPLETION, append_entry, log_of
from worker.ledger.personal import keep_opening, new_opening
from worker.ports import Hasher, Sql, SqlValue, as_int
from worker.routing.candidates import Load, build_candidates, cost_usd_micros
from worker.routing.catalogue import Route
from worker.routing.estimates import (
    UNHEALTHY_CAUSES,
    claim_probe,
    record_answer,
    record_failure,
    record_life,
    record_rest,
    return_probe,
)
from worker.routing.pool_readings import NOTHING_LEARNT, read_learnt, record_live, record_reading, with_readings
from worker.routing.pool_waits import PoolReading
from worker.sessions.event import Session, session_completed
from worker.tenants.limiting import correct_in
from worker.tenants.standing import KEY_REQUEST, TENANT_REQUEST, standing_by_id
from worker.tenants.usage import note_in
from worker.upstream.attempts import QUOTA
from worker.upstream.error_map import quota_ends_us

#: Orphans settled in one sweep, so that a sweep stays a short transaction.
SWEEP_LIMIT = 200


class _Open(NamedTuple):
    """A recorded decision and what is held for it, in micro-dollars."""

    state: str
    session: Session
    route: str
    held: int
    charged: int
    accounts: list[str]
    digest: str
    entry_id: int
    key_id: str
    planned_tokens: int
    #: The last entry of the tenant's log.
    last_id: SqlValue


#: One request, one row: whatever else settling needs comes along.
_FIND = f"""SELECT state, at_us, session_id, user_id, route, held, charged, accounts, digest, entry_id, key_id,
   planned_tokens, request_id,
   (SELECT MAX(id) FROM ledger WHERE id >= entry_id / {ENTRIES_PER_LOG} * {ENTRIES_PER_LOG}
   AND id < (entry_id / {ENTRIES_PER_LOG} + 1) * {ENTRIES_PER_LOG})
   FROM decision WHERE tenant = ? AND decision_id = ?"""


def _find(sql: Sql, tenant: str, decision_id: str) -> _Open:
    """Raises: StateError if the decision was never recorded."""
    rows = sql.execute(_FIND, tenant, decision_id)
    if not rows:
        raise StateError("a settlement names a decision that was never recorded")
    state, at_us, session_id, user_id, route, held, charged, accounts, digest, entry, key_id, planned, request, last = (
        rows[0]
    )
    session = Session(tenant, str(session_id), str(user_id), as_int(at_us), str(request))
    return _Open(
        str(state),
        session,
        str(route),
        as_int(held),
        as_int(charged),
        decode_accounts(str(accounts)),
        str(digest),
        as_int(entry),
        str(key_id),
        as_int(planned),
        last,
    )


def settle_in(sql: Sql, hasher: Hasher, config: MediatorConfig, settlement: Settlement) -> Settled:
    """Charge what was used, free the rest, learn, log and emit. Saying it twice changes nothing. Raises: StateError."""
    found = _find(sql, settlement.tenant, settlement.decision_id)
    known = settlement.usage != "unknown"
    if found.state in ("settled", "denied") or (found.state == "unsettled" and not known):
        return Settled(found.charged)
    cost = _cost(config, settlement, found)
    if found.state == "open":
        release(sql, settlement.tenant, found.accounts, found.held, cost)
        charged = found.charged + cost
    else:
        # A sweep was faster and charged the worst case of the last attempt: put the true cost in its place.
        release(sql, settlement.tenant, found.accounts, 0, cost - found.held)
        charged = found.charged - found.held + cost
    _close(sql, hasher, found, settlement, charged, "settled" if known else "unsettled")
    if known and found.planned_tokens:
        used = 0 if settlement.usage == "none" else settlement.input_tokens + settlement.output_tokens
        tenant, planned_us = settlement.tenant, found.session.started_us
        correct_in(sql, tenant, found.key_id, found.planned_tokens, used, planned_us, settlement.at_us)
    if not config.frozen_estimates:
        if not settlement.attempts:
            # Served from the cache, or over before anything was sent.
            return_probe(sql, settlement.tenant, found.route, found.session.started_us)
        _learn(sql, config, settlement)
    return Settled(charged)


def _cost(config: MediatorConfig, settlement: Settlement, found: _Open) -> int:
    if settlement.usage == "none":
        return 0
    if settlement.usage == "unknown":
        return found.held
    route = config.catalogue.by_id.get(settlement.route)
    if route is None:
        raise StateError("a settlement names a route that is not in the catalogue")
    return cost_usd_micros(route, settlement.input_tokens, settlement.output_tokens)


def _close(sql: Sql, hasher: Hasher, found: _Open, settlement: Settlement, charged: int, state: str) -> None:
    """Record how the request ended: decision, ledger entry and event in the same commit."""
    tenant, decision_id = settlement.tenant, settlement.decision_id
    corrects = _earlier_event(sql, tenant, decision_id) if found.state == "unsettled" else None
    session, opening = found.session, new_opening(sql, found.session.user_id, found.session.session_id)
    if opening is not None:
        user, named = opening.sealed(hasher)
        session = replace(session, user_id=user, session_id=named)
    event = session_completed(session, settlement, charged, corrects)[1]
    digest = hasher.sha3_256(event.encode()).hex()
    payload = (
        f'{{"cost_usd_micros":{charged},"decision":"{found.digest}","decision_id":{quote(decision_id)},'
        f'"event":"{digest}","input_tokens":{settlement.input_tokens},'
        f'"outcome":{quote(settlement.outcome)},"output_tokens":{settlement.output_tokens},'
        f'"route":{quote(settlement.route)},"state":"{state}","usage":{quote(settlement.usage)}}}'
    )
    log = log_of(found.entry_id)
    completion = append_entry(
        sql, hasher, tenant, log, SESSION_COMPLETION, settlement.at_us, payload, event, digest, found.last_id
    )
    if opening is not None:
        keep_opening(sql, tenant, completion, opening)
    sql.execute(
        """UPDATE decision SET state = ?, held = CASE WHEN ? = 'unsettled' THEN held ELSE 0 END, expires_us = NULL,
           charged = ?, completion_id = ? WHERE tenant = ? AND decision_id = ?""",
        state,
        state,
        charged,
        completion,
        tenant,
        decision_id,
    )
    if found.key_id:
        first = found.state == "open"
        note_in(
            sql,
            tenant,
            found.key_id,
            settlement.at_us,
            requests=1 if first else 0,
            input_tokens=settlement.input_tokens,
            output_tokens=settlement.output_tokens,
            charged=charged if first else charged - found.charged,
        )


def _earlier_event(sql: Sql, tenant: str, decision_id: str) -> str:
    """The id of the event that told this session's worst case."""
    rows = sql.execute(
        """SELECT json_extract(l.evidence, '$.event_id') FROM decision d JOIN ledger l ON l.id = d.completion_id
           WHERE d.tenant = ? AND d.decision_id = ?""",
        tenant,
        decision_id,
    )
    return str(rows[0][0])


def _learn(sql: Sql, config: MediatorConfig, settlement: Settlement) -> None:
    for attempt in settlement.attempts:
        if attempt.cause in UNHEALTHY_CAUSES:
            record_failure(sql, settlement.tenant, attempt.route, settlement.at_us)
        elif attempt.cause == QUOTA and attempt.route in config.catalogue.by_id:
            provider = config.catalogue.by_id[attempt.route].provider
            routes = [route.id for route in config.catalogue.routes if route.provider == provider]
            record_rest(sql, settlement.tenant, routes, quota_ends_us(settlement.at_us))
    route = config.catalogue.by_id.get(settlement.route)
    answered = settlement.attempts and settlement.attempts[-1].cause == "ok"
    if answered and settlement.outcome != "success":
        record_life(sql, settlement.tenant, settlement.route)
    elif route is not None and answered:
        planned_us = route.first_token_us + route.us_per_token * settlement.output_tokens
        record_answer(sql, settlement.tenant, route.id, planned_us, settlement.attempts[-1].elapsed_us)
    if route is not None and route.is_shared and settlement.pool is not None:
        _learn_pool(sql, settlement, route, settlement.pool)


def _learn_pool(sql: Sql, settlement: Settlement, route: Route, reading: PoolReading) -> None:
    """Keep what an answer told of its pool when it began, and learn how its time compares with that."""
    began_us = settlement.at_us - settlement.elapsed_us + settlement.first_byte_us
    record_reading(sql, settlement.tenant, route, reading, began_us)
    if settlement.attempts and settlement.attempts[-1].cause == "ok" and settlement.outcome == "success":
        seen_us = settlement.attempts[-1].elapsed_us
        record_live(sql, settlement.tenant, route, reading, settlement.output_tokens, seen_us)


def advance_in(sql: Sql, hasher: Hasher, config: MediatorConfig, fallback: Fallback) -> Grant:
    """Charge or free the failed attempt, then hold the next route's worst case if every gate still lets it pass.

    Raises: StateError.
    """
    tenant, decision_id = fallback.tenant, fallback.decision_id
    found = _find(sql, tenant, decision_id)
    if found.state != "open":
        return Grant(granted=False, output_tokens=0, charged_usd_micros=found.charged)
    cost = 0 if fallback.unbilled else found.held
    release(sql, tenant, found.accounts, found.held, cost)
    charged = found.charged + cost
    accounts, verdict = _judge_again(sql, config, fallback, found, charged)
    granted = verdict is not None and not verdict.denials
    held = verdict.worst_usd_micros if verdict is not None and granted else 0
    if granted:
        reserve(sql, tenant, accounts, held)
    sql.execute(
        """UPDATE decision SET charged = ?, held = ?, route = ?, attempt = attempt + 1
           WHERE tenant = ? AND decision_id = ?""",
        charged,
        held,
        fallback.route if granted else found.route,
        tenant,
        decision_id,
    )
    if verdict is None or not granted:
        return Grant(granted=False, output_tokens=0, charged_usd_micros=charged)
    payload = action_text(config, found.digest, decision_id, held, fallback.route)
    append_entry(sql, hasher, tenant, log_of(found.entry_id), ACTION, fallback.at_us, payload)
    return Grant(granted=True, output_tokens=verdict.output_tokens, charged_usd_micros=charged)


def _asked_in(sql: Sql, fallback: Fallback) -> tuple[dict[str, Any], Load]:
    """What admission recorded of the request, and what it asks of any route."""
    rows = sql.execute(
        """SELECT l.evidence FROM decision d JOIN ledger l ON l.id = d.entry_id
           WHERE d.tenant = ? AND d.decision_id = ?""",
        fallback.tenant,
        fallback.decision_id,
    )
    snapshot = json.loads(str(rows[0][0]))
    input_bytes, images, choices, max_output_tokens, needs = snapshot["load"]
    _, complexity, _, p_small_fails_ppm, expected = snapshot["classification"]
    return snapshot, Load(
        input_bytes, images, choices, max_output_tokens, expected, p_small_fails_ppm, complexity, frozenset(needs)
    )


def _judge_again(
    sql: Sql, config: MediatorConfig, fallback: Fallback, found: _Open, charged: int
) -> tuple[list[Account], Verdict | None]:
    """The accounts as they stand, and the gates' word on the next route; None if this request never had that route.

    Of the deadline only what is left counts, and of the money what the attempts before haven't been charged. A route
    that may be asked is claimed if it is to be probed.
    """
    snapshot, load = _asked_in(sql, fallback)
    policy = policy_from_plain(snapshot["policy"])
    standing = standing_by_id(sql, config, fallback.tenant, found.key_id)
    standing = crowded(sql, config, standing, fallback.at_us, fallback.decision_id)
    caps = standing.accounts(policy, found.session.started_us, covenant_of(found.accounts), found.session.user_id)
    # The accounts of admission: what is held in them is released by their names, whatever was set or lifted since.
    accounts = read_accounts(sql, fallback.tenant, {name: caps.get(name) for name in found.accounts})
    funds = tuple(
        fund._replace(left_usd_micros=max(0, fund.left_usd_micros - charged))
        if fund.account in (REQUEST_BUDGET, TENANT_REQUEST, KEY_REQUEST)
        else fund
        for fund in funds_of(policy, [*accounts, *standing.ceilings])
    )
    bounds = canon_bounds(
        bounds_of(config.catalogue, policy, funds, config.configured, standing.providers, True, standing.models),
        standing.missing_canon,
        standing.full_pools,
    )
    if "redacted" in snapshot:
        bounds = bounds._replace(fulfilled=FULFILLED)
    if policy.deadline_us is not None:
        left_us = policy.deadline_us - (fallback.at_us - found.session.started_us)
        bounds = bounds._replace(policy=replace(policy, deadline_us=max(0, left_us)))
    # The route this request asked last may rest for all others, because this request is its probe.
    is_new = not config.frozen_estimates and fallback.route != found.route
    learnt = read_learnt(sql, fallback.tenant, fallback.at_us) if is_new else NOTHING_LEARNT
    observed, readings = with_readings(
        config.catalogue,
        snapshot["model"],
        learnt,
        with_models(learnt.observed, standing.ttv_models),
        config.configured,
        models_of(standing.ttv_models),
    )
    for candidate in build_candidates(config.catalogue, snapshot["model"], load, observed, readings=readings):
        if candidate.route.id == fallback.route:
            verdict = judge(candidate, load, bounds)
            if not verdict.denials:
                claim_probe(sql, fallback.tenant, fallback.route, candidate.observation, fallback.at_us)
            return accounts, verdict
    return accounts, None


def sweep_in(sql: Sql, hasher: Hasher, now_us: int, everything: bool = False) -> int:
    """Settle orphaned reservations at their worst case, flagged `unsettled`; returns how many.

    Args: now_us: reservations that expired before it are orphans. everything: all are (no process that could still
    settle them is alive).
    """
    rows = sql.execute(
        "SELECT tenant, decision_id FROM decision WHERE expires_us < ? LIMIT ?",
        2**53 - 1 if everything else now_us,
        SWEEP_LIMIT,
    )
    for tenant, decision_id in rows:
        assert isinstance(tenant, str)
        assert isinstance(decision_id, str)
        found = _find(sql, tenant, decision_id)
        release(sql, tenant, found.accounts, found.held, found.held)
        settlement = Settlement(
            tenant=tenant,
            decision_id=decision_id,
            at_us=now_us,
            route=found.route,
            usage="unknown",
            input_tokens=0,
            output_tokens=0,
            outcome="error",
            first_byte_us=0,
            elapsed_us=max(0, now_us - found.session.started_us),
            attempts=(),
        )
        _close(sql, hasher, found, settlement, found.charged + found.held, "unsettled")
    return len(rows)
