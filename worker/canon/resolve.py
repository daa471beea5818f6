"""The decision on a problem (OPTR, opportunity targeting and response): the least total over the admissible paths.

Every action of every path is gated and every path is measured exactly once. Only paths that no gate denies have a
total and a place in the ranking; if there is none, none is selected. Nothing that is given is changed, and whatever is
outside its domain raises. What is optimal is so among the candidates given, by the figures and weights given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from worker.canon import totals
from worker.canon.codes import DENIAL_REASON_CODES, Denial
from worker.canon.gates_path import Verdict, gates_of, judge
from worker.canon.measure import Measured, measure
from worker.canon.problem import MILLION, Features, Lambdas, Path, Problem, ProblemError, check_scales
from worker.canon.totals import Key, Terms, rank
from worker.ledger.canonical import MAX_INT
from worker.ports import Hasher

#: Denials and warnings that one decision tells at most.
MOST_FINDINGS: Final = 200_000
NO_EXTRA: Final[Mapping[str, tuple[Denial, ...]]] = MappingProxyType({})


class TooManyFindings(ProblemError):
    """More denials than a decision tells: each rule over each action of each path."""


class Resolution(NamedTuple):
    """What was decided, in the order of the problem's candidates; `ranking`: positions of the admissible, best first.

    `problem` holds the features that were measured. A denied path has no total (None).
    """

    problem: Problem
    extra: Mapping[str, tuple[Denial, ...]]
    measured: tuple[Measured, ...]
    verdicts: tuple[Verdict, ...]
    totals: tuple[int | None, ...]
    ranking: tuple[int, ...]

    @property
    def selected(self) -> str | None:
        """The id of the best admissible path; None = every one is denied."""
        return self.problem.candidates[self.ranking[0]].id if self.ranking else None

    def terms(self, position: int) -> Terms | None:
        """What the total of a candidate is the sum of; None = it is denied."""
        if self.totals[position] is None:
            return None
        return terms_of(self.problem.candidates[position], self.measured[position], self.problem.weights)


def resolve(
    problem: Problem,
    hasher: Hasher,
    extra: Mapping[str, tuple[Denial, ...]] = NO_EXTRA,
    feature_fn: Callable[[Path], Features] | None = None,
    most_findings: int = MOST_FINDINGS,
) -> Resolution:
    """Judge, total and rank the paths. Pure, if `feature_fn` is.

    Args: extra: denials computed by gates that live elsewhere, by action id. feature_fn: what tells the features of a
    path, called once for each in the order given, instead of those in the problem. most_findings: denials and warnings
    of all paths together. Raises: ProblemError for a figure outside its domain, ids that occur twice, a total beyond
    2^53-1, or a denial of an action that is in no path; TooManyFindings.
    """
    if feature_fn is not None:
        problem = problem._replace(candidates=tuple([_featured(path, feature_fn) for path in problem.candidates]))
    check(problem, extra)
    gates = gates_of(problem, hasher, extra)
    measured, verdicts, found, keys = [], [], [], []
    told = 0
    for position, path in enumerate(problem.candidates):
        figures = measure(path, problem.horizon_us)
        verdict = judge(path, figures, gates)
        total = None
        told += len(verdict.findings) + len(verdict.warnings)
        if told > most_findings:
            raise TooManyFindings(f"this problem has more than {most_findings} denials: ask with fewer candidates")
        if not verdict.findings:
            total = total_us(path, figures, problem.weights)
            keys.append(key_of(path, figures, total, position))
        measured.append(figures)
        verdicts.append(verdict)
        found.append(total)
    return Resolution(problem, extra, tuple(measured), tuple(verdicts), tuple(found), rank(keys))


def total_us(path: Path, measured: Measured, weights: Lambdas) -> int:
    """The total of an admissible path. Raises: ProblemError beyond 2^53-1."""
    time_us, _, cost, risk, success, _ = measured
    total = totals.total_of(time_us, cost, risk, success, path.tier_factor_ppm, weights)
    if total > MAX_INT:
        raise ProblemError(f"the total of {path.id} is beyond 2^53-1: choose larger units", param=path.id)
    return total


def terms_of(path: Path, measured: Measured, weights: Lambdas) -> Terms:
    """What `total_us` is the sum of."""
    time_us, _, cost, risk, success, _ = measured
    return totals.terms_of(time_us, cost, risk, success, path.tier_factor_ppm, weights)


def key_of(path: Path, measured: Measured, total_us: int, position: int) -> Key:
    """What the path is ordered by."""
    return total_us, measured.ttv_us, measured.risk_ppm, measured.cost_usd_micros, path.id, position


def _featured(path: Path, feature_fn: Callable[[Path], Features]) -> Path:
    actions = tuple([action._replace(features=None) for action in path.actions])
    return path._replace(actions=actions, features=feature_fn(path), scenarios=())


def check(problem: Problem, extra: Mapping[str, tuple[Denial, ...]]) -> None:
    """What has no order or no meaning as a number is refused of a problem that was never read, too.

    Raises: ProblemError.
    """
    if len({path.id for path in problem.candidates}) != len(problem.candidates):
        raise ProblemError("candidates must not hold an id twice", param="candidates")
    check_scales(problem)
    for path in problem.candidates:
        factor = path.tier_factor_ppm
        if not path.actions or type(factor) is not int or not MILLION <= factor <= MAX_INT:
            raise ProblemError(f"{path.id} must have an action, and a tier factor of at least one", param=path.id)
        if len(path.actions) > 1 and len({action.id for action in path.actions}) != len(path.actions):
            raise ProblemError(f"{path.id} must not hold an action twice", param=path.id)
    if extra:
        known = {action.id for path in problem.candidates for action in path.actions}
        for name, denials in extra.items():
            if name not in known or any(denial.code not in DENIAL_REASON_CODES for denial in denials):
                raise ProblemError(f"extra: {name} is no action here, or denied by an unknown code", param="extra")
