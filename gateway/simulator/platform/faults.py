"""Faults made to happen at a stated call: what a test wants to see a client survive, at each step of a lease.

A step is the name of an endpoint (`ENDPOINTS` in routes.py), or `inference` for a request to a pod. A kind says what
goes wrong there; the kinds that end in `_after` have their effect first, so the client doesn't know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

#: What can be made to happen, and what it is.
KINDS: Final = MappingProxyType(
    {
        "refuse": "no capacity: code 10189007",
        "no_access": "the resource policy says no: code 12370004",
        "conflict": "409 Already subscribed",
        "unauthorized": "401",
        "not_found": "404",
        "error": "500, no effect",
        "error_after": "500, with effect",
        "busy": "503 with plain text, no effect",
        "hang": "no answer within an hour, no effect",
        "hang_after": "no answer within an hour, with effect",
        "drop": "the connection closes unanswered, no effect",
        "drop_after": "the connection closes unanswered, with effect",
        "empty": "an empty 200, with effect",
        "empty_before": "an empty 200, without any effect",
        "garbage": "a 200 that is a page of HTML, with effect",
        "pod_fails": "then the team's pods in that pool fail",
        "pod_pending": "the pods of this subscription never run",
        "stuck": "the row stays un_subscribing",
        "vanish": "then the team's subscription to that pool is gone",
    }
)
#: Kinds after which the call has no effect.
BEFORE: Final = frozenset(
    {"refuse", "no_access", "conflict", "unauthorized", "not_found", "error", "busy", "hang", "drop", "empty_before"}
)
_TEXT = re.compile(r"([a-z_]+):([a-z_]+)(?:@([0-9]{1,6}))?(?:x([0-9]{1,6}))?", re.ASCII)


class FaultError(ValueError):
    """A fault that can't be understood."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` happens at the `nth` call of `step` from now on, and at the `times - 1` after it. Raises: FaultError."""

    step: str
    kind: str
    nth: int = 1
    times: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f"there is no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.nth < 1 or self.times < 1:
            raise FaultError("a fault happens at the first call or a later one, at least once")


def faults_from_text(text: str) -> list[Fault]:
    """`subscribe:drop_after, inference:error@3x2`: step:kind, at the third call, twice. Raises: FaultError."""
    found = []
    for part in text.split(","):
        match = _TEXT.fullmatch(part.strip())
        if match is None:
            raise FaultError(f"{part.strip()!r}: say it like subscribe:drop_after, or inference:error@3x2")
        found.append(Fault(match[1], match[2], int(match[3] or 1), int(match[4] or 1)))
    return found


class _Due:
    __slots__ = ("before", "kind", "step", "times")

    def __init__(self, fault: Fault) -> None:
        self.step, self.kind, self.before, self.times = fault.step, fault.kind, fault.nth - 1, fault.times


class Faults:
    """The faults still to come."""

    def __init__(self, schedule: Iterable[Fault] = ()) -> None:
        self._left = [_Due(fault) for fault in schedule]

    def add(self, fault: Fault) -> None:
        """One more, counted from now."""
        self._left.append(_Due(fault))

    def clear(self) -> None:
        """Nothing more goes wrong on purpose."""
        self._left.clear()

    def take(self, step: str) -> str | None:
        """What goes wrong at this call of `step`: the first that is due; all of the step's are counted down."""
        kind: str | None = None
        for due in self._left:
            if due.step != step:
                continue
            if due.before:
                due.before -= 1
            elif kind is None:
                kind = due.kind
                due.times -= 1
        self._left = [due for due in self._left if due.times]
        return kind
