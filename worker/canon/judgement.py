"""A decision asked of a tenant's canon: decided, recorded with its certificate, and only then told.

The store is the authority: a body brings no items. It comes in two forms. With `candidates` it is a whole problem. With
`actionId` it asks whether one action may be taken: a problem of one candidate, which must cite at least one item.

    {actionId, intent {objective, proposedAction, target?}, canonRefs [...], context?, agentId?}
    proposedAction is the action's tag, by which items are in scope; target is one of its resources. A reference is
    {id, hash} or "id@hash": an id alone cites no content, and holds for nothing.
    context: tags, prerequisites, resources, reads, writes of the action; features and bounds as in any problem
    agentId, in both forms: who acts; what the tenant's other agents are committed to must not become later by it
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from worker.canon import why_not
from worker.canon.canon_settings import CanonSettings
from worker.canon.certificate import certificate_of
from worker.canon.codes import AUTHORITY_BOUNDARY_FAIL, Denial
from worker.canon.explain import decision_to_plain
from worker.canon.interference_form import agent_in
from worker.canon.interference_paths import NOBODY, denials_of_paths
from worker.canon.interference_store import allowance_in, state_in
from worker.canon.invariants import INV_TRUST_DENIAL_TRACE, Denials, require
from worker.canon.items import CANON, EVERY_ACTION, HASH_CHARACTERS, KINDS, Snapshot, is_hash, is_name
from worker.canon.minimal_fix import CITE, PROVIDE, WITHDRAW
from worker.canon.order import Order, Refused, check_members, field_of
from worker.canon.problem import Problem, read_problem
from worker.canon.resolve import Resolution, TooManyFindings, resolve
from worker.canon.store import snapshot_in
from worker.ledger.canonical import CanonicalValue, canonical_json
from worker.ledger.entry import DENY, PLAN, append_entry
from worker.ports import Hasher, Sql

ALLOW: Final = "ALLOW"
#: What an action that cites nothing is denied for: it has the authority of none where one is needed.
NO_CITATION: Final = Denial(AUTHORITY_BOUNDARY_FAIL, "citation", 1, 0)
#: The shortest denial in a certificate: as many as can't fit one are not even looked for.
LEAST_FINDING_BYTES: Final = 64
#: Stands for the hash that a reference does not give; no content has it.
NO_HASH: Final = "0" * HASH_CHARACTERS
_RUN: Final = ("candidates", "weights", "goal", "horizon_us", "bounds", "invariants", "agentId")
_ACTION: Final = ("actionId", "intent", "canonRefs", "context", "agentId")
_NAMES: Final = ("tags", "prerequisites", "resources", "reads", "writes")
_CERTAIN: Final = {"ttv_us": 0, "cost_usd_micros": 0, "risk_ppm": 0, "success_ppm": 1_000_000}
_WEIGHTLESS: Final = {"cost_us_per_usd_micro": 0, "risk_us_per_ppm": 0, "improbability_us_per_micronat": 0}
#: Rules are read off their content; of all other items the hash says enough.
_RULING_KINDS: Final = ("invariant", "constraint")


def decide_in(
    sql: Sql, hasher: Hasher, settings: CanonSettings, log: int, order: Order
) -> tuple[int, dict[str, Any], int]:
    """Decide, record, tell. Returns: HTTP status, the answer without the certificate, and the entry that holds that.

    Raises: Refused; ProblemError.
    """
    given = order.given
    if "canon" in given:
        raise Refused(400, "canon_is_stored", "canon can't be sent: the tenant's own store is the authority", "canon")
    is_run = "candidates" in given
    if is_run == ("actionId" in given):
        raise Refused(400, "invalid_request", "give candidates, a whole problem, or actionId, one action", "candidates")
    problem = _run(given, hasher) if is_run else _one_action(given, hasher)
    if len(problem.candidates) > settings.max_candidates:
        message = f"candidates are more than {settings.max_candidates}, the most in one call"
        raise Refused(413, "too_many_candidates", message, "candidates")
    canon = snapshot_in(sql, hasher, order.tenant)
    interference, evidence = _interference(sql, hasher, settings, order, problem, canon)
    problem = problem._replace(canon=_without_texts(canon))
    extra = _extra(problem, interference, must_cite=not is_run)
    most = settings.max_evidence_bytes // LEAST_FINDING_BYTES
    try:
        found = resolve(problem, hasher, extra, most_findings=most)
    except TooManyFindings as refused:
        raise Refused(413, "certificate_too_large", refused.message, "candidates") from None
    certificate = canonical_json(certificate_of(problem, found, hasher, evidence))
    if len(certificate) > settings.max_evidence_bytes:
        message = f"the certificate would be longer than {settings.max_evidence_bytes} bytes: ask with fewer candidates"
        raise Refused(413, "certificate_too_large", message, "candidates")
    selected = found.selected
    payload = canonical_json({"canon_hash": canon.hash, "form": "run" if is_run else "action", "selected": selected})
    kind = PLAN if selected is not None else DENY
    entry = append_entry(sql, hasher, order.tenant, log, kind, order.at_us, payload.decode(), certificate.decode())
    plain = decision_to_plain(found._replace(problem=_concerned(problem)), hasher)
    if not is_run:
        plain["denied"] = [_with_citation(one, canon, problem) for one in plain["denied"]]
    traces = _traces(found, order.at_us, plain["denied"])
    ids = why_not.note_denials_in(sql, order.tenant, entry, traces)
    _require_told(found, traces, ids)
    traces = [{"id": name, **trace} for name, trace in zip(ids, traces, strict=True)]
    if is_run:
        return 200, _run_answer(found, plain, canon, traces), entry
    return 200, _action_answer(given, canon, found, traces), entry


def _run(given: dict[str, Any], hasher: Hasher) -> Problem:
    check_members(given, _RUN)
    return read_problem({name: value for name, value in given.items() if name != "agentId"}, hasher)


def _one_action(given: dict[str, Any], hasher: Hasher) -> Problem:
    """The problem of one candidate that a body with `actionId` poses. Raises: Refused; ProblemError."""
    check_members(given, _ACTION)
    intent = field_of(given, "intent", dict, {})
    check_members(intent, ("objective", "proposedAction", "target"))
    tag, target = intent.get("proposedAction"), intent.get("target")
    if not is_name(tag) or tag == EVERY_ACTION:
        message = "intent.proposedAction must say what is done, as items do in applies_to: one tag without blanks"
        raise Refused(400, "invalid_request", message, "intent.proposedAction")
    if target is not None and not is_name(target):
        raise Refused(400, "invalid_request", "intent.target must be a name without blanks and commas", "intent.target")
    context = field_of(given, "context", dict, {})
    check_members(context, (*_NAMES, "features", "bounds"))
    action = {name: field_of(context, name, list, []) for name in _NAMES}
    action["tags"] = [*action["tags"], *([] if tag in action["tags"] else [tag])]
    if target is not None and target not in action["resources"]:
        action["resources"] = [*action["resources"], target]
    cites = [_citation(ref) for ref in field_of(given, "canonRefs", list, [])]
    name = given["actionId"]
    return read_problem(
        {
            "goal": field_of(intent, "objective", str, ""),
            "candidates": [
                {
                    "id": name,
                    "actions": [{"id": name, **action, "cites": cites}],
                    "features": context.get("features", _CERTAIN),
                }
            ],
            "weights": _WEIGHTLESS,
            "bounds": context.get("bounds", {}),
        },
        hasher,
    )


def _citation(ref: object) -> object:
    """A reference as a problem's citation."""
    if type(ref) is not str:
        return ref
    name, _, cited = ref.rpartition("@")
    return {"id": name, "hash": cited} if name and is_hash(cited) else {"id": ref, "hash": NO_HASH}


