"""Lemmas about order and gates, decided by an SMT solver for every input within the stated bounds, not for some.

The product's own `total_of` and `terms_of` run on the solver's integers: the formula is not written down a second time.
What the solver can't run is said beside the lemma. Bounds: times to 2^31 us, money to 2^31 micro-dollars, lambdas to
2^15, tier factors from one to eight, the chance of success one of a few values (its logarithm is a table).
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import pytest
import z3

from worker.canon.totals import terms_of, total_of

MILLION = 1_000_000
MOST_TIME, MOST_MONEY, MOST_LAMBDA, MOST_FACTOR = 2**31, 2**31, 2**15, 8 * MILLION
CHANCES = (1, 250_000, 999_999, MILLION)


class Symbol:
    """The solver's integer, with the floor division that Python's integers have (for positive divisors)."""

    def __init__(self, term: Any) -> None:
        self.term = term

    def __add__(self, other: Any) -> Symbol:
        return Symbol(self.term + _term(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Symbol:
        return Symbol(self.term - _term(other))

    def __mul__(self, other: Any) -> Symbol:
        return Symbol(self.term * _term(other))

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Symbol:
        assert divisor > 0  # where SMT-LIB's division rounds down as Python's does
        return Symbol(self.term / divisor)


def _term(value: Any) -> Any:
    return value.term if isinstance(value, Symbol) else value


class Weighed(NamedTuple):
    cost_us_per_usd_micro: Any
    risk_us_per_ppm: Any
    improbability_us_per_micronat: Any


class One(NamedTuple):
    """A candidate of unknowns; the chance of success is a number."""

    time: Any
    cost: Any
    risk: Any
    success: int
    factor: Any

    def total(self, weights: Weighed) -> Any:
        return total_of(self.time, self.cost, self.risk, self.success, self.factor, weights).term  # type: ignore[arg-type]


class Case:
    """Unknowns with their bounds, and the question whether a claim can fail."""

    def __init__(self) -> None:
        self.solver = z3.Solver()
        self.solver.set("timeout", 60_000)

    def unknown(self, name: str, least: int, most: int) -> Symbol:
        term = z3.Int(name)
        self.solver.add(term >= least, term <= most)
        return Symbol(term)

    def candidate(self, name: str, success: int, factor: int | None = None) -> One:
        scale = self.unknown(f"factor {name}", MILLION, MOST_FACTOR) if factor is None else factor
        return One(
            self.unknown(f"time {name}", 0, MOST_TIME),
            self.unknown(f"cost {name}", 0, MOST_MONEY),
            self.unknown(f"risk {name}", 0, MILLION),
            success,
            scale,
        )

    def weights(self, cost: int | None = None) -> Weighed:
        names = ("cost", "risk", "improbability")
        found = [self.unknown(f"lambda {name}", 0, MOST_LAMBDA) for name in names]
        return Weighed(found[0] if cost is None else cost, *found[1:])

    def proves(self, claim: Any) -> None:
        """Raises: AssertionError with a counterexample, or if the solver gives up."""
        self.solver.add(z3.Not(claim))
        assert self.solver.check() == z3.unsat, self.solver.model() if self.solver.check() == z3.sat else "unknown"


def before(one: tuple[Any, ...], other: tuple[Any, ...]) -> Any:
    """The order of keys as the solver sees it: Python compares tuples so, member by member."""
    first, *rest = [(left, right) for left, right in zip(one, other, strict=True)]
    if not rest:
        return first[0] < first[1]
    later = before(tuple(left for left, _ in rest), tuple(right for _, right in rest))
    return z3.Or(first[0] < first[1], z3.And(first[0] == first[1], later))


def test_the_order_is_total_and_has_one_least_of_any_three() -> None:
    """Keys of five integers whose last, the id, is unique: antisymmetric, total, transitive, so one is the least."""
    case = Case()
    keys = [tuple(z3.Int(f"{part}{at}") for part in ("total", "ttv", "risk", "cost", "id")) for at in range(3)]
    for one, other in itertools.combinations(keys, 2):
        case.solver.add(one[-1] != other[-1])
    a, b, c = keys
    either = z3.Xor(before(a, b), before(b, a))
    transitive = z3.Implies(z3.And(before(a, b), before(b, c)), before(a, c))
    leasts = [z3.And(*[before(one, other) for other in keys if other is not one]) for one in keys]
    case.proves(z3.And(either, transitive, z3.PbEq([(least, 1) for least in leasts], 1)))


def test_a_false_claim_is_refuted() -> None:
    case = Case()
    one, weights = case.candidate("a", MILLION), Weighed(5_000, 20, 10)
    with pytest.raises(AssertionError, match="time a"):
        case.proves(one.total(weights) > one.time.term)


def test_the_solver_compares_keys_as_python_does() -> None:
    values = list(itertools.product((0, 1), repeat=3))
    for one, other in itertools.product(values, repeat=2):
        said = z3.simplify(before(tuple(map(z3.IntVal, one)), tuple(map(z3.IntVal, other))))
        assert z3.is_true(said) is (one < other)


@pytest.mark.parametrize("success", CHANCES)
@pytest.mark.parametrize("figure", ["time", "cost", "risk"])
@pytest.mark.parametrize("factor", [MILLION, 1_500_000, 3_000_001])
def test_a_lower_figure_never_raises_the_total(figure: str, success: int, factor: int) -> None:
    """With the tier penalty's rounding; lambda of cost as in the catalogue, so that the claim stays linear."""
    case = Case()
    one = case.candidate("a", success, factor)
    lower = one._replace(**{figure: case.unknown("lower", 0, MOST_TIME)})
    case.solver.add(getattr(lower, figure).term <= getattr(one, figure).term)
    weights = Weighed(5_000, 20, 10)
    case.proves(lower.total(weights) <= one.total(weights))


