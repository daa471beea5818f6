"""Why the selected path was preferred to each other one: the difference of their totals, part by part, exactly.

The parts of a difference add up to it, because a total is a sum of integers. It explains an order by the figures given;
it does not say that they are right. A path that is denied did not lose by its total: its denials are the reason.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from worker.canon.gates_path import Finding, gates_of
from worker.canon.minimal_fix import MOST_TRIALS, minimal_fix
from worker.canon.resolve import Resolution
from worker.canon.totals import Terms
from worker.ports import Hasher

#: What decides between two paths, in this order; between equal totals it is the first of the others that differs.
DECIDED_BY = ("total", "ttv_us", "risk_ppm", "cost_usd_micros", "id")


class Difference(NamedTuple):
    """By how much `candidate` is worse than `selected`, in microseconds: `parts` add up to `total_us`."""

    candidate: str
    selected: str
    total_us: int
    parts: Terms
    decided_by: str


def differences(resolution: Resolution) -> tuple[Difference, ...]:
    """One for each admissible path that was not selected, in the order of the ranking. Pure."""
    if not resolution.ranking:
        return ()
    first, *others = resolution.ranking
    return tuple([_difference(resolution, first, other) for other in others])


def difference_of_terms(worse: Terms, better: Terms) -> Terms:
    """`worse` less `better`, part by part; the sum of the parts is the difference of the totals."""
    return Terms(*[one - other for one, other in zip(worse, better, strict=True)])


def _difference(resolution: Resolution, best: int, other: int) -> Difference:
    better, worse = resolution.terms(best), resolution.terms(other)
    assert better is not None
    assert worse is not None
    parts = difference_of_terms(worse, better)
    names = [resolution.problem.candidates[position].id for position in (other, best)]
    measured = [resolution.measured[position] for position in (other, best)]
    decided_by = "total"
    if not parts.total_us:
        keys = zip(*[(one.ttv_us, one.risk_ppm, one.cost_usd_micros) for one in measured], strict=True)
        unequal = [name for name, (one, two) in zip(DECIDED_BY[1:4], keys, strict=True) if one != two]
        decided_by = unequal[0] if unequal else "id"
    return Difference(names[0], names[1], parts.total_us, parts, decided_by)


def finding_to_plain(finding: Finding) -> dict[str, Any]:
    """A denial with its action, which is left out where it is the whole path's."""
    code, subject, bound, value = finding.denial
    said = {"reason_code": code, "subject": subject, "bound": bound, "value": value}
    return {**said, "action": finding.action} if finding.action else said


def decision_to_plain(resolution: Resolution, hasher: Hasher) -> dict[str, Any]:
    """The decision for a reader: selection, ranking with totals, what each loser lost by, what a denied path needs."""
    problem = resolution.problem
    totals = []
    for position in resolution.ranking:
        terms = resolution.terms(position)
        assert terms is not None
        name = problem.candidates[position].id
        totals.append({"id": name, "total_us": terms.total_us, "terms": dict(terms._asdict())})
    return {
        "selected": resolution.selected,
        "ranking": [one["id"] for one in totals],
        "totals": totals,
        "explanations": [
            {**difference._asdict(), "parts": dict(difference.parts._asdict())}
            for difference in differences(resolution)
        ],
        "denied": _denied(resolution, hasher),
        "warnings": [
            {"candidate": path.id, **finding_to_plain(warning)}
            for path, verdict in zip(problem.candidates, resolution.verdicts, strict=True)
            for warning in verdict.warnings
        ],
    }


def _denied(resolution: Resolution, hasher: Hasher) -> list[dict[str, Any]]:
    """Every denied path with its denials, and with what would admit it, as far as that is looked for."""
    gates, trials = gates_of(resolution.problem, hasher, resolution.extra), 0
    told = []
    for position, verdict in enumerate(resolution.verdicts):
        if not verdict.findings:
            continue
        trials += len(verdict.findings) ** 2
        changes = minimal_fix(resolution, position, hasher, gates) if trials <= MOST_TRIALS else None
        told.append(
            {
                "id": resolution.problem.candidates[position].id,
                "reason_codes": list(verdict.reason_codes),
                "denials": [finding_to_plain(finding) for finding in verdict.findings],
                "minimal_fix": None if changes is None else [change.to_plain() for change in changes],
            }
        )
    return told
