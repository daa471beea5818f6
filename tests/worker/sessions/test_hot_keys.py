"""A key with much traffic behind an event that was set aside: it keeps its order, and it catches up."""

from __future__ import annotations

from tests.worker.sessions.spool_kit import SECOND, World, drain
from worker.sessions.destination import Failed, Fate, Outcome

OK, LEFT, BAD = Fate.DELIVERED, Fate.NOT_TRIED, Failed("it answered 500")


def test_a_key_with_much_traffic_catches_up_once_what_was_set_aside_is_delivered() -> None:
    world = World()
    world.capture("hot")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [BAD])
    world.capture(*["hot"] * 300)
    for _ in range(4):
        claim = world.claim()
        if claim is not None:
            world.finish(claim, [LEFT] * len(claim.events))
    assert world.numbers() == (0, 0, 0, 301, 0)
    world.passes(20 * SECOND)
    seen: list[int] = []
    for _ in range(20):
        world.capture(*["hot"] * 40, "cold")
        claim = world.claim(most=200)
        assert claim is not None
        outcomes: list[Outcome] = [LEFT if one.is_blocked else OK for one in claim.events]
        world.finish(claim, outcomes)
        seen += [one.id for one, outcome in zip(claim.events, outcomes, strict=True) if outcome is OK]
    hot = [one for one in seen if one <= 301 or (one - 301) % 41]
    assert hot == sorted(hot)
    assert world.numbers() == (301 + 20 * 41, 0, 0, 0, 0)


def test_what_follows_a_failure_of_what_was_set_aside_is_set_aside_too() -> None:
    world = World()
    world.capture("a")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [BAD])
    world.passes(20 * SECOND)
    world.capture("a", "b", "a")
    claim = world.claim()
    assert claim is not None
    assert [(one.id, one.is_blocked) for one in claim.events] == [(1, False), (2, False), (3, False), (4, False)]
    world.finish(claim, [BAD, LEFT, OK, LEFT])
    assert world.numbers() == (1, 0, 1, 2, 0)
    seen: list[int] = []
    drain(world, seen)
    assert seen == [1, 2, 4]
