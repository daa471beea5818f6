"""Admission inside one transaction: state and facts in, a recorded decision and a reservation out.

Order of writes: the ledger entry and the reservation are part of the same commit as the decision, so nothing takes
effect that is not recorded, and a denial is in the log before the caller sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.admission import (
    BUDGET,
    LIMITED,
    POLICY,
    UNAVAILABLE,
    UNKNOWN_COVENANT,
    UNKNOWN_KEY,
    Admission,
    Facts,
    Refusal,
)
from worker.budget import Account, encode_accounts, funds_of, read_accounts, reserve
from worker.canon import codes
from worker.canon.canon_settings import CanonSettings
from worker.canon.decide import Decision, decide
from worker.canon.gates import FULFILLED, Bounds, Verdict, bounds_of, canon_bounds, guardrail_denials
from worker.canon.interference_pools import full_pools_in
from worker.canon.reasons import Reason, nearest_value
from worker.canon.store import import_in, missing_of
from worker.canon.ttv_model import models_of, with_models
from worker.covenant_store import bind_covenant
from worker.decision_record import record_text
from worker.ledger.canonical import canonical_json
from worker.ledger.canonical import canonical_string as quote
from worker.ledger.entry import ACTION, DENY, ENTRIES_PER_LOG, append_entry
from worker.ledger_settings import Retention
from worker.ports import Hasher, Sql, SqlValue, as_int
from worker.routing.candidates import Candidate, build_candidates, unconfigured_routes
from worker.routing.catalogue import CompiledCatalogue
from worker.routing.estimates import claim_probe
from worker.routing.identity import hash_of, hashed_form
from worker.routing.pool_readings import NO_READINGS, NOTHING_LEARNT, read_learnt, with_readings
from worker.routing.pool_waits import PoolReading
from worker.tenants.limiting import FREE, Held, count_in, look_in
from worker.tenants.limits import NO_LIMITS, LimitSet, Terms, stored_terms
from worker.tenants.standing import Standing, check_key_in, standing_of
from worker.tenants.usage import note_in

#: How long past its own time limit a reservation may live before it counts as orphaned.
ORPHAN_GRACE_US = 2_000_000


@dataclass(frozen=True, slots=True)
class MediatorConfig:
    """What the mediator is told by its host; all of it static while the process lives.

    `catalogue_hash`: see `worker.routing.identity`. `caps`: lifetime budget per tenant, micro-dollars;
    `default_cap` for all others, None = no limit. `allowed`: providers per tenant, absent = all. `limits`: per tenant;
    `default_limits` for all others. `pool_capacities`: requests that a provider's pool serves at full speed, where an
    operator says so (`worker.canon.interference_pools`).
    """

    catalogue: CompiledCatalogue
    catalogue_hash: str
    configured: frozenset[str]
    caps: dict[str, int]
    default_cap: int | None = None
    allowed: dict[str, frozenset[str]] | None = None
    frozen_estimates: bool = False
    limits: dict[str, LimitSet] | None = None
    default_limits: LimitSet = NO_LIMITS
    canon: CanonSettings = field(default_factory=CanonSettings)
    retention: Retention = field(default_factory=Retention)
    pool_capacities: Mapping[str, int] = field(default_factory=dict)

    def cap_of(self, tenant: str) -> int | None:
        return self.caps.get(tenant, self.default_cap)

    def limits_of(self, tenant: str) -> LimitSet:
        return self.default_limits if self.limits is None else self.limits.get(tenant, self.default_limits)


class Weighed(NamedTuple):
    """A decision of which nothing is written yet; `record` is the canonical text that its digest is taken of."""

    accounts: list[Account]
    decision: Decision
    unconfigured: list[str]
    record: str
    standing: Standing


def catalogue_hash(hasher: Hasher, catalogue: CompiledCatalogue) -> str:
    """The identity of a catalogue (`worker.routing.identity`)."""
    return hash_of(catalogue.canonical, hasher.sha3_256)


def ensure_canon(sql: Sql, hasher: Hasher, config: MediatorConfig, tenant: str, at_us: int) -> int:
    """The number of the tenant's log, which names this catalogue as CANON: by genesis, or an update after a change."""
    return _tenant_in(sql, hasher, config, tenant, at_us)[0]


