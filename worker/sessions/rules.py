"""Which destinations an event goes to, and in which shape: rules tried in order, on the event as it was captured.

For each destination the first rule that matches the event and names it decides, sampling included; `stop` ends the
search. Sampling is by a hash of the event's id alone: repeated anywhere it says the same, and who gets one event in
a hundred gets some of those that one in ten gets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from worker.sessions.destination_options import OptionValue
from worker.sessions.transforms import Path, Transform

PPM: Final = 1_000_000
Scalar = str | bool | int | Decimal
_ABSENT: Final = ...


@dataclass(frozen=True, slots=True)
class In:
    """The field holds one of `values`, of the same type: true is not 1, and 1 is not "1"."""

    path: Path
    values: tuple[Scalar, ...]

    def holds(self, event: Mapping[str, Any]) -> bool:
        found = value_at(event, self.path)
        return any(_is_number(found) == _is_number(value) and _same(found, value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there and not null; or, with False, it isn't."""

    path: Path
    expected: bool

    def holds(self, event: Mapping[str, Any]) -> bool:
        found = value_at(event, self.path)
        return (found is not _ABSENT and found is not None) is self.expected


@dataclass(frozen=True, slots=True)
class Range:
    """The field is a number within the bounds; None = no bound."""

    path: Path
    gte: int | Decimal | None = None
    gt: int | Decimal | None = None
    lte: int | Decimal | None = None
    lt: int | Decimal | None = None

    def holds(self, event: Mapping[str, Any]) -> bool:
        found = value_at(event, self.path)
        return (
            _is_number(found)
            and (self.gte is None or found >= self.gte)
            and (self.gt is None or found > self.gt)
            and (self.lte is None or found <= self.lte)
            and (self.lt is None or found < self.lt)
        )


@dataclass(frozen=True, slots=True)
class Prefix:
    """The field is a text that begins like this."""

    path: Path
    text: str

    def holds(self, event: Mapping[str, Any]) -> bool:
        found = value_at(event, self.path)
        return type(found) is str and found.startswith(self.text)


Condition = In | Exists | Range | Prefix


@dataclass(frozen=True, slots=True)
class Rule:
    """All of `match` must hold. `retention_days`: None = what the destination says."""

    name: str
    match: tuple[Condition, ...]
    to: tuple[str, ...]
    transforms: tuple[Transform, ...] = ()
    sample_ppm: int = PPM
    retention_days: int | None = None
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """A party passes on to `party` what it sees, after `transforms`."""

    party: str
    transforms: tuple[Transform, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where events go: who runs it, what is taken out whatever the rule says, how long they are kept (None = for good).

    `transforms` are applied after the rule's own. `options`: what worker/sessions/destination_options.py knows of it.
    """

    name: str
    party: str
    transforms: tuple[Transform, ...] = ()
    retention_days: int | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Routes:
    """A whole configuration. `shares`: by party, whom it passes events on to."""

    destinations: Mapping[str, Destination]
    rules: tuple[Rule, ...]
    shares: Mapping[str, tuple[Share, ...]]


class Delivery(NamedTuple):
    """One destination of one event, by the rule that decided, in the shape it gets."""

    destination: str
    rule: str
    transforms: tuple[Transform, ...]
    retention_days: int | None


def route(routes: Routes, event: Mapping[str, Any]) -> tuple[Delivery, ...]:
    """Where a parsed event goes, in the order of the rules; numbers in it are integers or decimals."""
    decided: set[str] = set()
    deliveries: list[Delivery] = []
    for rule in routes.rules:
        if not all(condition.holds(event) for condition in rule.match):
            continue
        for name in rule.to:
            if name in decided:
                continue
            decided.add(name)
            if is_sampled(event["event_id"], rule.sample_ppm):
                deliveries.append(_delivery(routes.destinations[name], rule))
        if rule.stop:
            break
    return tuple(deliveries)


def _delivery(destination: Destination, rule: Rule) -> Delivery:
    days = destination.retention_days if rule.retention_days is None else rule.retention_days
    return Delivery(destination.name, rule.name, rule.transforms + destination.transforms, days)


def is_sampled(event_id: str, sample_ppm: int) -> bool:
    """Whether the event is among the `sample_ppm` of a million that are taken."""
    if sample_ppm >= PPM:
        return True  # as the digest would say of every event
    digest = hashlib.sha256(b"harpoon.sample.v1\0" + event_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") * PPM >> 64 < sample_ppm


def value_at(event: Mapping[str, Any], path: Path) -> Any:
    """What the event holds at `path`; a mark of its own where there is nothing."""
    place: Any = event
    for name in path:
        if not isinstance(place, Mapping) or name not in place:
            return _ABSENT
        place = place[name]
    return place


def _is_number(value: object) -> bool:
    return type(value) is int or type(value) is Decimal


def _same(found: object, value: Scalar) -> bool:
    return found == value and (_is_number(value) or type(found) is type(value))
