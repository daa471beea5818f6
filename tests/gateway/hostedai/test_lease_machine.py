"""The state machine by itself: its story, its corners, and laws over every state and every event."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.hostedai.lease import (
    HELD_BY_HAND,
    IDLE,
    NO_BUDGET,
    NO_CAPACITY,
    PREEMPTED,
    TERMINAL,
    UNANSWERED,
    Accepted,
    Checked,
    Doing,
    Due,
    Event,
    Lease,
    Moment,
    NotSent,
    ReadFailed,
    Recovered,
    Refused,
    Row,
    Rows,
    Rules,
    Service,
    State,
    Stop,
    Unsure,
    cost_usd_micros,
)
from gateway.hostedai.lease_machine import advance, revive

RULES = Rules()
SECOND = 1_000_000
NEW = Lease("lease_1", "red", "team", 2, 660_000, created_us=SECOND, since_us=SECOND)
MINE = Row(7, 2, "team")
RUNS = replace(MINE, pod_name="pod", pod="running")
GOES = replace(MINE, is_leaving=True)


class Life:
    """A lease on its way, with everything it was charged."""

    def __init__(self, lease: Lease = NEW, **moment: object) -> None:
        self.lease = lease
        self.now_us = lease.since_us
        self.charged = 0
        self.moment = moment

    def on(self, event: Event, after_s: int = 0, **moment: object) -> Lease:
        self.now_us = max(self.now_us, self.lease.due_us) + after_s * SECOND
        at = Moment(self.now_us, **{**self.moment, **moment})  # type: ignore[arg-type]
        step = advance(self.lease, event, at, RULES)
        self.lease = step.lease
        self.charged += sum([charge.usd_micros for charge in step.charges])
        return self.lease

    def up_to_held(self) -> Life:
        for event in (Rows(()), Accepted(7), Rows((RUNS,)), Service(), Service("http://pod/v1"), Checked(True)):
            self.on(event)
        assert self.lease.state is State.HELD
        return self


def test_a_lease_goes_from_a_wish_to_an_endpoint_and_back() -> None:
    life = Life(next_token=5)
    steps: list[tuple[Event, State, Doing]] = [
        (Rows(()), State.SUBSCRIBING, Doing.SUBSCRIBE),
        (Accepted(None), State.WAITING_POD, Doing.READ),
        (Rows((MINE,)), State.WAITING_POD, Doing.READ),
        (Rows((RUNS,)), State.EXPOSING, Doing.FIND_SERVICE),
        (Service(), State.EXPOSING, Doing.EXPOSE),
        (Service("http://pod/v1"), State.CHECKING, Doing.CHECK),
        (Checked(False), State.CHECKING, Doing.CHECK),
        (Checked(True), State.HELD, Doing.READ),
        (Due(), State.RENEWING, Doing.READ),
        (Rows((RUNS,)), State.RENEWING, Doing.CHECK),
        (Checked(True), State.HELD, Doing.READ),
    ]
    for event, state, doing in steps:
        lease = life.on(event)
        assert (lease.state, lease.doing) == (state, doing), event
    assert (lease.token, lease.base_url, lease.serves(life.now_us)) == (5, "http://pod/v1", True)
    assert not lease.serves(lease.expires_us)
    assert life.charged == 330_000
    released = life.on(Stop())
    assert (released.state, released.doing, released.serves(life.now_us)) == (State.RELEASING, Doing.UNSUBSCRIBE, False)
    for event in (Accepted(), Rows((GOES,)), Rows(()), Rows(())):
        lease = life.on(event)
    assert (lease.state, lease.doing, lease.reason) == (State.GONE, Doing.REST, "unwanted")
    assert life.charged == cost_usd_micros(660_000, lease.ended_us - lease.paid_from_us) < 330_000


def test_a_refusal_costs_nothing() -> None:
    life = Life()
    life.on(Rows(()))
    assert life.charged == 330_000
    lease = life.on(Refused(NO_CAPACITY))
    assert (lease.state, lease.reason, life.charged) == (State.FAILED, NO_CAPACITY, 0)


def test_without_budget_nothing_is_asked() -> None:
    life = Life(budget_usd_micros=329_999)
    lease = life.on(Rows(()))
    assert (lease.state, lease.reason, lease.asked, life.charged) == (State.FAILED, NO_BUDGET, 0, 0)


@pytest.mark.parametrize("event", [Unsure(), Refused(HELD_BY_HAND), Recovered()])
def test_a_subscribe_that_may_have_worked_is_read_before_it_is_repeated(event: Event) -> None:
    life = Life()
    life.on(Rows(()))
    assert life.on(event).doing is Doing.READ
    lease = life.on(Rows((MINE,)))
    assert (lease.state, lease.subscription_id, lease.asked) == (State.WAITING_POD, 7, 1)


def test_one_that_never_shows_is_asked_for_once_more_and_then_given_up() -> None:
    life = Life()
    life.on(Rows(()))
    life.on(Unsure())
    asked = [life.on(Rows(()), after_s=20).doing for _ in range(10)]
    assert asked.count(Doing.SUBSCRIBE) == 1
    while life.lease.is_live:
        life.on(Unsure() if life.lease.doing is Doing.SUBSCRIBE else Rows(()), after_s=20)
    assert (life.lease.reason, life.lease.asked, life.charged) == (UNANSWERED, 2, 0)


def test_one_that_was_never_sent_is_sent_again_without_a_read() -> None:
    life = Life()
    life.on(Rows(()))
    assert life.on(NotSent()).doing is Doing.SUBSCRIBE


def test_one_empty_answer_ends_no_lease_but_two_do() -> None:
    life = Life().up_to_held()
    life.on(Due())
    assert life.on(Rows(())).state is State.RENEWING
    assert life.on(Rows((RUNS,))).doing is Doing.CHECK
    life.on(Checked(True))
    life.on(Due())
    life.on(Rows(()))
    lease = life.on(Rows(()))
    assert (lease.state, lease.reason) == (State.FAILED, PREEMPTED)
    assert life.charged == cost_usd_micros(660_000, lease.ended_us - lease.paid_from_us)


def test_an_endpoint_is_used_no_longer_than_it_was_seen_to_be_ours() -> None:
    life = Life().up_to_held()
    life.on(Due())
    expires_us = life.lease.expires_us
    for _ in range(30):
        lease = life.on(ReadFailed(), after_s=10)
    assert life.now_us > expires_us
    assert (lease.state, lease.expires_us, lease.serves(life.now_us)) == (State.RENEWING, expires_us, False)
    life.on(Rows((RUNS,)))
    assert life.on(Checked(True), next_token=9).token == 9


def test_another_pod_is_exposed_before_it_is_handed_out() -> None:
    life = Life().up_to_held()
    life.on(Due())
    lease = life.on(Rows((replace(RUNS, pod_name="other"),)))
    assert (lease.state, lease.base_url, lease.serves(life.now_us)) == (State.WAITING_POD, "", False)
    life.on(Rows((replace(RUNS, pod_name="other"),)))
    life.on(Service("http://other/v1"))
    lease = life.on(Checked(True), next_token=2)
    assert (lease.pod_name, lease.token) == ("other", 2)


def test_a_block_is_bought_before_it_begins_unless_nobody_needs_it() -> None:
    for is_idle, state in ((False, State.HELD), (True, State.RELEASING)):
        life = Life().up_to_held()
        for _ in range(RULES.block_us // RULES.renew_us):
            if life.lease.state is not State.HELD or life.charged > 330_000:
                break
            life.on(Due())
            life.on(Rows((RUNS,)))
            lease = life.on(Checked(True), is_idle=is_idle)
        assert lease.state is state
        assert life.charged == (660_000 if state is State.HELD else 330_000)
        assert lease.reason == (IDLE if is_idle else "")


def test_a_release_that_has_no_effect_is_asked_for_again_and_never_given_up() -> None:
    life = Life().up_to_held()
    life.on(Stop())
    asked = 0
    for _ in range(50):
        asked += life.lease.doing is Doing.UNSUBSCRIBE
        life.on(Accepted() if life.lease.doing is Doing.UNSUBSCRIBE else Rows((MINE,)), after_s=30)
    assert (asked, life.lease.state) == (25, State.RELEASING)
    assert life.charged == 330_000 * -(-(life.now_us - life.lease.paid_from_us) // RULES.block_us)


def test_a_stuck_row_is_asked_to_go_each_time_patience_ends() -> None:
    life = Life().up_to_held()
    life.on(Stop())
    life.on(Accepted())
    doings = [life.on(Rows((GOES,))).doing for _ in range(20)]
    assert Doing.UNSUBSCRIBE in doings


def test_what_the_team_holds_by_hand_is_left_alone_unless_the_pool_was_leased_before() -> None:
    assert Life().on(Rows((MINE,))).reason == HELD_BY_HAND
    adopted = Life(may_adopt=True).on(Rows((MINE,)))
    assert (adopted.state, adopted.asked) == (State.WAITING_POD, 0)


def test_rows_of_others_and_of_other_pools_do_not_count() -> None:
    life = Life()
    others = (replace(RUNS, team="other"), replace(RUNS, pool_id=3))
    assert life.on(Rows(others)).state is State.SUBSCRIBING
    life.on(Unsure())
    assert life.on(Rows(others)).subscription_id is None


def test_a_lease_that_had_ended_is_brought_back_to_be_given_back() -> None:
    life = Life()
    life.on(Rows(()))
    life.on(Refused(NO_CAPACITY))
    at = Moment(life.now_us + 4_000 * SECOND)
    step = revive(life.lease, RUNS, at, RULES)
    assert (step.lease.state, step.lease.doing, step.lease.is_wanted) == (State.RELEASING, Doing.UNSUBSCRIBE, False)
    assert sum([charge.usd_micros for charge in step.charges]) == 3 * 330_000


EVENTS = st.sampled_from(
    [
        *(Recovered(), Due(), Stop(), ReadFailed(), Accepted(), Accepted(7), Unsure(), NotSent(), Service()),
        *(Refused(NO_CAPACITY), Refused(HELD_BY_HAND), Service("http://pod/v1"), Service(exists=True)),
        *(Checked(True), Checked(False), Rows(()), Rows((MINE,)), Rows((RUNS,)), Rows((GOES,))),
        Rows((replace(MINE, pod="broken"),)),
        Rows((replace(RUNS, team="other"),)),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 2_000)), max_size=60), st.sampled_from([None, 0, 400_000, 10**9]))
def test_whatever_happens_the_books_balance_and_a_live_lease_has_something_to_do(
    happened: list[tuple[Event, int]], budget: int | None
) -> None:
    lease, now_us, charged, tokens = NEW, SECOND, 0, 0
    for event, after_s in happened:
        now_us += after_s * SECOND
        left = None if budget is None else budget - charged
        answers = isinstance(event, Checked) and lease.doing is not Doing.CHECK
        if answers or (isinstance(event, Due) and lease.state is not State.HELD):
            continue
        step = advance(lease, event, Moment(now_us, left, tokens + 1), RULES)
        lease = step.lease
        charged += sum([charge.usd_micros for charge in step.charges])
        overran = any(charge.kind == "overrun" for charge in step.charges)
        assert charged == lease.paid_usd_micros >= 0
        assert budget is None or charged <= budget or overran or lease.paid_usd_micros > budget
        assert (lease.doing is Doing.REST) == (lease.state in TERMINAL)
        assert not (lease.doing is Doing.UNSUBSCRIBE and lease.subscription_id is None)
        assert lease.token in (tokens, tokens + 1)
        tokens = lease.token
        if lease.serves(now_us):
            assert lease.base_url
            assert lease.expires_us <= lease.paid_until_us
