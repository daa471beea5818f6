"""Whether an item may rise by one level: tests computed from what was recorded, never taken from who asks.

To PROPOSED: the item has a time and a provenance, and names evidence that is there. To CANON: all four of

  A resistance       it could have failed: something failed without the item, and enough distinct trials were made with
                     it
  B reproducibility  enough distinct trials with it succeeded, in enough contexts, and their rate of success is at least
                     a threshold by Wilson's lower bound
  C invariant safety over every scenario of a finite set, no path becomes admissible that broke a hard rule before, or
                     that the scenario names as one which must stay denied
  D feasibility      in some scenario another path is admissible, another is selected, or a total differs

Trials with the same artefact count once, in one context, and as a failure if any of them is one. Everything is
integers. What is shown is shown of the trials and scenarios that were given: whoever records trials that never took
place deceives the log, which keeps their artefacts' hashes, and the scenarios, for whoever checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from worker.canon.canon_settings import CanonSettings
from worker.canon.codes import INVARIANT_VIOLATION
from worker.canon.items import (
    LEVELS,
    MAX_NAME_CHARACTERS,
    Item,
    Snapshot,
    is_hash,
    is_name,
    snapshot_of,
)
from worker.canon.problem import Problem, read_problem
from worker.canon.resolve import Resolution, resolve
from worker.errors import MalformedRequest
from worker.ledger.canonical import MAX_INT
from worker.ports import Hasher

MILLION: Final = 1_000_000
#: Denials of one scenario.
MAX_FINDINGS: Final = 5_000
SUCCESS, FAILURE = "success", "failure"
OUTCOMES: Final = (SUCCESS, FAILURE)
TESTS: Final = ("A", "B", "C", "D")


class PromotionError(MalformedRequest):
    """Trials or scenarios of another form; `param` names the member."""

    code = "bad_promotion"


class Trial(NamedTuple):
    """One recorded trial: with the item or without it, in which context, and what came of it."""

    trial_id: str
    context: str
    with_item: bool
    outcome: str
    seed: int
    artefact_hash: str


class Reference(NamedTuple):
    """A scenario of the reference set: a problem, and its paths that must stay denied whatever is promoted."""

    problem: Problem
    must_stay_denied: tuple[str, ...]


class Shown(NamedTuple):
    """What one test found, as canonical values, and whether that passes."""

    passed: bool
    found: dict[str, Any]


def next_level(level: str) -> str | None:
    """The level above, None above CANON."""
    above = LEVELS.index(level) + 1
    return LEVELS[above] if above < len(LEVELS) else None


def read_trials(plain: object, most: int) -> tuple[Trial, ...]:
    """The trials of a call, in the order of their ids. Raises: PromotionError naming the member."""
    if type(plain) is not list or len(plain) > most:
        raise _wrong("trials", f"must be a list of at most {most}")
    trials = [_trial(one, f"trials[{at}]") for at, one in enumerate(plain)]
    if len({trial.trial_id for trial in trials}) != len(trials):
        raise _wrong("trials", "must not hold a trial_id twice")
    return tuple(sorted(trials))


def read_references(plain: object, hasher: Hasher, most: int, most_candidates: int) -> tuple[Reference, ...]:
    """The scenario set of a call. Raises: PromotionError; ProblemError naming the problem's member."""
    if type(plain) is not list or len(plain) > most:
        raise _wrong("scenarios", f"must be a list of at most {most}")
    return tuple([_reference(one, hasher, f"scenarios[{at}]", most_candidates) for at, one in enumerate(plain)])


def judge_trials(trials: Sequence[Trial], settings: CanonSettings) -> tuple[Shown, Shown]:
    """Tests A and B. Adding a trial with the item that agrees never revokes either."""
    fates: dict[tuple[bool, str], bool] = {}
    contexts: dict[str, set[str]] = {}
    for trial in trials:
        key = (trial.with_item, trial.artefact_hash)
        fates[key] = fates.get(key, True) and trial.outcome == SUCCESS
        if trial.with_item:
            contexts.setdefault(trial.artefact_hash, set()).add(trial.context)
    attempts = sum(with_item for with_item, _ in fates)
    failed_without = sum(not with_item and not fate for (with_item, _), fate in fates.items())
    agreeing = [artefact for (with_item, artefact), fate in fates.items() if with_item and fate]
    reached = {context for artefact in agreeing for context in contexts[artefact]}
    counted = contexts_of([contexts[artefact] for artefact in agreeing], settings.contexts)
    resistance = Shown(
        failed_without >= 1 and attempts >= settings.attempts,
        {"attempts": attempts, "attempts_needed": settings.attempts, "failed_without": failed_without},
    )
    is_likely = wilson_reaches(len(agreeing), attempts, settings.success_ppm, settings.z_squared_ppm)
    reproducible = Shown(
        len(agreeing) >= settings.trials and counted >= settings.contexts and is_likely,
        {
            "agreeing": len(agreeing),
            "agreeing_needed": settings.trials,
            "contexts": sorted(reached),
            "contexts_counted": counted,
            "contexts_needed": settings.contexts,
            "rate_is_reached": is_likely,
            "rate_needed_ppm": settings.success_ppm,
            "tried": attempts,
        },
    )
    return resistance, reproducible


def contexts_of(told: Iterable[set[str]], needed: int) -> int:
    """In how many contexts artefacts succeeded, at most `needed`, if each stands for one: a greatest matching.

    Args: told: for each artefact the contexts that its trials name.
    """
    taken: dict[str, set[str]] = {}

    def has_place(own: set[str], tried: set[str]) -> bool:
        for context in sorted(own - tried):
            tried.add(context)
            if context not in taken or has_place(taken[context], tried):
                taken[context] = own
                return True
        return False

    for own in told:
        if len(taken) < needed:
            has_place(own, set())
    return len(taken)


