"""The points on which an endpoint is held against OpenAI's API, what each got, and how much it matters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.probe.shapes import summed_up


class Need(StrEnum):
    """What follows if a point doesn't hold."""

    required = "required"  # a client that keeps to the schema can fail on it
    usual = "usual"  # clients do without it, and lose something
    feature = "feature"  # an endpoint may do without it, if it says so with a 4xx


class Verdict(StrEnum):
    """What was seen of a point."""

    holds = "holds"
    broken = "broken"
    absent = "not offered"
    unseen = "not seen"


@dataclass(frozen=True, slots=True)
class Item:
    """One point. faults: why it does not hold, or why nothing was seen."""

    id: str
    says: str
    need: Need
    verdict: Verdict
    faults: tuple[str, ...] = ()


def item(name: str, says: str, faults: Iterable[str], need: Need = Need.required) -> Item:
    """A point that was looked at: it holds unless there are faults."""
    found = summed_up(list(faults))
    return Item(name, says, need, Verdict.broken if found else Verdict.holds, found)


def unseen(name: str, says: str, why: str, need: Need = Need.required) -> Item:
    """A point that could not be looked at."""
    return Item(name, says, need, Verdict.unseen, (why,))


def broken_required(items: Iterable[Item]) -> list[Item]:
    """The points that a client can fail on."""
    return [one for one in items if one.need is Need.required and one.verdict is Verdict.broken]