def test_a_likelier_success_never_raises_the_total() -> None:
    case = Case()
    one = case.candidate("a", MILLION, 1_500_000)
    weights = case.weights(cost=5_000)
    totals = [one._replace(success=success).total(weights) for success in CHANCES]
    case.proves(z3.And(*[better <= worse for worse, better in itertools.pairwise(totals)]))


@pytest.mark.parametrize(("name", "figure"), [("cost_us_per_usd_micro", "cost"), ("risk_us_per_ppm", "risk")])
def test_raising_a_weight_never_chooses_more_of_what_it_weighs(name: str, figure: str) -> None:
    """T4 for two candidates: a is chosen at the lower weight, b at the higher one, so b takes no more of it."""
    case = Case()
    a, b = case.candidate("a", MILLION, MILLION), case.candidate("b", 250_000, MILLION)
    low, high = 3, 1_000
    base = Weighed(2, 5, 7)
    lower, higher = base._replace(**{name: low}), base._replace(**{name: high})
    case.solver.add(a.total(lower) <= b.total(lower), b.total(higher) <= a.total(higher))
    case.proves(getattr(b, figure).term <= getattr(a, figure).term)


@pytest.mark.parametrize("success", CHANCES)
def test_the_terms_add_up_to_the_total_and_none_is_negative(success: int) -> None:
    """T13, and that a tier factor of at least one is a penalty, never a bonus; for every weight and every factor."""
    case = Case()
    one = case.candidate("a", success)
    spent = case.unknown("spent", 0, MOST_TIME * MOST_LAMBDA)
    weights = case.weights(cost=1)
    one = one._replace(time=spent, cost=0)
    terms = terms_of(one.time, one.cost, one.risk, success, one.factor, weights)  # type: ignore[arg-type]
    total = sum((_term(term) for term in terms), start=z3.IntVal(0))
    case.proves(z3.And(total == one.total(weights), *[_term(term) >= 0 for term in terms]))


@pytest.mark.parametrize("factor", [1_000_001, 1_500_000, 2_000_000])
def test_a_worse_tier_wins_only_if_the_better_one_is_worse_by_the_factor(factor: int) -> None:
    """All else equal: the better tier's time and cost exceed the factor times the worse one's, but for rounding."""
    case = Case()
    better, worse = case.candidate("better", MILLION, MILLION), case.candidate("worse", MILLION, factor)
    worse = worse._replace(risk=better.risk)
    weights = Weighed(5_000, 20, 10)
    case.solver.add(worse.total(weights) <= better.total(weights))
    spent = [one.time.term + 5_000 * one.cost.term for one in (better, worse)]
    case.proves(spent[0] * MILLION > spent[1] * factor - MILLION)


def test_a_path_is_never_safer_nor_likelier_than_a_step_of_it() -> None:
    """Two steps of any risk and chance. `measure` refuses what is no int, so its two sums are written down here."""
    case = Case()
    risks = [case.unknown(f"risk {at}", 0, MILLION).term for at in range(2)]
    chances = [case.unknown(f"chance {at}", 0, MILLION).term for at in range(2)]
    risk = MILLION - (MILLION - risks[0]) * (MILLION - risks[1]) / MILLION
    chance = chances[0] * chances[1] / MILLION
    within = z3.And(risk >= 0, risk <= MILLION, chance >= 0, chance <= MILLION)
    case.proves(z3.And(within, *[risk >= one for one in risks], *[chance <= one for one in chances]))


def test_the_two_sums_above_are_those_of_the_engine() -> None:
    from tests.worker.canon.problem_kit import decided, features

    for first, second in itertools.product((0, 1, 2, 333_333, 999_999, MILLION), repeat=2):
        steps = [
            {"id": name, "features": features(risk_ppm=one, success_ppm=one)}
            for name, one in (("a", first), ("b", second))
        ]
        measured = decided({"id": "p", "actions": steps}).measured[0]
        assert measured.risk_ppm == MILLION - (MILLION - first) * (MILLION - second) // MILLION
        assert measured.success_ppm == first * second // MILLION


def test_a_stricter_bound_denies_whatever_the_looser_one_did() -> None:
    """Each of the three bounds, as the gates compare them: above the cost or risk bound, below the floor."""
    case = Case()
    value, loose, strict = (case.unknown(name, 0, MOST_MONEY).term for name in ("value", "loose", "strict"))
    at_most = z3.Implies(z3.And(strict <= loose, value > loose), value > strict)
    at_least = z3.Implies(z3.And(strict >= loose, value < loose), value < strict)
    case.proves(z3.And(at_most, at_least))
