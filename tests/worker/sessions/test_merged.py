"""Several partitions seen as one: nothing is left out, nothing counts twice, and the newest comes first."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from worker.sessions.merged import merge_figures, merge_overviews, merge_recent, split


@given(st.integers(1, 9), st.lists(st.text(max_size=3)))
def test_every_key_goes_to_one_partition_in_its_order(count: int, keys: list[str]) -> None:
    places = split(count, keys)
    assert sorted(place for part in places.values() for place in part) == list(range(len(keys)))
    assert all(part == sorted(part) for part in places.values())
    names = {keys[place]: name for name, part in places.items() for place in part}
    assert all(names[keys[place]] == name for name, part in places.items() for place in part)


@given(st.lists(st.lists(st.integers(0, 99))), st.integers(0, 20))
def test_the_newest_of_all_are_the_newest(parts: list[list[int]], limit: int) -> None:
    texts = [[{"captured_at": f"{at:02d}"} for at in sorted(part, reverse=True)] for part in parts]
    merged = [int(one["captured_at"]) for one in merge_recent(texts, limit)]
    assert merged == sorted([at for part in parts for at in part], reverse=True)[:limit]


def destination(name: str, **changes: Any) -> dict[str, Any]:
    usual = {
        "name": name,
        **dict.fromkeys(("captured", "delivered", "skipped", "pending", "parked", "dead"), 1),
        "failures": 0,
        "reason": "",
        "is_on": True,
        **dict.fromkeys(("retry_at", "delivered_at", "failed_at"), None),
    }
    return {**usual, **changes}


def part(captured: int, *destinations: dict[str, Any]) -> dict[str, Any]:
    counts = dict.fromkeys(("captured", "captured_last_hour", "captured_last_minute", "waiting"), captured)
    return {**counts, "destinations": list(destinations)}


def test_counts_add_up_and_the_worst_tells_why() -> None:
    well = destination("billing", delivered_at="2026-01-01T00:00:01Z")
    ill = destination("billing", failures=3, reason="it answered 503", failed_at="2026-01-01T00:00:02Z", parked=4)
    merged = merge_figures([part(1, well), part(2, ill), part(3, well, destination("late"))])
    assert (merged["captured"], merged["waiting"]) == (6, 6)
    billing, late = merged["destinations"]
    assert (billing["captured"], billing["parked"], billing["failures"], billing["reason"]) == (
        3,
        6,
        3,
        "it answered 503",
    )
    assert (billing["delivered_at"], billing["failed_at"]) == ("2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z")
    assert late == destination("late")


def test_one_part_stays_as_it_is_and_what_nobody_counts_stays_unknown() -> None:
    alone = part(5, destination("billing", captured=None, delivered=None, skipped=None))
    assert merge_figures([alone]) == alone
    assert merge_figures([alone, alone])["destinations"][0]["delivered"] is None
    overview = {"per_minute": [1, 2], "recent": [{"captured_at": "b"}, {"captured_at": "a"}], "dead_letters": []}
    assert merge_overviews([overview], 9, 9) == overview
    assert merge_overviews([overview, overview], 3, 9) == {
        "per_minute": [2, 4],
        "recent": [{"captured_at": "b"}, {"captured_at": "b"}, {"captured_at": "a"}],
        "dead_letters": [],
    }
