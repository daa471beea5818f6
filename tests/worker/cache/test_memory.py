"""Where answers lie: never over the bound, never older than they may be, the longest unused one leaving first."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from worker.cache.kept import Kept
from worker.cache.memory import ENTRY_OVERHEAD_BYTES, PURGE_EVERY_US, Memory, Slot

SECOND_US = 1_000_000
NOW_US = 1_767_225_600 * SECOND_US


def slot(number: int, tenant: str = "acme") -> Slot:
    return (tenant, f"{number:064x}", "m")


def kept(size: int = 100) -> Kept:
    return Kept("alpha/m@solo", b"x" * size)


def room_for(answers: int, size: int = 100) -> int:
    return answers * (size + ENTRY_OVERHEAD_BYTES)


def test_an_answer_is_found_until_its_time_is_over() -> None:
    memory = Memory(room_for(1))
    assert memory.put(slot(1), kept(), 60 * SECOND_US, NOW_US)
    assert memory.get(slot(1), 300 * SECOND_US, NOW_US + 60 * SECOND_US - 1) == kept()
    assert memory.get(slot(1), 300 * SECOND_US, NOW_US + 60 * SECOND_US) is None


def test_who_wants_a_younger_answer_gets_none() -> None:
    memory = Memory(room_for(1))
    memory.put(slot(1), kept(), 3_600 * SECOND_US, NOW_US)
    assert memory.get(slot(1), 60 * SECOND_US, NOW_US + 59 * SECOND_US) == kept()
    assert memory.get(slot(1), 60 * SECOND_US, NOW_US + 60 * SECOND_US) is None
    assert memory.get(slot(1), 61 * SECOND_US, NOW_US + 60 * SECOND_US) == kept(), "it is still there for others"


def test_a_clock_that_is_behind_makes_no_answer_too_old() -> None:
    memory = Memory(room_for(1))
    memory.put(slot(1), kept(), 60 * SECOND_US, NOW_US)
    assert memory.get(slot(1), 60 * SECOND_US, NOW_US - SECOND_US) == kept()


def test_the_longest_unused_answer_leaves_first() -> None:
    memory = Memory(room_for(2))
    memory.put(slot(1), kept(), SECOND_US, NOW_US)
    memory.put(slot(2), kept(), SECOND_US, NOW_US)
    assert memory.get(slot(1), SECOND_US, NOW_US) is not None
    memory.put(slot(3), kept(), SECOND_US, NOW_US)
    found = [number for number in (1, 2, 3) if memory.get(slot(number), SECOND_US, NOW_US) is not None]
    assert found == [1, 3]


def test_what_is_larger_than_all_of_it_is_not_kept_and_pushes_nothing_out() -> None:
    memory = Memory(room_for(1))
    memory.put(slot(1), kept(), SECOND_US, NOW_US)
    assert not memory.put(slot(2), kept(101), SECOND_US, NOW_US)
    assert not memory.put(slot(1), kept(101), SECOND_US, NOW_US)
    assert memory.get(slot(1), SECOND_US, NOW_US) == kept()


def test_a_newer_answer_takes_the_place_of_the_older_one() -> None:
    memory = Memory(room_for(1))
    memory.put(slot(1), kept(100), SECOND_US, NOW_US)
    memory.put(slot(1), kept(50), 5 * SECOND_US, NOW_US + SECOND_US)
    assert memory.get(slot(1), 9 * SECOND_US, NOW_US + 5 * SECOND_US) == kept(50)
    assert (len(memory), memory.bytes_held) == (1, room_for(1, 50))


def test_what_is_too_old_leaves_memory_at_the_next_sweep() -> None:
    memory = Memory(room_for(10))
    memory.put(slot(1), kept(), 60 * SECOND_US, NOW_US)
    memory.put(slot(2), kept(), 3_600 * SECOND_US, NOW_US)
    memory.purge(NOW_US)
    memory.purge(NOW_US + 60 * SECOND_US)
    assert (len(memory), memory.bytes_held) == (1, room_for(1))
    memory.put(slot(3), kept(), SECOND_US, NOW_US + 60 * SECOND_US)
    memory.purge(NOW_US + 60 * SECOND_US + PURGE_EVERY_US - 1)
    assert len(memory) == 2, "nobody looks through everything all the time"
    memory.purge(NOW_US + 60 * SECOND_US + PURGE_EVERY_US)
    assert len(memory) == 1


def test_a_tenant_finds_only_its_own() -> None:
    memory = Memory(room_for(2))
    memory.put(slot(1, "acme"), kept(), SECOND_US, NOW_US)
    assert memory.get(slot(1, "other"), SECOND_US, NOW_US) is None


def test_a_clock_that_was_set_back_empties_it() -> None:
    """Nobody knows then how old anything is, and what was to leave soon would stay as long as the clock was wrong."""
    memory = Memory(room_for(2))
    memory.put(slot(1), kept(), 60 * SECOND_US, NOW_US)
    memory.purge(NOW_US)
    memory.purge(NOW_US - PURGE_EVERY_US)
    assert len(memory) == 1, "it was only a little behind"
    memory.purge(NOW_US - 3_600 * SECOND_US)
    assert (len(memory), memory.bytes_held) == (0, 0)
    memory.put(slot(1), kept(), SECOND_US, NOW_US - 3_600 * SECOND_US)
    memory.purge(NOW_US - 3_600 * SECOND_US + PURGE_EVERY_US)
    assert len(memory) == 0, "it is looked through again as often as before"


def test_what_a_tenant_has_can_be_forgotten_alone() -> None:
    memory = Memory(room_for(3))
    for number, tenant in ((1, "acme"), (2, "acme"), (3, "other")):
        memory.put(slot(number, tenant), kept(), SECOND_US, NOW_US)
    memory.forget("acme")
    memory.forget("nobody")
    assert (len(memory), memory.bytes_held) == (1, room_for(1))
    assert memory.get(slot(3, "other"), SECOND_US, NOW_US) == kept()


class Use(RuleBasedStateMachine):
    """Any use of a memory, beside a plain record of what was put in last."""

    MAX_BYTES = room_for(3, 200)

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(self.MAX_BYTES)
        self.now_us = NOW_US
        self.last: dict[int, tuple[bytes, int, int]] = {}

    @rule(number=st.integers(0, 5), size=st.integers(0, 2_000), ttl_us=st.integers(1, 40_000_000))
    def put(self, number: int, size: int, ttl_us: int) -> None:
        answer = kept(size)
        is_kept = self.memory.put(slot(number), answer, ttl_us, self.now_us)
        assert is_kept is (size + ENTRY_OVERHEAD_BYTES <= self.MAX_BYTES)
        if is_kept:
            self.last[number] = (answer.body, self.now_us, self.now_us + ttl_us)

    @rule(number=st.integers(0, 5), ttl_us=st.integers(1, 40_000_000))
    def get(self, number: int, ttl_us: int) -> None:
        found = self.memory.get(slot(number), ttl_us, self.now_us)
        if found is not None:
            body, stored_us, ends_us = self.last[number]
            assert found.body == body
            assert self.now_us < ends_us
            assert self.now_us - stored_us < ttl_us

    @rule(passed_us=st.integers(0, 20_000_000))
    def wait(self, passed_us: int) -> None:
        self.now_us += passed_us
        self.memory.purge(self.now_us)

    @invariant()
    def keeps_its_bound(self) -> None:
        assert 0 <= self.memory.bytes_held <= self.MAX_BYTES
        assert (self.memory.bytes_held == 0) is (len(self.memory) == 0)


TestUse = Use.TestCase