#: The log's last entry comes along, because another statement would cost more.
_TENANT = f"""SELECT log, catalogue_hash, terms, canon_missing, ttv_models,
   (SELECT MAX(id) FROM ledger WHERE id >= log * {ENTRIES_PER_LOG} AND id < (log + 1) * {ENTRIES_PER_LOG})
   FROM tenant WHERE tenant = ?"""


def _tenant_in(
    sql: Sql, hasher: Hasher, config: MediatorConfig, tenant: str, at_us: int
) -> tuple[int, Terms, tuple[str, ...], str, SqlValue]:
    """`ensure_canon`'s log, the stored terms, imported items below CANON, and models of routes, all from one row.

    Last the log's last entry, None if it was not read.
    """
    rows = sql.execute(_TENANT, tenant)
    terms, ttv_models = (stored_terms(rows[0][2]), str(rows[0][4])) if rows else (stored_terms(None), "")
    if rows and rows[0][1] == config.catalogue_hash:
        return as_int(rows[0][0]), terms, missing_of(rows[0][3]), ttv_models, rows[0][5]
    sql.execute(
        """INSERT INTO tenant (tenant, catalogue_hash, created_us) VALUES (?, ?, ?)
           ON CONFLICT (tenant) DO UPDATE SET catalogue_hash = excluded.catalogue_hash""",
        tenant,
        config.catalogue_hash,
        at_us,
    )
    log = as_int(sql.execute("SELECT log FROM tenant WHERE tenant = ?", tenant)[0][0])
    canonical = config.catalogue.canonical
    hashes = {
        "catalogue": config.catalogue_hash,
        "default_policy": hasher.sha3_256(canonical_json(canonical["weights"])).hex(),
        "pool_table": hasher.sha3_256(canonical_json(canonical["pools"])).hex(),
        "price_table": hasher.sha3_256(canonical_json(canonical["offers"])).hex(),
    }
    text = canonical_json(hashed_form(canonical, hasher.sha3_256)).decode()
    kept = text if len(text.encode()) <= config.canon.max_evidence_bytes else None
    return log, terms, import_in(sql, hasher, tenant, log, at_us, hashes, kept), ttv_models, None


def admit_in(sql: Sql, hasher: Hasher, config: MediatorConfig, facts: Facts) -> Admission:
    """Know the caller, keep the limits, then decide, record and reserve.

    Whom nobody knows leaves nothing behind. Raises: UnknownModel; CanonicalError; StateError.
    """
    key = None
    if facts.key_digest:
        key, problem = check_key_in(sql, facts.tenant, facts.key_id, facts.key_digest, facts.at_us)
        if key is None:
            return Admission(facts.decision_id, "", (), 0, 0, Refusal(UNKNOWN_KEY, (problem,)))
    bound = bind_covenant(sql, facts)
    if bound is None:
        return Admission(facts.decision_id, "", (), 0, 0, Refusal(UNKNOWN_COVENANT, ()))
    log, terms, missing, ttv_models, last = _tenant_in(sql, hasher, config, bound.tenant, bound.at_us)
    standing = standing_of(config, bound.tenant, terms, key, missing, ttv_models)
    held = look_in(sql, standing, bound)
    if held.reasons:
        note_in(sql, bound.tenant, bound.key_id, bound.at_us, refused=1)
        refusal = Refusal(LIMITED, held.reasons)
        return Admission(
            bound.decision_id,
            "",
            (),
            0,
            0,
            refusal,
            rates=held.rates(admitted=False),
            retry_after_us=held.retry_after_us,
        )
    admission = _decide_in(sql, hasher, config, bound, (log, last), standing, held)
    if held is not FREE:
        admitted = admission.refusal is None
        count_in(sql, bound.tenant, held, admitted=admitted)
        admission = admission._replace(rates=held.rates(admitted=admitted))
    if key is not None and admission.refusal is not None:
        note_in(sql, bound.tenant, key.key_id, bound.at_us, refused=1)
    return admission


