"""Every way in which the real panel surprises its clients, by name; each can be switched on and off by itself.

A value says on how many of a hundred occasions the quirk shows. What is drawn depends on the seed and on how often that
one quirk was asked about, so switching one on or off changes nothing about the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from gateway.simulator.pools.chance import Chance

#: Where a quirk comes from: documented or met by first-party code, first-party test notes or a fork, our inference.
DOCUMENTED, NOTED, INFERRED = "documented", "noted", "inferred"


class QuirkError(ValueError):
    """A quirk that doesn't exist, or a share of occasions that is none."""


def _quirk(in_service: int, mark: str, meaning: str) -> Any:
    return field(default=0, metadata={"in_service": in_service, "mark": mark, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Quirks:
    """Percent of occasions, by quirk; all off unless said otherwise. Raises: QuirkError."""

    empty_subscribe: int = _quirk(30, DOCUMENTED, "subscribe succeeds with an empty body: the id must be read back")
    slow_subscribe: int = _quirk(20, DOCUMENTED, "subscribe takes effect, but answers only after 16 to 40 s")
    late_rows: int = _quirk(20, DOCUMENTED, "a new subscription shows up in the lists only some seconds later")
    resubscribe_409: int = _quirk(100, DOCUMENTED, "a second subscribe is a 409; off: it answers the one there is")
    stuck_unsubscribing: int = _quirk(5, NOTED, "a row stays un_subscribing, with its slots, for 15 minutes")
    pod_failures: int = _quirk(3, NOTED, "a running pod fails some time within ten minutes; its row stays subscribed")
    pending_pods: int = _quirk(3, NOTED, "a pod never runs, and is deleted when it was pending for ten minutes")
    leaking_rows: int = _quirk(50, DOCUMENTED, "lists filtered by team hold rows of other teams")
    ids_as_strings: int = _quirk(25, DOCUMENTED, "an answer gives its integer ids as strings")
    numbers_as_strings: int = _quirk(50, DOCUMENTED, "billing and metrics give numbers as strings")
    list_shapes: int = _quirk(50, DOCUMENTED, "a list is a bare array, or in `items`, or in `data`")
    empty_lists: int = _quirk(50, DOCUMENTED, "a list of nothing is an empty body, or null")
    error_in_200: int = _quirk(50, DOCUMENTED, "available-pools refuses with status 200 and an error object")
    odd_statuses: int = _quirk(50, INFERRED, "10189007 and 12370004 come with 400, 409, 422 or 500")
    error_shapes: int = _quirk(30, DOCUMENTED, "an error is {error}, or plain text, and not {code, message, errors}")
    slow_available_pools: int = _quirk(20, DOCUMENTED, "available-pools answers after 15 to 20 s")
    empty_success: int = _quirk(50, DOCUMENTED, "an action that answers an object succeeds with an empty body")
    plain_ok: int = _quirk(20, DOCUMENTED, "an action succeeds with the text OK")
    bare_string_ids: int = _quirk(50, NOTED, "create-instance answers a bare JSON string")
    silent_admin_delete: int = _quirk(30, DOCUMENTED, "an admin delete answers an empty 200 and does nothing")
    slot_rows: int = _quirk(100, DOCUMENTED, "`gpus` of a pool has a row for each slot, not for each card")
    wrong_404: int = _quirk(5, NOTED, "an instance that exists is a 404 once")
    field_names: int = _quirk(50, DOCUMENTED, "fields go by their other names (region_name or name, pool_id or id)")
    status_words: int = _quirk(50, DOCUMENTED, "a subscription that holds is subscribed, active or running")
    misleading_401: int = _quirk(50, NOTED, "a 401 speaks of a missing Authorization header, whatever was wrong")
    busy_503: int = _quirk(2, INFERRED, "a read is a 503 with plain text")

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
                raise QuirkError(f"{one.name} is a share of occasions from 0 to 100")


NAMES: Final = tuple(Quirks.__dataclass_fields__)


def in_service() -> Quirks:
    """How often each shows unless something else is said."""
    return Quirks(**{one.name: int(one.metadata["in_service"]) for one in fields(Quirks)})


def only(*names: str, percent: int = 100) -> Quirks:
    """Those quirks and no others. Raises: QuirkError."""
    for name in names:
        if name not in NAMES:
            raise QuirkError(f"there is no quirk {name!r}; there are {', '.join(NAMES)}")
    return Quirks(**dict.fromkeys(names, percent))


def quirks_from_text(text: str) -> Quirks:
    """`all` (as in service), `none`, or names with percent: `leaking_rows,slow_subscribe=30`. Raises: QuirkError."""
    if text in ("all", "none"):
        return in_service() if text == "all" else Quirks()
    shares = {}
    for part in text.split(","):
        name, separator, percent = part.strip().partition("=")
        if separator and not (percent.isascii() and percent.isdigit() and len(percent) < 4):
            raise QuirkError(f"{part.strip()!r}: say it like leaking_rows=30")
        only(name)
        shares[name] = int(percent) if separator else 100
    return Quirks(**shares)


def quirk_notes() -> list[tuple[str, int, str, str]]:
    """Name, share of occasions in service, mark and meaning of each."""
    return [
        (one.name, one.metadata["in_service"], one.metadata["mark"], one.metadata["meaning"]) for one in fields(Quirks)
    ]


class Dice:
    """Says whether a quirk shows this time; a stream of chance for each, so that none disturbs another."""

    def __init__(self, quirks: Quirks, seed: int) -> None:
        self.quirks = quirks
        self._chances = {name: Chance(seed * 1_000 + position) for position, name in enumerate(NAMES)}

    def shows(self, name: str) -> bool:
        """Whether it shows on this occasion."""
        percent: int = getattr(self.quirks, name)
        return percent > 0 and self._chances[name].below(100) < percent

    def between(self, name: str, least: int, most: int) -> int:
        """A number from `least` to `most`, out of that quirk's stream."""
        return least + self._chances[name].below(most - least + 1)

    def one_of(self, name: str, count: int) -> int:
        """A position below `count`, out of that quirk's stream."""
        return self._chances[name].below(count)
