"""Admission inside one transaction: state and facts in, a recorded decision and a reservation out.

Order of writes: the ledger entry and the reservation are part of the same commit as the decision, so nothing takes
effect that is not recorded, and a denial is in the log before the caller sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.admission import BUDGET, POLICY, UNAVAILABLE, UNKNOWN_COVENANT, Admission, Facts, Refusal
from worker.budget import Account, account_names, encode_accounts, funds_of, read_accounts, reserve
from worker.canon import codes
from worker.canon.decide import Decision, decide
from worker.canon.gates import Bounds, Verdict, bounds_of
from worker.covenant_store import bind_covenant
from worker.decision_record import record_text
from worker.ledger.canonical import canonical_json
from worker.ledger.canonical import canonical_string as quote
from worker.ledger.entry import ACTION, DENY, STRUCTURE_UPDATE, append_entry
from worker.ports import Hasher, Sql, as_int
from worker.routing.candidates import Candidate, build_candidates, unconfigured_routes
from worker.routing.catalogue import CompiledCatalogue
from worker.routing.estimates import read_observations

#: How long past its own time limit a reservation may live before it counts as orphaned.
ORPHAN_GRACE_US = 2_000_000


@dataclass(frozen=True, slots=True)
class MediatorConfig:
    """What the mediator is told by its host; all of it static while the process lives.

    `catalogue_hash`: hex SHA3-256 of the catalogue's canonical JSON. `caps`: lifetime budget per tenant, micro-dollars;
    `default_cap` for all others, None = no limit. `allowed`: providers per tenant, absent = all.
    """

    catalogue: CompiledCatalogue
    catalogue_hash: str
    configured: frozenset[str]
    caps: dict[str, int]
    default_cap: int | None = None
    allowed: dict[str, frozenset[str]] | None = None
    frozen_estimates: bool = False

    def cap_of(self, tenant: str) -> int | None:
        return self.caps.get(tenant, self.default_cap)


class Weighed(NamedTuple):
    """A decision of which nothing is written yet; `record` is the canonical text that its digest is taken of."""

    accounts: list[Account]
    decision: Decision
    unconfigured: list[str]
    record: str


def catalogue_hash(hasher: Hasher, catalogue: CompiledCatalogue) -> str:
    """The identity of a catalogue: hex SHA3-256 of its canonical JSON."""
    return hasher.sha3_256(canonical_json(catalogue.canonical)).hex()


def ensure_canon(sql: Sql, hasher: Hasher, config: MediatorConfig, tenant: str, at_us: int) -> int:
    """The number of the tenant's log, which names this catalogue as CANON: by genesis, or an update after a change."""
    rows = sql.execute("SELECT log, catalogue_hash FROM tenant WHERE tenant = ?", tenant)
    if rows and rows[0][1] == config.catalogue_hash:
        return as_int(rows[0][0])
    sql.execute(
        """INSERT INTO tenant (tenant, catalogue_hash, created_us) VALUES (?, ?, ?)
           ON CONFLICT (tenant) DO UPDATE SET catalogue_hash = excluded.catalogue_hash""",
        tenant,
        config.catalogue_hash,
        at_us,
    )
    log = as_int(sql.execute("SELECT log FROM tenant WHERE tenant = ?", tenant)[0][0])
    canonical = config.catalogue.canonical
    parts = {
        "catalogue": config.catalogue_hash,
        "default_policy": hasher.sha3_256(canonical_json(canonical["weights"])).hex(),
        "pool_table": hasher.sha3_256(canonical_json(canonical["pools"])).hex(),
        "price_table": hasher.sha3_256(canonical_json(canonical["offers"])).hex(),
    }
    for item, digest in parts.items():
        payload = {"hash": digest, "item": item, "level": "CANON", "source": "import"}
        append_entry(sql, hasher, tenant, log, STRUCTURE_UPDATE, at_us, canonical_json(payload).decode())
    return log