def _decide_in(
    sql: Sql,
    hasher: Hasher,
    config: MediatorConfig,
    facts: Facts,
    place: tuple[int, SqlValue],
    standing: Standing,
    held: Held,
) -> Admission:
    """The decision on a request that the limits let pass: recorded, and its money reserved.

    Args: place: the tenant's log, and the last entry in it (None = not read).
    """
    tenant, (log, last) = facts.tenant, place
    # Only a stored covenant's policy is news to the caller.
    policy, time_limit_us = (facts.policy, facts.time_limit_us) if facts.covenant_id else (None, 0)
    accounts, decision, unconfigured, record, _ = weigh_in(sql, config, facts, standing)
    digest = hasher.sha3_256(record.encode()).hex()
    if not decision.ranking:
        payload = _denied_text(config, digest, facts.decision_id)
        entry = append_entry(sql, hasher, tenant, log, DENY, facts.at_us, payload, record, digest, last)
        _record(sql, facts, "denied", "", 0, accounts, digest, entry, 0)
        return Admission(
            facts.decision_id, digest, (), 0, 0, refusal_of(decision.verdicts, len(unconfigured)), policy, time_limit_us
        )
    best = decision.ranking[0]
    route, verdict = decision.candidates[best].route.id, decision.verdicts[best]
    reserve(sql, tenant, accounts, verdict.worst_usd_micros)
    claim_probe(sql, tenant, route, decision.candidates[best].observation, facts.at_us)
    payload = action_text(config, digest, facts.decision_id, verdict.worst_usd_micros, route)
    entry = append_entry(sql, hasher, tenant, log, ACTION, facts.at_us, payload, record, digest, last)
    _record(sql, facts, "open", route, verdict.worst_usd_micros, accounts, digest, entry, held.planned_tokens)
    return Admission(
        decision_id=facts.decision_id,
        digest=digest,
        routes=tuple([decision.candidates[position].route.id for position in decision.ranking]),
        output_tokens=verdict.output_tokens,
        estimate_usd_micros=decision.candidates[best].cost_usd_micros,
        refusal=None,
        policy=policy,
        time_limit_us=time_limit_us,
    )


def action_text(config: MediatorConfig, digest: str, decision_id: str, reserved_usd_micros: int, route: str) -> str:
    """The canonical payload of an ACTION entry: which decision lets which route spend how much."""
    return (
        f'{{"catalogue":"{config.catalogue_hash}","decision":"{digest}","decision_id":{quote(decision_id)},'
        f'"reserved_usd_micros":{reserved_usd_micros},"route":{quote(route)}}}'
    )


def _denied_text(config: MediatorConfig, digest: str, decision_id: str) -> str:
    """The canonical payload of a DENY entry."""
    return f'{{"catalogue":"{config.catalogue_hash}","decision":"{digest}","decision_id":{quote(decision_id)}}}'


def weigh_in(sql: Sql, config: MediatorConfig, facts: Facts, standing: Standing) -> Weighed:
    """The decision on these facts, bound to their covenant, in this state, which is only read. Raises: UnknownModel."""
    standing = crowded(sql, config, standing, facts.at_us)
    names = standing.accounts(facts.policy, facts.at_us, facts.covenant_id, facts.user_id)
    accounts = read_accounts(sql, facts.tenant, names)
    learnt = NOTHING_LEARNT if config.frozen_estimates else read_learnt(sql, facts.tenant, facts.at_us)
    observed, readings = with_models(learnt.observed, standing.ttv_models), NO_READINGS
    if learnt.readings:
        modelled = models_of(standing.ttv_models)
        observed, readings = with_readings(config.catalogue, facts.model, learnt, observed, config.configured, modelled)
    candidates = build_candidates(config.catalogue, facts.model, facts.load, observed, config.configured, readings)
    return weigh(config, facts, standing, accounts, candidates, readings)


def crowded(sql: Sql, config: MediatorConfig, standing: Standing, at_us: int, own: str = "") -> Standing:
    """The standing with the pools that may not be joined, where capacities are known at all.

    Args: own: the decision that asks for another attempt, "" = none does; it is in nobody's way twice.
    """
    if not config.pool_capacities:
        return standing
    full = full_pools_in(sql, config.catalogue, config.pool_capacities, standing.tenant, at_us, own)
    return standing._replace(full_pools=full) if full else standing


