"""Cursors as stories: what is claimed, what a failure holds back, what nobody loses."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.sessions.spool_kit import LEASE_US, SECOND, World, drain, ids
from worker.sessions.cursors import due_in, register_in, release_in, renew_in, switch_on_in
from worker.sessions.dead_letters import dead_letters_in, drop_in, replay_in
from worker.sessions.destination import Failed, Fate, Outcome

OK, SKIP, LEFT = Fate.DELIVERED, Fate.SKIPPED, Fate.NOT_TRIED
BAD, DOWN = Failed("it answered 500"), Failed("nobody there", is_down=True)
NEVER, GONE = Failed("it answered 422", is_permanent=True), Failed("it answered 410", is_gone=True)


def test_events_are_claimed_in_the_order_of_capture_and_gone_once_delivered() -> None:
    world = World()
    world.capture("a", "b", "a")
    claim = world.claim(most=2)
    assert claim is not None
    assert ids(claim) == [1, 2]
    world.finish(claim, [OK, SKIP])
    assert world.numbers() == (1, 1, 1, 0, 0)
    assert ids(world.claim()) == [3]


def test_nobody_else_claims_while_the_lease_holds_and_a_late_finish_writes_nothing() -> None:
    world = World()
    world.capture("a")
    mine = world.claim(holder="me")
    assert mine is not None
    assert world.claim(holder="other") is None
    world.passes(LEASE_US + 1)
    theirs = world.claim(holder="other")
    assert theirs is not None
    assert world.finish(mine, [OK]).is_lost
    assert world.numbers() == (0, 0, 1, 0, 0)
    assert not world.finish(theirs, [OK]).is_lost
    assert world.numbers() == (1, 0, 0, 0, 0)


def test_a_lease_that_is_renewed_outlasts_its_first_end() -> None:
    world = World()
    world.capture("a")
    world.claim(holder="me")
    world.passes(LEASE_US - 1)
    with world.transaction() as sql:
        assert renew_in(sql, "billing", "me", world.now_us, LEASE_US)
        assert not renew_in(sql, "billing", "other", world.now_us, LEASE_US)
    world.passes(2)
    assert world.claim(holder="other") is None


def test_whoever_starts_alone_lets_go_of_what_a_dead_process_held() -> None:
    world = World()
    world.capture("a")
    world.claim(holder="dead")
    with world.transaction() as sql:
        release_in(sql)
    assert ids(world.claim(holder="me")) == [1]


def test_a_failing_event_holds_back_its_key_and_nothing_else() -> None:
    world = World()
    world.capture("a", "b", "a", "b")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [BAD, OK, LEFT, OK])
    assert world.numbers() == (2, 0, 0, 2, 0)
    world.capture("a", "c")
    claim = world.claim()
    assert claim is not None
    # The first is not due yet; the new one of its key is there, but blocked.
    assert [(one.id, one.is_blocked) for one in claim.events] == [(5, True), (6, False)]
    world.finish(claim, [LEFT, OK])
    world.passes(SECOND)
    claim = world.claim()
    assert claim is not None
    assert ids(claim) == [1, 3, 5]
    world.finish(claim, [OK, OK, OK])
    assert world.numbers() == (6, 0, 0, 0, 0)


def test_an_event_that_always_fails_becomes_a_dead_letter_and_lets_its_key_go_on() -> None:
    world = World()
    world.capture("a", "a", "b")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [BAD, LEFT, OK])
    for _ in range(3):
        world.passes(8 * SECOND)
        world.capture("b")
        claim = world.claim()
        assert claim is not None
        outcomes: list[Outcome] = [BAD if one.id == 1 else OK if one.key == "b" else LEFT for one in claim.events]
        world.finish(claim, outcomes)
    assert world.numbers() == (4, 0, 0, 1, 1)
    assert ids(world.claim()) == [2]
    with world.transaction() as sql:
        (letter,) = dead_letters_in(sql, None, 10)
    assert (letter["destination"], letter["event_id"], letter["failures"]) == ("billing", "evt_1", 4)
    assert letter["reason"] == "it answered 500"


def test_failures_of_different_keys_in_a_row_pause_the_destination_and_blame_no_event() -> None:
    world = World()
    world.capture("a", "b", "c", "d")
    claim = world.claim()
    assert claim is not None
    assert world.finish(claim, [BAD, BAD, BAD, LEFT]).is_down
    assert world.numbers() == (0, 0, 4, 0, 0)
    with world.transaction() as sql:
        release_in(sql)
    assert world.claim() is None
    # Then one at a time, for as long as it takes; nothing dies of it.
    for _ in range(20):
        world.passes(9 * SECOND)
        claim = world.claim()
        assert claim is not None
        assert claim.is_probe
        assert len(claim.events) == 1
        world.finish(claim, [BAD])
    assert world.numbers() == (0, 0, 4, 0, 0)
    world.passes(9 * SECOND)
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [OK])
    assert ids(world.claim()) == [2, 3, 4]


def test_two_poisoned_events_alone_do_not_keep_a_healthy_one_from_being_tried() -> None:
    world = World()
    world.capture("a", "b")
    for _ in range(3):
        claim = world.claim()
        assert claim is not None
        world.finish(claim, [BAD] * len(claim.events))
        world.passes(9 * SECOND)
    world.capture("healthy")
    claim = world.claim()
    assert claim is not None
    assert 3 in ids(claim)


def test_what_was_delivered_behind_a_failure_is_not_delivered_again_when_the_destination_comes_back() -> None:
    world = World()
    world.capture("a", "b", "c", "d")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [DOWN, OK, LEFT, LEFT])
    assert world.numbers() == (1, 0, 2, 1, 0)
    world.passes(9 * SECOND)
    claim = world.claim()
    assert claim is not None
    assert ids(claim) == [1, 3]


def test_retry_after_is_the_least_wait_of_a_destination_that_asks_for_a_pause() -> None:
    world = World()
    world.capture("a")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [Failed("busy", retry_after_us=60 * SECOND, is_down=True)])
    with world.transaction() as sql:
        (due,) = due_in(sql, "other")
    assert due.at_us == max(world.now_us + 60 * SECOND, claim.until_us)


def test_a_destination_that_wants_no_more_is_off_until_it_is_switched_on() -> None:
    world = World()
    world.capture("a", "b")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [GONE, LEFT])
    world.passes(10**12)
    assert world.claim() is None
    with world.transaction() as sql:
        assert due_in(sql, "other") == []
        assert switch_on_in(sql, "billing")
        assert not switch_on_in(sql, "nobody")
    assert sorted(ids(world.claim())) == [1, 2]


@pytest.mark.parametrize(("early", "expected"), [(True, [1, 2, 3]), (False, [3])])
def test_a_new_destination_begins_where_it_is_told_to(early: bool, expected: list[int]) -> None:
    world = World()
    world.capture("a", "b")
    with world.transaction() as sql:
        register_in(sql, ["billing", "audit"], ["audit"] if early else [])
    world.capture("c")
    assert ids(world.claim("audit")) == expected
    assert sum(world.numbers("audit")) == len(expected)


def test_a_destination_that_is_left_out_of_the_configuration_waits_where_it_stood() -> None:
    world = World(["billing", "audit"])
    world.capture("a")
    with world.transaction() as sql:
        register_in(sql, ["audit"])
    assert world.claim("billing") is None
    world.capture("b")
    with world.transaction() as sql:
        register_in(sql, ["audit", "billing"])
    assert ids(world.claim("billing")) == [1, 2]


def test_a_replayed_dead_letter_has_all_its_attempts_again_and_comes_before_its_key() -> None:
    world = World(["billing", "audit"])
    world.capture("a", "a", "b")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [NEVER, BAD, OK])
    assert world.numbers() == (1, 0, 0, 1, 1)
    with world.transaction() as sql:
        assert replay_in(sql, world.now_us, destination="audit") == 0
        assert replay_in(sql, world.now_us, event_id="evt_9") == 0
        assert replay_in(sql, world.now_us, destination="billing", event_id="evt_1") == 1
    assert world.numbers() == (1, 0, 0, 2, 0)
    claim = world.claim()
    assert claim is not None
    assert [(one.id, one.failures) for one in claim.events] == [(1, 0), (2, 1)]
    world.finish(claim, [OK, OK])
    assert world.numbers() == (3, 0, 0, 0, 0)


def test_a_dropped_dead_letter_counts_as_skipped() -> None:
    world = World()
    world.capture("a")
    claim = world.claim()
    assert claim is not None
    world.finish(claim, [NEVER])
    with world.transaction() as sql:
        assert drop_in(sql, tenant="other") == 0
        assert drop_in(sql, tenant="acme") == 1
    assert world.numbers() == (0, 1, 0, 0, 0)


OUTCOMES: tuple[Outcome, ...] = (OK, SKIP, LEFT, BAD, DOWN, NEVER)


@pytest.mark.parametrize("keys", ["aaa", "aab", "aba", "abb", "abc"])
def test_every_batch_of_three_keeps_order_and_account(keys: str) -> None:
    for outcomes in itertools.product(OUTCOMES, repeat=3):
        given: list[Outcome] = list(outcomes)
        if all(one is LEFT for one in given) or not _is_honest(keys, given):
            continue
        world = World()
        world.capture(*keys)
        claim = world.claim()
        assert claim is not None
        world.finish(claim, given)
        world.numbers()
        seen = [number for number, outcome in zip((1, 2, 3), given, strict=True) if outcome is OK]
        drain(world, seen)
        delivered, _, pending, parked, _ = world.numbers()
        assert (pending, parked) == (0, 0)
        assert delivered == len(seen) == len(set(seen))
        for key in set(keys):
            mine = [number for number in seen if keys[number - 1] == key]
            assert mine == sorted(mine)


def _is_honest(keys: str, outcomes: list[Outcome]) -> bool:
    """A destination doesn't go on with a key after one of it stayed."""
    for place, outcome in enumerate(outcomes):
        stays = outcome is LEFT or (isinstance(outcome, Failed) and not outcome.is_permanent)
        behind = [outcomes[at] for at in range(place + 1, len(keys)) if keys[at] == keys[place]]
        if stays and any(one is not LEFT for one in behind):
            return False
    return True


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_happens_every_event_has_one_place_and_keys_keep_their_order(seed: int) -> None:
    """Two processes, three destinations, every kind of failure, replays: the account holds at every commit."""
    draw = random.Random(seed)
    names = ["billing", "audit", "store"]
    world = World(names)
    seen: dict[str, list[tuple[int, str]]] = {name: [] for name in names}
    replayed: set[tuple[str, int]] = set()
    for _ in range(60):
        action = draw.random()
        name = draw.choice(names)
        if action < 0.3:
            world.capture(*draw.choices("abcdef", k=draw.randint(1, 6)))
        elif action < 0.4:
            world.passes(draw.randint(0, 20) * SECOND)
        elif action < 0.45:
            with world.transaction() as sql:
                replayed |= {(name, int(one["event_id"][4:])) for one in dead_letters_in(sql, name, 500)}
                replay_in(sql, world.now_us, destination=name)
        else:
            _turn(world, name, draw, seen[name])
        for one in names:
            assert sum(world.numbers(one)) == world.captured
    for name, deliveries in seen.items():
        numbers = [number for number, _ in deliveries]
        assert len(set(numbers)) == len(numbers)
        for key in "abcdef":
            mine = [number for number, of in deliveries if of == key and (name, number) not in replayed]
            assert mine == sorted(mine)


def _turn(world: World, name: str, draw: random.Random, seen: list[tuple[int, str]]) -> None:
    claim = world.claim(name, draw.choice(["me", "other"]), draw.randint(1, 8))
    if claim is None:
        return
    outcomes: list[Outcome] = []
    stuck: set[str] = set()
    for taken in claim.events:
        outcome = LEFT if taken.is_blocked or taken.key in stuck else draw.choice([OK, OK, OK, *OUTCOMES])
        if outcome is LEFT or (isinstance(outcome, Failed) and not outcome.is_permanent):
            stuck.add(taken.key)
        outcomes.append(outcome)
    if all(one is LEFT for one in outcomes) and not any(one.is_blocked for one in claim.events):
        outcomes[0] = DOWN
    if not world.finish(claim, outcomes).is_lost:
        seen += [(one.id, one.key) for one, fate in zip(claim.events, outcomes, strict=True) if fate is OK]
    if draw.random() < 0.7:
        with world.transaction() as sql:
            release_in(sql, claim.holder, name)