def admit_in(sql: Sql, hasher: Hasher, config: MediatorConfig, facts: Facts) -> Admission:
    """Decide, record and reserve. Raises: UnknownModel; CanonicalError; StateError."""
    bound = bind_covenant(sql, facts)
    if bound is None:
        return Admission(facts.decision_id, "", (), 0, 0, Refusal(UNKNOWN_COVENANT, ()))
    facts, tenant = bound, bound.tenant
    # Only a stored covenant's policy is news to the caller.
    policy, time_limit_us = (facts.policy, facts.time_limit_us) if facts.covenant_id else (None, 0)
    log = ensure_canon(sql, hasher, config, tenant, facts.at_us)
    accounts, decision, unconfigured, record = weigh_in(sql, config, facts)
    digest = hasher.sha3_256(record.encode()).hex()
    if not decision.ranking:
        entry = append_entry(
            sql, hasher, tenant, log, DENY, facts.at_us, _denied_text(config, digest, facts.decision_id), record
        )
        _record(sql, facts, "denied", "", 0, accounts, digest, entry)
        return Admission(
            facts.decision_id, digest, (), 0, 0, refusal_of(decision.verdicts, len(unconfigured)), policy, time_limit_us
        )
    best = decision.ranking[0]
    route, verdict = decision.candidates[best].route.id, decision.verdicts[best]
    reserve(sql, tenant, accounts, verdict.worst_usd_micros)
    payload = action_text(config, digest, facts.decision_id, verdict.worst_usd_micros, route)
    entry = append_entry(sql, hasher, tenant, log, ACTION, facts.at_us, payload, record)
    _record(sql, facts, "open", route, verdict.worst_usd_micros, accounts, digest, entry)
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


def weigh_in(sql: Sql, config: MediatorConfig, facts: Facts) -> Weighed:
    """The decision on these facts, bound to their covenant, in this state, which is only read. Raises: UnknownModel."""
    names = account_names(facts.policy, config.cap_of(facts.tenant), facts.at_us, facts.covenant_id)
    accounts = read_accounts(sql, facts.tenant, names)
    observed = {} if config.frozen_estimates else read_observations(sql, facts.tenant, facts.at_us)
    candidates = build_candidates(config.catalogue, facts.model, facts.load, observed, config.configured)
    decision = decide_on(config, facts, accounts, candidates)
    unconfigured = unconfigured_routes(config.catalogue, facts.model, config.configured)
    record = record_text(facts, accounts, decision, unconfigured, config.configured, config.catalogue_hash)
    return Weighed(accounts, decision, unconfigured, record)


def decide_on(
    config: MediatorConfig, facts: Facts, accounts: list[Account], candidates: Sequence[Candidate]
) -> Decision:
    """The decision between these candidates with this much money. Pure."""
    catalogue, policy = config.catalogue, facts.policy
    bounds = bounds_on(config, facts, accounts)
    return decide(candidates, facts.load, bounds, policy.deadline_us or catalogue.source.horizon_us)


def bounds_on(config: MediatorConfig, facts: Facts, accounts: list[Account]) -> Bounds:
    """What the gates compare with. Pure."""
    allowed = config.allowed.get(facts.tenant) if config.allowed else None
    funds = funds_of(facts.policy, accounts)
    return bounds_of(config.catalogue, facts.policy, funds, config.configured, allowed, True)


def _record(
    sql: Sql,
    facts: Facts,
    state: str,
    route: str,
    held: int,
    accounts: list[Account],
    digest: str,
    entry: int,
) -> None:
    """Write the decision; an open one holds money until its time limit and the grace have passed."""
    sql.execute(
        """INSERT INTO decision (tenant, decision_id, request_id, at_us, state, route, attempt, held, expires_us,
           charged, accounts, session_id, user_id, digest, entry_id, completion_id)
           VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, 0, ?, ?, ?, ?, ?, 0)""",
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
    )


def refusal_of(verdicts: Sequence[Verdict], unconfigured: int) -> Refusal:
    """What stands in the way: only money, only an outage, or the policy; with every reason, most frequent first.

    That a provider is not configured comes last, unless there is no other reason: it is seldom what a caller can mend.
    """
    kinds = {_kind(verdict) for verdict in verdicts}
    kind = BUDGET if BUDGET in kinds else UNAVAILABLE if UNAVAILABLE in kinds else POLICY
    count = len(verdicts) + unconfigured
    found: dict[tuple[str, str, int], list[int]] = {}
    for verdict in verdicts:
        for denial in verdict.denials:
            found.setdefault((denial.code, denial.subject, denial.bound), []).append(denial.value)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    if unconfigured:
        ordered.append(((codes.INVARIANT_VIOLATION, codes.PROVIDER_CONFIGURED, 0), [0] * unconfigured))
    return Refusal(kind, tuple(f"{_reason(*key, values)} [{len(values)} of {count}]" for key, values in ordered))


def _reason(code: str, subject: str, bound: int, values: list[int]) -> str:
    """One reason of many candidates, with the value that came nearest to the bound."""
    nearest = min(values, key=lambda value: abs(value - bound))
    return f"{code}: {subject}" + (f" ({nearest} against {bound})" if bound or nearest else "")


def _kind(verdict: Verdict) -> str:
    found = {denial.code for denial in verdict.denials}
    if found == {codes.COST_BOUND_EXCEEDED}:
        return BUDGET
    if {denial.subject for denial in verdict.denials} == {codes.PROVIDER_AVAILABLE}:
        return UNAVAILABLE
    return POLICY
