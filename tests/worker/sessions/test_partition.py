"""Partitions: the same everywhere, balanced, and a new one takes its share from all without moving anything else."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.sessions.session_kit import FULL, SHORT, captured
from worker.sessions.partition import USER, partition_key, partition_names, rendezvous

ROOT = Path(__file__).parents[3]
KEYS = [f"4:acme:sess_{index}" for index in range(20_000)]
#: Of chi square with n-1 degrees of freedom: what chance alone exceeds once in a thousand times.
CHI_SQUARE_999 = {2: 10.83, 3: 13.82, 8: 24.32, 16: 37.70}


def test_golden_partitions() -> None:
    found = [rendezvous(key, partition_names(8)) for key in ("", "a", "4:acme:sess_0", "\u00e4", "\U0001f600")]
    assert found == ["p6", "p5", "p4", "p3", "p3"]


def test_another_process_says_the_same() -> None:
    program = (
        "from worker.sessions.partition import *\n"
        "print(','.join(rendezvous(f'4:acme:sess_{i}', partition_names(8)) for i in range(200)))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert said == [",".join(rendezvous(key, partition_names(8)) for key in KEYS[:200])] * 2


@pytest.mark.parametrize("count", CHI_SQUARE_999)
def test_partitions_are_balanced(count: int) -> None:
    names = partition_names(count)
    held = Counter(rendezvous(key, names) for key in KEYS)
    expected = len(KEYS) / count
    assert sum((held[name] - expected) ** 2 / expected for name in names) < CHI_SQUARE_999[count]


@pytest.mark.parametrize("count", [1, 2, 7, 15])
def test_a_new_partition_takes_its_share_and_nothing_else_moves(count: int) -> None:
    before, after = partition_names(count), partition_names(count + 1)
    moved = [key for key in KEYS if rendezvous(key, before) != rendezvous(key, after)]
    assert {rendezvous(key, after) for key in moved} == {after[-1]}
    share = len(KEYS) / (count + 1)
    assert abs(len(moved) - share) < 4 * (share * count / (count + 1)) ** 0.5


@given(st.text(max_size=8), st.permutations(partition_names(5)), st.sampled_from(partition_names(5)))
def test_the_order_of_names_is_nothing_and_leaving_moves_only_what_was_there(
    key: str, names: list[str], leaving: str
) -> None:
    held = rendezvous(key, names)
    assert held == rendezvous(key, partition_names(5))
    rest = [name for name in names if name != leaving]
    assert held in (rendezvous(key, rest), leaving)


def test_one_keys_events_stay_in_order() -> None:
    events = [(index, KEYS[index % 7]) for index in range(500)]
    queues: dict[str, list[tuple[int, str]]] = {}
    for index, key in events:
        queues.setdefault(rendezvous(key, partition_names(3)), []).append((index, key))
    for key in KEYS[:7]:
        (queue,) = [queue for queue in queues.values() if any(one == key for _, one in queue)]
        own = [index for index, one in queue if one == key]
        assert own == sorted(index for index, one in events if one == key)


def test_keys_of_different_tenants_never_meet() -> None:
    event = captured(FULL)
    assert partition_key(event) == "5:org_1:sess_7"
    assert partition_key(event, USER) == "5:org_1:ada"
    pairs = [("a", "b:c"), ("a:b", "c"), ("1:a", "b")]
    keys = {partition_key(captured(SHORT | {"organization_id": one, "session_id": other})) for one, other in pairs}
    assert len(keys) == len(pairs)
    with pytest.raises(ValueError, match="partitioned by"):
        partition_key(event, "model")


@pytest.mark.parametrize("names", [[], ()])
def test_there_must_be_a_partition(names: list[str]) -> None:
    with pytest.raises(ValueError, match="no partition"):
        rendezvous("a", names)
    with pytest.raises(ValueError, match="at least one"):
        partition_names(0)
