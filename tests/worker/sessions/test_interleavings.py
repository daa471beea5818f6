"""Everything at once on one spool, in any order: two processes, retention, erasure, replays and changed routes, between
a claim and its end too. At every commit each event has one place; in the end nothing waits for ever."""

from __future__ import annotations

import random

import pytest

from tests.worker.sessions.spool_kit import SECOND, World
from worker.sessions.cursors import Claim, register_in, release_in
from worker.sessions.dead_letters import drop_in, replay_in
from worker.sessions.destination import Failed, Fate, Outcome
from worker.sessions.spool_erasure import erase_person_in
from worker.sessions.spool_retention import forget_in

NAMES = ("billing", "audit")
OUTCOMES: tuple[Outcome, ...] = (
    *[Fate.DELIVERED] * 4,
    Fate.SKIPPED,
    Fate.NOT_TRIED,
    Failed("it answered 500"),
    Failed("nobody there", is_down=True),
    Failed("it answered 422", is_permanent=True),
    Failed("it answered 410", is_gone=True),
)


def outcomes_of(claim: Claim, draw: random.Random) -> list[Outcome]:
    """What an honest destination may answer: it doesn't go on with a key after one of it stayed."""
    outcomes: list[Outcome] = []
    stuck: set[str] = set()
    for taken in claim.events:
        outcome = Fate.NOT_TRIED if taken.is_blocked or taken.key in stuck else draw.choice(OUTCOMES)
        if outcome is Fate.NOT_TRIED or (isinstance(outcome, Failed) and not outcome.is_permanent):
            stuck.add(taken.key)
        outcomes.append(outcome)
    if all(one is Fate.NOT_TRIED for one in outcomes) and not any(one.is_blocked for one in claim.events):
        outcomes[0] = Failed("nothing was tried", is_down=True)
    return outcomes


def act(world: World, draw: random.Random, name: str) -> None:
    """Something that happens beside the deliveries."""
    with world.transaction() as sql:
        match draw.randint(0, 6):
            case 0 | 1:
                world.passes(draw.randint(0, 15) * SECOND)
            case 2:
                replay_in(sql, world.now_us, name)
            case 3:
                drop_in(sql, name)
            case 4:
                sql.execute("UPDATE ledgering SET position = (SELECT COALESCE(MAX(id), 0) FROM event)")
                forget_in(sql, world.now_us - draw.randint(0, 10) * SECOND, world.now_us)
            case 5:
                register_in(sql, draw.choice([["billing"], ["audit"], list(NAMES)]))
            case _:
                erase_person_in(sql, "acme", [draw.randint(1, world.captured or 1)], {})


# The first ones are of runs that found something.
@pytest.mark.parametrize("seed", [93, 146, 171, 236, 295, 298, 316, 317, *range(24)])
def test_each_event_has_one_place_and_none_waits_for_ever(seed: int) -> None:
    draw, world = random.Random(seed), World(NAMES)
    held: dict[tuple[str, str], Claim] = {}
    for _ in range(60):
        name, who, what = draw.choice(NAMES), draw.choice(["me", "other"]), draw.random()
        if what < 0.25:
            world.capture(*draw.choices("abc", k=draw.randint(1, 5)))
        elif what < 0.55:
            act(world, draw, name)
        elif what < 0.75:
            claim = world.claim(name, who, draw.randint(1, 8))
            if claim is not None:
                held[name, who] = claim
        elif (name, who) in held:
            claim = held.pop((name, who))
            world.finish(claim, outcomes_of(claim, draw))
            if draw.random() < 0.6:
                with world.transaction() as sql:
                    release_in(sql, claim.holder, name)
        assert [sum(world.numbers(one)) for one in NAMES] == [world.captured] * 2
    with world.transaction() as sql:
        register_in(sql, NAMES)
        sql.execute("UPDATE destination SET off = '', retry_us = 0, holder = ''")
    for name in NAMES:
        for _ in range(300):
            world.passes(20 * SECOND)
            claim = world.claim(name)
            if claim is None:
                break
            world.finish(claim, [Fate.NOT_TRIED if one.is_blocked else Fate.DELIVERED for one in claim.events])
        _, _, pending, parked, _ = world.numbers(name)
        assert (pending, parked) == (0, 0)
