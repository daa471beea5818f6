"""The certificate of a decision problem: inputs, every verdict and total, the order, and a seal over all of it.

Whoever holds it can derive the decision again without any store: the gates run on the recorded inputs, the totals
follow from the recorded figures, and each place in the ranking is compared with the one before. That is linear in its
size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from worker.canon.certificate_form import (
    CertificateError,
    digest_of,
    fault,
    open_seal,
    require_equal,
    require_order,
    sealed,
)
from worker.canon.codes import Denial
from worker.canon.explain import finding_to_plain
from worker.canon.gates_path import Verdict, gates_of, judge
from worker.canon.measure import Measured, measure
from worker.canon.problem import Path, Problem, ProblemError, path_to_plain, problem_to_plain, read_problem
from worker.canon.resolve import Resolution, check, key_of, terms_of, total_us
from worker.canon.totals import Terms
from worker.ledger.canonical import CanonicalValue
from worker.ports import Hasher

VERSION: Final = 1
KIND: Final = "problem"
MEMBERS: Final = ("v", "kind", "problem", "extra", "canon_hash", "candidates", "ranking", "selected")
_DENIAL: Final = ("code", "subject", "bound", "value")


def certificate_of(
    problem: Problem,
    resolution: Resolution,
    hasher: Hasher,
    evidence: Mapping[str, CanonicalValue] | None = None,
) -> dict[str, Any]:
    """The certificate of what `resolve` made of a problem; the same bytes for every order of the same inputs.

    Args: problem: the one that was resolved. evidence: what the denials computed elsewhere rest on, by action id;
    recorded, and not derived again here. Raises: CanonicalError; ValueError for the resolution of another problem.
    """
    if (problem.goal, problem.canon, problem.bounds) != tuple(
        getattr(resolution.problem, name) for name in ("goal", "canon", "bounds")
    ):
        raise ValueError("this is the resolution of another problem")
    # A feature function told the features that count; the resolution's problem holds those.
    problem = resolution.problem
    order = sorted(range(len(problem.candidates)), key=lambda position: problem.candidates[position].id)
    place = {position: at for at, position in enumerate(order)}
    plain = problem_to_plain(problem)
    entries = [
        _entry(
            problem.candidates[position],
            digest_of(path, hasher),
            resolution.measured[position],
            resolution.verdicts[position],
            resolution.terms(position),
        )
        for position, path in zip(order, plain["candidates"], strict=True)
    ]
    body = {
        "v": VERSION,
        "kind": KIND,
        "problem": plain,
        "extra": _extra_to_plain(resolution.extra, evidence or {}),
        "canon_hash": problem.canon.hash,
        "candidates": entries,
        "ranking": [place[position] for position in resolution.ranking],
        "selected": resolution.selected,
    }
    return sealed(body, hasher)


def verify_problem_certificate(plain: object, hasher: Hasher) -> None:
    """Derive the decision again. Raises: CertificateError naming the first member that does not follow."""
    body = open_seal(plain, MEMBERS, hasher)
    if type(body["v"]) is not int or (body["v"], body["kind"]) != (VERSION, KIND):
        raise fault("v", f"is not {VERSION}, the only version this verifier knows")
    try:
        problem = read_problem(body["problem"], hasher)
        extra = _read_extra(body["extra"])
        check(problem, extra)
        require_equal(body["problem"], problem_to_plain(problem), "problem")
        require_equal(body["canon_hash"], problem.canon.hash, "canon_hash")
        gates = gates_of(problem, hasher, extra)
        said, keys = body["candidates"], []
        if type(said) is not list or len(said) != len(problem.candidates):
            raise fault("candidates", "are not those of the problem")
        for at, (path, entry) in enumerate(zip(problem.candidates, said, strict=True)):
            measured = measure(path, problem.horizon_us)
            verdict = judge(path, measured, gates)
            admitted = not verdict.findings
            keys.append(key_of(path, measured, total_us(path, measured, problem.weights), at) if admitted else None)
            terms = terms_of(path, measured, problem.weights) if admitted else None
            derived = _entry(path, digest_of(path_to_plain(path), hasher), measured, verdict, terms)
            require_equal(entry, derived, f"candidates[{at}]")
    except ProblemError as problem_error:
        raise CertificateError(f"problem: {problem_error.message}", param=f"problem.{problem_error.param}") from None
    require_order(keys, body["ranking"], "ranking")
    selected = problem.candidates[body["ranking"][0]].id if body["ranking"] else None
    require_equal(body["selected"], selected, "selected")


def _entry(path: Path, input_hash: str, measured: Measured, verdict: Verdict, terms: Terms | None) -> dict[str, Any]:
    return {
        "id": path.id,
        "input_hash": input_hash,
        "features": dict(measured._asdict()),
        "denials": [finding_to_plain(finding) for finding in verdict.findings],
        "warnings": [finding_to_plain(finding) for finding in verdict.warnings],
        "terms": None if terms is None else dict(terms._asdict()),
        "total_us": None if terms is None else terms.total_us,
    }


def _extra_to_plain(extra: Mapping[str, tuple[Denial, ...]], evidence: Mapping[str, CanonicalValue]) -> dict[str, Any]:
    found = {}
    for action in sorted(extra.keys() | evidence.keys()):
        denials = [dict(denial._asdict()) for denial in extra.get(action, ())]
        found[action] = {"denials": denials, "evidence": evidence.get(action)}
    return found


def _read_extra(plain: object) -> dict[str, tuple[Denial, ...]]:
    if type(plain) is not dict:
        raise fault("extra", "is not an object")
    extra = {}
    for action, said in plain.items():
        field = f"extra.{action[:64]}"
        if type(said) is not dict or said.keys() != {"denials", "evidence"} or type(said["denials"]) is not list:
            raise fault(field, "must hold denials and evidence")
        for denial in said["denials"]:
            if type(denial) is not dict or tuple(sorted(denial)) != tuple(sorted(_DENIAL)):
                raise fault(field, f"must hold denials of {', '.join(_DENIAL)}")
            kinds = [type(denial[name]) for name in _DENIAL]
            if kinds != [str, str, int, int]:
                raise fault(field, "must hold denials with a code, a subject and two whole numbers")
        extra[action] = tuple([Denial(**denial) for denial in said["denials"]])
    return extra