def weigh(
    config: MediatorConfig,
    facts: Facts,
    standing: Standing,
    accounts: list[Account],
    candidates: Sequence[Candidate],
    readings: Mapping[str, PoolReading] = NO_READINGS,
) -> Weighed:
    """The decision between these candidates with this much money, and its record. Pure.

    Args: readings: what the candidates' estimates were made from, by the ids of their routes.
    """
    decision = decide_on(config, facts, accounts, candidates, standing)
    unconfigured = unconfigured_routes(config.catalogue, facts.model, config.configured)
    shown, authority = [*accounts, *standing.ceilings], (standing.providers, standing.models)
    record = record_text(
        facts,
        shown,
        decision,
        unconfigured,
        config.configured,
        config.catalogue_hash,
        authority,
        standing.missing_canon,
        standing.full_pools,
        readings,
    )
    return Weighed(accounts, decision, unconfigured, record, standing)


def decide_on(
    config: MediatorConfig, facts: Facts, accounts: list[Account], candidates: Sequence[Candidate], standing: Standing
) -> Decision:
    """The decision between these candidates with this much money. Pure."""
    catalogue, policy = config.catalogue, facts.policy
    bounds = bounds_on(config, facts, accounts, standing)
    return decide(candidates, facts.load, bounds, policy.deadline_us or catalogue.source.horizon_us)


def bounds_on(config: MediatorConfig, facts: Facts, accounts: list[Account], standing: Standing) -> Bounds:
    """What the gates compare with. Pure."""
    policy, funds = facts.policy, funds_of(facts.policy, [*accounts, *standing.ceilings])
    bounds = canon_bounds(
        bounds_of(config.catalogue, policy, funds, config.configured, standing.providers, True, standing.models),
        standing.missing_canon,
        standing.full_pools,
    )
    if facts.redactable is not None or facts.guardrails:
        fulfilled = FULFILLED if facts.redactable is not None else frozenset()
        bounds = bounds._replace(fulfilled=fulfilled, guardrails=guardrail_denials(facts.guardrails))
    return bounds


def _record(
    sql: Sql,
    facts: Facts,
    state: str,
    route: str,
    held: int,
    accounts: list[Account],
    digest: str,
    entry: int,
    planned_tokens: int,
) -> None:
    """Write the decision; an open one holds money until its time limit and the grace have passed."""
    sql.execute(
        """INSERT INTO decision (tenant, decision_id, request_id, at_us, state, route, attempt, held, expires_us,
           charged, accounts, session_id, user_id, digest, entry_id, completion_id, key_id, planned_tokens)
           VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, 0, ?, ?, ?, ?, ?, 0, ?, ?)""",
        facts.tenant,
        facts.decision_id,
        facts.request_id,
        facts.at_us,
        state,
        route,
        held,
        facts.at_us + facts.time_limit_us + ORPHAN_GRACE_US if state == "open" else None,
        encode_accounts(accounts),
        facts.session_id,
        facts.user_id,
        digest,
        entry,
        facts.key_id,
        planned_tokens,
    )


def refusal_of(verdicts: Sequence[Verdict], unconfigured: int) -> Refusal:
    """What stands in the way: only money, only an outage, or the policy; with every reason, most frequent first.

    That a provider is not configured comes last, unless there is no other reason: it is seldom what a caller can mend.
    """
    kinds = {_kind(verdict) for verdict in verdicts}
    kind = BUDGET if BUDGET in kinds else UNAVAILABLE if UNAVAILABLE in kinds else POLICY
    count = len(verdicts) + unconfigured
    found: dict[tuple[str, str, int], list[tuple[int, bool]]] = {}
    for verdict in verdicts:
        for denial in verdict.denials:
            is_alone = all(other.code == denial.code for other in verdict.denials)
            found.setdefault((denial.code, denial.subject, denial.bound), []).append((denial.value, is_alone))
    ordered = [
        Reason(code, subject, bound, nearest_value(values, bound), len(values), count)
        for (code, subject, bound), values in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    if unconfigured:
        ordered.append(Reason(codes.INVARIANT_VIOLATION, codes.PROVIDER_CONFIGURED, 0, 0, unconfigured, count))
    return Refusal(kind, tuple([reason.to_text() for reason in ordered]))


def _kind(verdict: Verdict) -> str:
    found = {denial.code for denial in verdict.denials}
    if found == {codes.COST_BOUND_EXCEEDED}:
        return BUDGET
    if {denial.subject for denial in verdict.denials} == {codes.PROVIDER_AVAILABLE}:
        return UNAVAILABLE
    return POLICY