def _interference(
    sql: Sql, hasher: Hasher, settings: CanonSettings, order: Order, problem: Problem, canon: Snapshot
) -> tuple[dict[str, tuple[Denial, ...]], dict[str, CanonicalValue]]:
    """What other agents' commitments deny, and what that rests on; nothing where no action names a resource."""
    agent = agent_in(order.given) if "agentId" in order.given else NOBODY
    if not any(action.resources for path in problem.candidates for action in path.actions):
        return {}, {}
    state = state_in(sql, hasher, order.tenant, order.at_us, list(canon.items))
    return denials_of_paths(problem, state, allowance_in(sql, settings, order.tenant), agent)


def _extra(
    problem: Problem, interference: dict[str, tuple[Denial, ...]], *, must_cite: bool
) -> Mapping[str, tuple[Denial, ...]]:
    """Denials of gates that are not the problem's own; each is in the certificate, as what was handed in."""
    if not must_cite:
        return MappingProxyType(interference)
    actions = [action for path in problem.candidates for action in path.actions]
    uncited = {action.id: (NO_CITATION, *interference.get(action.id, ())) for action in actions if not action.cites}
    return MappingProxyType({**interference, **uncited})


def _with_citation(denied: dict[str, Any], canon: Snapshot, problem: Problem) -> dict[str, Any]:
    """A denial for want of any citation is taken back by making one: of the first item that would hold."""
    if denied["minimal_fix"] is None:
        return denied
    (action,) = problem.candidates[0].actions
    fits = [item for item in canon.items if item.level == CANON and item.is_in_scope(action.tags)]
    cite = {"op": CITE, "subject": fits[0].id, "action": action.id} if fits else {"op": PROVIDE, "subject": KINDS[0]}
    fixes = [
        cite if (change["op"], change["subject"]) == (WITHDRAW, NO_CITATION.subject) else change
        for change in denied["minimal_fix"]
    ]
    return {**denied, "minimal_fix": fixes}


