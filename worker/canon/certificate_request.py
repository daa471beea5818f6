"""The certificate of a request's decision: its record, the catalogue that was in force, and a seal over both.

The record's digest is in the tenant's log. From the catalogue and the record's inputs (load, policy, classification,
what was in the accounts, what had been observed of the routes) every candidate's figures are computed again, judged by
the same gates and put in the same order, and all of it is held against what the record says. No store is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from worker.budget import Account, funds_of
from worker.canon.certificate_form import (
    CertificateError,
    digest_of,
    fault,
    open_seal,
    require_equal,
    require_order,
    sealed,
)
from worker.canon.decide import ROW_COLUMNS, Decision, key_of, terms_of, total_us
from worker.canon.gates import FULFILLED, Bounds, bounds_of, canon_bounds, guardrail_denials, judge
from worker.canon.interference_pools import FullPools
from worker.covenant.policy import BUDGET_SCOPES, QUALITIES, Policy, policy_from_plain
from worker.decision_record import SNAPSHOT_VERSION
from worker.errors import CanonicalError, CatalogueError, HarpoonError
from worker.ports import Hasher
from worker.routing.candidates import (
    Candidate,
    Load,
    Observation,
    build_candidates,
    complexity_index,
    unconfigured_routes,
)
from worker.routing.catalogue import PRIORITIES, CompiledCatalogue, compile_catalogue
from worker.routing.identity import catalogue_of
from worker.routing.pool_readings import reading_of_cells
from worker.routing.pool_waits import PoolReading

VERSION: Final = 1
KIND: Final = "request"
MEMBERS: Final = ("v", "kind", "decision_digest", "catalogue", "decision", "selected", "terms")
_NEEDED: Final = {
    "accounts",
    "candidates",
    "catalogue",
    "classification",
    "configured",
    "load",
    "model",
    "policy",
    "ranking",
    "request",
    "unconfigured",
    "v",
}
_OPTIONAL: Final = {"authority", "full_pools", "guardrails", "missing_canon", "pools", "redacted"}
_OBSERVED: Final = ROW_COLUMNS.index("observed_samples")


class _Inputs(NamedTuple):
    """What a record was decided from."""

    catalogue: CompiledCatalogue
    load: Load
    bounds: Bounds
    horizon_us: int
    candidates: list[Candidate]


def certificate_of_request(
    record: dict[str, Any], form: object, hasher: Hasher, compiled: CompiledCatalogue | None = None
) -> dict[str, Any]:
    """The certificate of a recorded decision.

    Args: form: what the hash of the catalogue it was made under is taken of (`worker.routing.identity`), None = it is
    not at hand. compiled: that catalogue, if it is compiled already. Raises: CertificateError if this catalogue is
    another or can't be read, the record is of a version that says too little, or does not follow by today's gates.
    """
    if record.get("v") != SNAPSHOT_VERSION:
        raise fault("decision.v", f"only records of version {SNAPSHOT_VERSION} say all that a certificate rests on")
    if form is None or digest_of(form, hasher) != record["catalogue"]:
        raise fault("decision.catalogue", "the catalogue this was decided under is not at hand any more")
    try:
        inputs = _inputs(record, compiled or compile_catalogue(catalogue_of(form)))
    except CatalogueError as problem:
        raise fault("catalogue", f"is not one that this version can read: {problem.message}") from None
    decision = _decided(inputs)
    require_equal(record["candidates"], decision.to_rows(), "decision.candidates")
    body = {
        "v": VERSION,
        "kind": KIND,
        "decision_digest": digest_of(record, hasher),
        "catalogue": form,
        "decision": record,
        "selected": decision.candidates[record["ranking"][0]].route.id if record["ranking"] else None,
        "terms": _terms(inputs, decision),
    }
    try:
        return sealed(body, hasher)
    except CanonicalError:
        raise fault("terms", "are beyond 2^53-1: the catalogue's weights or prices are in too small a unit") from None


def verify_request_certificate(plain: object, hasher: Hasher) -> None:
    """Derive the decision again. Raises: CertificateError naming the first member that does not follow."""
    body = open_seal(plain, MEMBERS, hasher)
    if type(body["v"]) is not int or (body["v"], body["kind"]) != (VERSION, KIND):
        raise fault("v", f"is not {VERSION}, the only version this verifier knows")
    record, plain_catalogue = body["decision"], body["catalogue"]
    _check_members(record)
    require_equal(body["decision_digest"], digest_of(record, hasher), "decision_digest")
    require_equal(record["catalogue"], digest_of(plain_catalogue, hasher), "decision.catalogue")
    try:
        catalogue = compile_catalogue(catalogue_of(plain_catalogue))
        inputs = _inputs(record, catalogue)
        decision = _decided(inputs)
        rows, terms = decision.to_rows(), _terms(inputs, decision)
        unconfigured = unconfigured_routes(catalogue, record["model"], frozenset(record["configured"]))
    except CertificateError:
        raise
    except (HarpoonError, KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
        # Whatever is no record of ours: only its inputs are read here, and none of them twice.
        raise fault("decision", f"can't be decided again ({type(problem).__name__})") from None
    require_equal(record["candidates"], rows, "decision.candidates")
    require_equal(record["unconfigured"], unconfigured, "decision.unconfigured")
    keys = [
        None if total is None else key_of(candidate, total, at)
        for at, (candidate, total) in enumerate(zip(decision.candidates, decision.totals, strict=True))
    ]
    require_order(keys, record["ranking"], "decision.ranking")
    selected = decision.candidates[record["ranking"][0]].route.id if record["ranking"] else None
    require_equal(body["selected"], selected, "selected")
    require_equal(body["terms"], terms, "terms")


def _check_members(record: object) -> None:
    if type(record) is not dict:
        raise fault("decision", "is not an object")
    for name in sorted(_NEEDED - record.keys()):
        raise fault(f"decision.{name}", "is missing")
    for name in record:
        if name not in _NEEDED and name not in _OPTIONAL:
            raise fault(f"decision.{name[:64]}", "does not belong here")
    if type(record["v"]) is not int or record["v"] != SNAPSHOT_VERSION:
        raise fault("decision.v", f"is not {SNAPSHOT_VERSION}")
    if type(record["request"]) is not str:
        raise fault("decision.request", "is not a digest")
    for name in ("guardrails", "missing_canon", "redacted"):
        said = record.get(name)
        if name in record and not (type(said) is list and all(type(text) is str for text in said)):
            raise fault(f"decision.{name}", "is no list of texts")
    # What there is none of is not told, so that a record has one form.
    for name, nothing in (("authority", [None, None]), ("guardrails", []), ("missing_canon", []), ("full_pools", {})):
        if name in record and record[name] == nothing:
            raise fault(f"decision.{name}", "is empty, and would not be told")


def _inputs(record: Mapping[str, Any], catalogue: CompiledCatalogue) -> _Inputs:
    """The inputs of a record, as admission had them. Raises: CertificateError where they are not what they must be."""
    policy = _policy(record["policy"])
    load = _load(record)
    observed = {row.split(" ")[0]: _observation(row, at) for at, row in enumerate(record["candidates"])}
    configured = frozenset(record["configured"])
    require_equal(record["configured"], sorted(configured), "decision.configured")
    readings = _readings(record)
    candidates = build_candidates(catalogue, record["model"], load, observed, configured, readings)
    used = {candidate.route.id for candidate in candidates if candidate.wait is not None and candidate.route.is_shared}
    require_equal(sorted(readings), sorted(used), "decision.pools")
    return _Inputs(
        catalogue=catalogue,
        load=load,
        bounds=_bounds(record, catalogue, policy, configured),
        horizon_us=policy.deadline_us or catalogue.source.horizon_us,
        candidates=candidates,
    )


def _policy(plain: dict[str, Any]) -> Policy:
    policy = policy_from_plain(plain)
    require_equal(plain, policy.to_plain(), "decision.policy")
    words = (("budget_scope", BUDGET_SCOPES), ("priority", PRIORITIES), ("quality", QUALITIES))
    for name, known in words:
        if plain[name] is not None and (type(plain[name]) is not str or plain[name] not in known):
            raise fault(f"decision.policy.{name}", f"is none of {', '.join(known)}")
    for name in ("budget_usd_micros", "deadline_us"):
        if plain[name] is not None and (type(plain[name]) is not int or plain[name] < 0):
            raise fault(f"decision.policy.{name}", "is no amount")
    for name in ("flags", "requirements", "residency", "residency_exclude"):
        if any(type(word) is not str for word in plain[name]):
            raise fault(f"decision.policy.{name}", "holds what is no word")
    return policy


def _load(record: Mapping[str, Any]) -> Load:
    input_bytes, images, choices, max_output_tokens, needs = record["load"]
    version, complexity, task, p_small_fails_ppm, expected_output_tokens = record["classification"]
    numbers = (input_bytes, images, choices, max_output_tokens, p_small_fails_ppm, expected_output_tokens)
    if any(type(number) is not int or number < 0 for number in numbers) or p_small_fails_ppm > 1_000_000:
        raise fault("decision.load", "holds what is no count")
    if type(version) is not str or type(task) is not str:
        raise fault("decision.classification", "is none")
    require_equal(needs, sorted(frozenset(needs)), "decision.load[4]")
    return Load(
        input_bytes=input_bytes,
        images=images,
        choices=choices,
        max_output_tokens=max_output_tokens,
        expected_output_tokens=expected_output_tokens,
        p_small_fails_ppm=p_small_fails_ppm,
        complexity=complexity,
        needs=frozenset(needs),
    )


def _observation(row: str, at: int) -> Observation:
    cells = row.split(" ")
    if len(cells) != len(ROW_COLUMNS):
        raise fault(f"decision.candidates[{at}]", "has other columns than this version's")
    samples, ratio_ppm, failures, is_open = [int(cell) for cell in cells[_OBSERVED : _OBSERVED + 4]]
    return Observation(samples, ratio_ppm, failures, is_open != 0)


def _bounds(
    record: Mapping[str, Any], catalogue: CompiledCatalogue, policy: Policy, configured: frozenset[str]
) -> Bounds:
    accounts = []
    if type(record["accounts"]) is not list:
        raise fault("decision.accounts", "is no list")
    for at, (kind, cap, spent, reserved) in enumerate(record["accounts"]):
        numbers = (spent, reserved) if cap is None else (cap, spent, reserved)
        if type(kind) is not str or ":" in kind or any(type(number) is not int for number in numbers):
            raise fault(f"decision.accounts[{at}]", "is no account")
        accounts.append(Account(kind, cap, spent, reserved))
    providers, models = [_names(names) for names in record.get("authority", (None, None))]
    bounds = bounds_of(catalogue, policy, funds_of(policy, accounts), configured, providers, True, models)
    bounds = canon_bounds(bounds, tuple(record.get("missing_canon", ())), _full_pools(record))
    guardrails = guardrail_denials(tuple(record.get("guardrails", ())))
    # What was redacted is recorded; a requirement that nobody has asks for nothing.
    return bounds._replace(fulfilled=FULFILLED if "redacted" in record else frozenset(), guardrails=guardrails)


def _full_pools(record: Mapping[str, Any]) -> FullPools:
    full_pools = tuple(sorted(dict(record.get("full_pools", {})).items()))
    if any(type(capacity) is not int or capacity < 1 for _, capacity in full_pools):
        raise fault("decision.full_pools", "holds what is no capacity")
    return full_pools


def _readings(record: Mapping[str, Any]) -> dict[str, PoolReading]:
    """What pools told of themselves, by the routes whose estimates rest on it."""
    if "pools" not in record:
        return {}
    if not record["pools"]:
        raise fault("decision.pools", "is empty, and would not be told")
    try:
        return {route: reading_of_cells(cells) for route, cells in record["pools"].items()}
    except ValueError:
        raise fault("decision.pools", "holds what is no reading") from None


def _names(names: list[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    require_equal(names, sorted(frozenset(names)), "decision.authority")
    return frozenset(names)


def _decided(inputs: _Inputs) -> Decision:
    """Verdicts and totals of the candidates; the order is not looked for here, but checked."""
    complexity = complexity_index(inputs.load.complexity)
    verdicts = tuple([judge(candidate, inputs.load, inputs.bounds) for candidate in inputs.candidates])
    totals = [
        None if verdict.denials else total_us(candidate, inputs.bounds, inputs.horizon_us, complexity)
        for candidate, verdict in zip(inputs.candidates, verdicts, strict=True)
    ]
    return Decision(tuple(inputs.candidates), verdicts, tuple(totals), ())


def _terms(inputs: _Inputs, decision: Decision) -> list[dict[str, int] | None]:
    complexity = complexity_index(inputs.load.complexity)
    return [
        None if total is None else dict(terms_of(candidate, inputs.bounds, inputs.horizon_us, complexity)._asdict())
        for candidate, total in zip(decision.candidates, decision.totals, strict=True)
    ]
