"""What leaves the spool by age or by erasure, while destinations still deliver, retry or have given up."""

from __future__ import annotations

from tests.worker.sessions.spool_kit import SECOND, World, drain, ids
from worker.sessions.cursors import register_in
from worker.sessions.dead_letters import drop_in
from worker.sessions.destination import Failed, Fate
from worker.sessions.spool_erasure import erase_person_in
from worker.sessions.spool_retention import erase_in, forget_in

OK, LEFT = Fate.DELIVERED, Fate.NOT_TRIED
BAD, NEVER = Failed("it answered 500"), Failed("it answered 422", is_permanent=True)


def test_events_go_once_every_destination_that_is_on_has_them_and_they_are_old() -> None:
    world = World(["billing", "left"])
    world.capture("a", "a", "b")
    with world.transaction() as sql:
        register_in(sql, ["billing"])
        sql.execute("UPDATE ledgering SET position = 3")
    claim = world.claim(most=2)
    assert claim is not None
    world.finish(claim, [OK, OK])
    with world.transaction() as sql:
        assert forget_in(sql, world.now_us, world.now_us) == 0
        assert forget_in(sql, world.now_us + 1, world.now_us) == 2
        assert forget_in(sql, world.now_us + 1, world.now_us) == 0
    assert world.numbers() == (2, 0, 1, 0, 0)
    assert world.numbers("left") == (0, 2, 1, 0, 0)


def forgotten(world: World) -> int:
    """How many events leave when all are old enough."""
    with world.transaction() as sql:
        sql.execute("UPDATE ledgering SET position = (SELECT COALESCE(MAX(id), 0) FROM event)")
        return forget_in(sql, world.now_us + 1, world.now_us)


def test_a_dead_letter_keeps_its_event_whatever_the_retention_and_no_other() -> None:
    world = World()
    world.capture("a", "b", "c", "d")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [NEVER, OK, BAD, OK])
    assert forgotten(world) == 2
    assert forgotten(world) == 0
    with world.transaction() as sql:
        kept = [row[0] for row in sql.execute("SELECT id FROM event ORDER BY id")]
        assert drop_in(sql) == 1
    assert kept == [1, 3]
    assert forgotten(world) == 1
    assert world.numbers() == (2, 1, 0, 1, 0)


def test_what_a_destination_retried_that_is_gone_from_the_routes_leaves_by_age() -> None:
    world = World()
    world.capture("a", "a", "b")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [BAD, LEFT, OK])
    with world.transaction() as sql:
        register_in(sql, [])
    world.passes(SECOND)
    world.capture("a")
    with world.transaction() as sql:
        sql.execute("UPDATE ledgering SET position = 4")
        assert forget_in(sql, world.now_us, world.now_us) == 3
        register_in(sql, ["billing"])
    assert world.numbers() == (1, 2, 1, 0, 0)
    again = world.claim()
    assert ids(again) == [4]
    assert again is not None
    assert not again.events[0].is_blocked


def test_events_of_a_clock_that_was_ahead_leave_with_those_around_them() -> None:
    world = World()
    world.capture("a")
    world.now_us += 1_000 * SECOND
    world.capture("b")
    world.now_us -= 999 * SECOND
    world.capture("c")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [OK, OK, OK])
    assert forgotten(world) == 3


def test_what_is_erased_while_it_is_delivered_is_accounted_for_once() -> None:
    world = World()
    world.capture("a", "b")
    claim = world.claim()
    assert claim is not None
    with world.transaction() as sql:
        erase_in(sql, "acme")
    world.finish(claim, [OK, NEVER])
    assert world.numbers() == (0, 2, 0, 0, 0)


def test_a_person_who_is_erased_during_a_delivery_leaves_nothing_waiting_for_ever() -> None:
    world = World()
    world.capture(*["a"] * 40)
    for outcomes in ([BAD, *[LEFT] * 39], [LEFT] * 39):
        claim = world.claim()
        assert claim is not None
        world.finish(claim, outcomes)
    assert world.numbers() == (0, 0, 0, 40, 0)
    world.passes(20 * SECOND)
    again = world.claim(most=10)
    assert again is not None
    with world.transaction() as sql:
        assert erase_person_in(sql, "acme", list(range(1, 41)), {}) == 40
    world.finish(again, [OK] * 10)
    seen: list[int] = []
    drain(world, seen)
    assert seen == list(range(11, 41))
    assert world.numbers() == (40, 0, 0, 0, 0)