def _without_texts(canon: Snapshot) -> Snapshot:
    """The canon with the content of rules alone: its hash is the same, and a certificate needs no more."""
    items = [item if item.kind in _RULING_KINDS else item._replace(content="") for item in canon.items]
    return canon._replace(items=tuple(items))


def _concerned(problem: Problem) -> Problem:
    """The problem with those items alone that a change of it could need: what admits a path is tried out many times."""
    actions = [action for path in problem.candidates for action in path.actions]
    named = {name for action in actions for name in action.prerequisites}
    named.update(cite.id for action in actions for cite in action.cites)
    kinds = {*_RULING_KINDS, *problem.bounds.required_kinds}
    items = [item for item in problem.canon.items if item.id in named or item.kind in kinds]
    return problem._replace(canon=problem.canon._replace(items=tuple(items)))


def _traces(found: Resolution, at_us: int, denied: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One for each denied candidate. Args: denied: how `decision_to_plain` tells them, in the same order."""
    verdicts = [verdict for verdict in found.verdicts if verdict.findings]
    return [
        why_not.trace_of(why_not.DECIDE, at_us, one["id"], found.problem.goal, verdict.findings, one["minimal_fix"])
        for one, verdict in zip(denied, verdicts, strict=True)
    ]


def _require_told(found: Resolution, traces: list[dict[str, Any]], ids: list[str]) -> None:
    """Raises: StateError, and then nothing is recorded, unless every denied candidate is told to be."""
    denied = tuple(
        path.id for path, verdict in zip(found.problem.candidates, found.verdicts, strict=True) if verdict.findings
    )
    traced = {trace["actionId"]: trace["reasonCodes"] for trace, _ in zip(traces, ids, strict=True)}
    require(INV_TRUST_DENIAL_TRACE, Denials(denied, traced, frozenset(traced)))


def _run_answer(
    found: Resolution, plain: dict[str, Any], canon: Snapshot, traces: list[dict[str, Any]]
) -> dict[str, Any]:
    denied = [{**one, "whyNotId": trace["id"]} for one, trace in zip(plain["denied"], traces, strict=True)]
    outcome = ALLOW if found.selected is not None else DENY
    return {"object": "canon_decision", "outcome": outcome, **plain, "denied": denied, "canon_hash": canon.hash}


def _action_answer(
    given: dict[str, Any], canon: Snapshot, found: Resolution, traces: list[dict[str, Any]]
) -> dict[str, Any]:
    (path,) = found.problem.candidates
    said: dict[str, Any] = {"object": "canon_decision", "actionId": given["actionId"], "canon_hash": canon.hash}
    if not traces:
        cited = [citation.id for action in path.actions for citation in action.cites]
        return {**said, "outcome": ALLOW, "proof": {"canonVersion": canon.hash, "evaluatedRefs": sorted(cited)}}
    return {**said, "outcome": DENY, "denialTrace": denial_of(traces[0])}


def denial_of(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace as an answer tells it: the first code and all of them, the words, and what would admit it."""
    said = {
        "code": trace["reasonCodes"][0],
        "codes": trace["reasonCodes"],
        "reason": trace["message"],
        "minimalFix": trace["minimalFix"] or [],
        "whyNotId": trace["id"],
    }
    if trace["violatedInvariantIds"]:
        said["failedInvariant"] = trace["violatedInvariantIds"][0]
    if trace["missingCanonIds"]:
        said["missingCanon"] = trace["missingCanonIds"]
    return said
