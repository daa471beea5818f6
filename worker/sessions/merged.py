"""Several partitions of a spool seen as one: captures split between them, and what each of them tells put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from worker.sessions.partition import partition_names, rendezvous

T = TypeVar("T")
_SUMS: Final = ("captured", "delivered", "skipped", "pending", "parked", "dead")
_LATEST: Final = ("retry_at", "delivered_at", "failed_at")


def split(count: int, keys: Sequence[str]) -> dict[str, list[int]]:
    """Which of the keys, by their places, belong to which of `count` partitions."""
    names = partition_names(count)
    if count == 1:
        return {names[0]: list(range(len(keys)))}
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(rendezvous(key, names), []).append(place)
    return places


def merge_recent(parts: Iterable[list[dict[str, Any]]], limit: int, by: str = "captured_at") -> list[dict[str, Any]]:
    """The newest of all parts, each of which has its newest first."""
    return sorted([one for part in parts for one in part], key=lambda one: str(one[by]), reverse=True)[:limit]


def merge_figures(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all parts together, as `worker.sessions.spool_views.figures_in` has them."""
    names = sorted({one["name"] for part in parts for one in part["destinations"]})
    by_name = [{one["name"]: one for one in part["destinations"]} for part in parts]
    return {
        **{name: sum(part[name] for part in parts) for name in parts[0] if name != "destinations"},
        "destinations": [_destination([found[name] for found in by_name if name in found]) for name in names],
    }


def merge_overviews(parts: Sequence[dict[str, Any]], recent: int, dead_letters: int) -> dict[str, Any]:
    """As `worker.sessions.overview.overview_in` has them."""
    return {
        "per_minute": [sum(counts) for counts in zip(*[part["per_minute"] for part in parts], strict=True)],
        "recent": merge_recent([part["recent"] for part in parts], recent),
        "dead_letters": merge_recent([part["dead_letters"] for part in parts], dead_letters, "at"),
    }


def _destination(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One destination over all partitions: the worst of them tells why it fails."""
    worst = max(parts, key=lambda one: (not one["is_on"], one["failures"], bool(one["reason"])))
    return {
        **worst,
        **{name: _sum([one[name] for one in parts]) for name in _SUMS},
        **{name: max((one[name] for one in parts if one[name]), default=None) for name in _LATEST},
    }


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