def wilson_reaches(successes: int, tried: int, threshold_ppm: int, z_squared_ppm: int) -> bool:
    """Whether Wilson's lower bound of a rate is at least the threshold, in exact integers.

    The bound reaches t just where s >= n t and (s - n t)^2 >= z^2 n t (1 - t); both sides are scaled by 10^18.
    """
    surplus = successes * MILLION - tried * threshold_ppm
    if tried < 1 or surplus < 0:
        return False
    return surplus * surplus * MILLION >= z_squared_ppm * tried * threshold_ppm * (MILLION - threshold_ppm)


def judge_scenarios(
    references: Sequence[Reference], canon: Snapshot, item: Item, hasher: Hasher
) -> tuple[Shown, Shown]:
    """Tests C and D, exhaustive over the set. Args: item: as it would be. Raises: ProblemError.

    A set without scenarios shows nothing, so neither passes.
    """
    raised = snapshot_of(hasher, [*(one for one in canon.items if one.id != item.id), item])
    opened: list[dict[str, Any]] = []
    changed: list[int] = []
    for position, reference in enumerate(references):
        before = resolve(reference.problem._replace(canon=canon), hasher, most_findings=MAX_FINDINGS)
        after = resolve(reference.problem._replace(canon=raised), hasher, most_findings=MAX_FINDINGS)
        opened += [{"path": name, "scenario": position} for name in _opened(before, after, reference)]
        if _shape(before) != _shape(after):
            changed.append(position)
    counted = {"scenarios": len(references)}
    return (
        Shown(bool(references) and not opened, {**counted, "opened": opened}),
        Shown(bool(changed), {**counted, "changed": changed}),
    )


def grounds_of(refs: Iterable[str], known: Mapping[str, object], entries: int, item: Item) -> Shown:
    """The test of a rise to PROPOSED: time, provenance, and evidence that is there.

    Args: refs: what is named as evidence, other items by id, or entries of the tenant's log as `entry:<number>`. known:
    the tenant's items. entries: how many the log has.
    """
    named = sorted(set(refs))
    there = [ref for ref in named if ref != item.id and (ref in known or _is_entry(ref, entries))]
    has_origin = item.at_us >= 1 and bool(item.provenance.source) and bool(item.provenance.ref)
    return Shown(has_origin and bool(there), {"evidence": there, "has_origin": has_origin, "named": named})


def _is_entry(ref: str, entries: int) -> bool:
    head, _, number = ref.partition(":")
    is_number = 1 <= len(number) <= 15 and number.isascii() and all("0" <= digit <= "9" for digit in number)
    return head == "entry" and is_number and int(number) < entries


def _opened(before: Resolution, after: Resolution, reference: Reference) -> list[str]:
    """The paths that may be taken after and must not."""
    names = [path.id for path in reference.problem.candidates]
    unsafe = {
        name
        for name, verdict in zip(names, before.verdicts, strict=True)
        if INVARIANT_VIOLATION in verdict.reason_codes
    }
    unsafe.update(reference.must_stay_denied)
    return sorted(names[position] for position in after.ranking if names[position] in unsafe)


def _shape(found: Resolution) -> tuple[tuple[int, ...], tuple[int | None, ...]]:
    """Which paths are admissible, in which order, with which totals."""
    return found.ranking, found.totals


def _trial(plain: object, field: str) -> Trial:
    if type(plain) is not dict or plain.keys() != set(Trial._fields):
        raise _wrong(field, f"must be an object of {', '.join(Trial._fields)}")
    for name in ("trial_id", "context"):
        if not is_name(plain[name]):
            raise _wrong(f"{field}.{name}", f"must be 1 to {MAX_NAME_CHARACTERS} visible ASCII characters, no commas")
    if type(plain["with_item"]) is not bool:
        raise _wrong(f"{field}.with_item", "must be true or false")
    if plain["outcome"] not in OUTCOMES:
        raise _wrong(f"{field}.outcome", f"must be {' or '.join(OUTCOMES)}")
    if type(plain["seed"]) is not int or not 0 <= plain["seed"] <= MAX_INT:
        raise _wrong(f"{field}.seed", "must be a whole number from 0 to 2^53-1")
    if not is_hash(plain["artefact_hash"]):
        raise _wrong(f"{field}.artefact_hash", "must be 64 lower-case hexadecimal digits")
    return Trial(**plain)


def _reference(plain: object, hasher: Hasher, field: str, most_candidates: int) -> Reference:
    if type(plain) is not dict or "canon" in plain:
        raise _wrong(field, "must be a problem, without canon: the tenant's store is what it is judged by")
    given = dict(plain)
    denied = given.pop("must_stay_denied", [])
    if type(denied) is not list or not all(is_name(name) for name in denied):
        raise _wrong(f"{field}.must_stay_denied", "must be a list of candidates' ids")
    problem = read_problem(given, hasher)
    if len(problem.candidates) > most_candidates:
        raise _wrong(f"{field}.candidates", f"must be at most {most_candidates}")
    unknown = set(denied) - {path.id for path in problem.candidates}
    if unknown:
        raise _wrong(f"{field}.must_stay_denied", f"names {min(unknown)}, which is no candidate of the scenario")
    return Reference(problem, tuple(sorted(set(denied))))


def _wrong(field: str, problem: str) -> PromotionError:
    return PromotionError(f"{field} {problem}", param=field)
