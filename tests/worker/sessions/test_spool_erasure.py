"""Erasing somebody while events that name them are on their way: what waits goes on, and keeps its order."""

from __future__ import annotations

from tests.worker.sessions.spool_kit import World, ids
from worker.sessions.destination import Failed, Fate
from worker.sessions.spool_erasure import erase_person_in

FOLLOWERS = 20


def test_what_waits_behind_an_event_is_delivered_even_if_it_was_erased_while_that_one_was_on_its_way() -> None:
    world = World()
    world.capture(*["4:acme:ada"] * FOLLOWERS, "4:acme:bob")
    claim = world.claim()
    assert claim is not None
    no = Failed("it says no")
    world.finish(claim, [no, *[Fate.NOT_TRIED] * (FOLLOWERS - 1), Fate.DELIVERED])
    world.passes(60_000_000)
    on_its_way = world.claim()
    assert on_its_way is not None
    with world.transaction() as sql:
        assert erase_person_in(sql, "acme", range(1, FOLLOWERS + 1), {}) == FOLLOWERS
    world.finish(on_its_way, [Fate.DELIVERED] * len(on_its_way.events))
    delivered = ids(on_its_way)
    for _ in range(FOLLOWERS):
        claim = world.claim()
        if claim is None:
            break
        delivered += ids(claim)
        world.finish(claim, [Fate.DELIVERED] * len(claim.events))
    assert delivered == list(range(1, FOLLOWERS + 1))
    assert world.numbers() == (FOLLOWERS + 1, 0, 0, 0, 0)


def test_what_fails_after_it_was_erased_waits_with_the_others_of_its_session() -> None:
    world = World()
    world.capture("4:acme:ada", "4:acme:bob")
    claim = world.claim()
    assert claim is not None
    with world.transaction() as sql:
        erase_person_in(sql, "acme", [1], {})
    world.finish(claim, [Failed("it says no"), Fate.DELIVERED])
    with world.transaction() as sql:
        assert sql.execute("SELECT p.key = e.key FROM parked p JOIN event e USING (id)") == [(1,)]
