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
    Moment,
    NotSent,
    ReadFailed,
    Recovered,
    Refused,
    Rows,
    Service,
    State,
    Stop,
    Unsure,
    cost_usd_micros,
)
from gateway.hostedai.lease_machine import advance
from gateway.hostedai.lease_revival import revive
from tests.gateway.hostedai.life_kit import FOUND, GOES, MINE, NEW, RULES, RUNS, SECOND, Life


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
        (Rows((RUNS,)), State.RENEWING, Doing.FIND_SERVICE),
        (Service("http://pod/v1"), State.RENEWING, Doing.CHECK),
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
    assert life.on(Rows((RUNS,))).doing is Doing.FIND_SERVICE
    life.on(FOUND)
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
    life.on(FOUND)
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
            life.on(FOUND)
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


def test_a_held_pod_that_is_reached_elsewhere_now_is_handed_out_anew() -> None:
    """Its node port may be another team's meanwhile, whose server would answer a look as well as ours."""
    life = Life(next_token=1).up_to_held()
    life.on(Due())
    life.on(Rows((RUNS,)))
    lease = life.on(Service("http://pod:2/v1"))
    assert (lease.state, lease.base_url, lease.serves(life.now_us)) == (State.CHECKING, "http://pod:2/v1", False)
    lease = life.on(Checked(True), next_token=2)
    assert (lease.state, lease.token, lease.serves(life.now_us)) == (State.HELD, 2, True)


@pytest.mark.parametrize(
    ("event", "state", "doing"),
    [
        (Service(FOUND.base_url), State.RENEWING, Doing.CHECK),
        (Refused(HELD_BY_HAND), State.RENEWING, Doing.CHECK),
        (Refused("not_valid"), State.WAITING_POD, Doing.READ),
        (Service("http://pod:2/v1"), State.CHECKING, Doing.CHECK),
        (Unsure(), State.RENEWING, Doing.READ),
        (NotSent(), State.RENEWING, Doing.READ),
    ],
)
def test_a_held_service_that_is_gone_is_exposed_again(event: Event, state: State, doing: Doing) -> None:
    life = Life().up_to_held()
    life.on(Due())
    life.on(Rows((RUNS,)))
    assert life.on(Service()).doing is Doing.EXPOSE
    lease = life.on(event)
    assert (lease.state, lease.doing) == (state, doing)


def test_a_held_pod_whose_service_is_never_told_is_given_back() -> None:
    life = Life().up_to_held()
    life.on(Due())
    while life.lease.state is State.RENEWING:
        life.on(Rows((RUNS,)) if life.lease.doing is Doing.READ else ReadFailed(), after_s=10)
    assert (life.lease.state, life.lease.reason) == (State.RELEASING, "not_exposed")
    assert life.now_us - life.lease.created_us < 2 * RULES.bring_up_us


def test_a_hold_that_the_panel_named_is_given_back_though_no_read_ever_shows_it() -> None:
    """As where rows don't say whose they are: none of them counts."""
    life = Life()
    life.on(Rows(()))
    life.on(Accepted(7))
    while life.lease.state is State.WAITING_POD:
        life.on(Rows((replace(RUNS, team=""),)))
    assert (life.lease.state, life.lease.doing, life.lease.reason) == (State.RELEASING, Doing.UNSUBSCRIBE, UNANSWERED)
    assert life.on(NotSent()).doing is Doing.UNSUBSCRIBE
    life.on(Accepted())
    for _ in range(2):
        life.on(Rows(()))
    assert (life.lease.state, life.lease.reason) == (State.FAILED, UNANSWERED)


def test_a_row_that_is_stuck_on_its_way_out_while_it_is_asked_for_is_looked_after_as_a_hold() -> None:
    life = Life()
    life.on(Rows(()))
    life.on(Unsure())
    for _ in range(8):
        lease = life.on(Rows((GOES,)), after_s=20)
    assert (lease.state, lease.subscription_id, lease.reason) == (State.RELEASING, 7, PREEMPTED)


@pytest.mark.parametrize(("is_idle", "budget", "reason"), [(True, None, IDLE), (False, 329_999, NO_BUDGET)])
def test_a_pod_that_comes_up_over_the_end_of_a_block_is_not_paid_beyond_the_budget(
    is_idle: bool, budget: int | None, reason: str
) -> None:
    life = Life().up_to_held()
    while life.now_us < life.lease.paid_until_us - 5 * 60 * SECOND:
        life.on(Due())
        life.on(Rows((RUNS,)))
        life.on(FOUND)
        life.on(Checked(True))
    life.on(Due())
    life.on(Rows((replace(RUNS, pod_name="other"),)))
    while life.lease.state is State.WAITING_POD:
        life.on(Rows((MINE,)), is_idle=is_idle, budget_usd_micros=budget)
    assert (life.lease.state, life.lease.reason, life.charged) == (State.RELEASING, reason, 330_000)
    assert life.now_us < life.lease.paid_until_us


def test_a_held_pod_is_given_up_for_checks_that_it_failed_and_not_for_reads_that_did() -> None:
    life = Life().up_to_held()
    life.on(Due())
    for _ in range(5):
        assert life.on(ReadFailed()).state is State.RENEWING
    states = []
    for _ in range(RULES.failed_checks):
        life.on(Rows((RUNS,)))
        life.on(FOUND)
        states.append(life.on(Checked(False)).state)
    assert states == [State.RENEWING, State.RENEWING, State.RELEASING]
    assert life.lease.reason == "unhealthy"


def test_a_clock_that_is_set_back_hands_out_nothing_that_was_not_seen_since() -> None:
    life = Life(replace(NEW, created_us=9_000 * SECOND, since_us=9_000 * SECOND), next_token=1).up_to_held()
    back_us = life.now_us - 3_600 * SECOND
    assert life.lease.serves(life.now_us - SECOND)
    assert not life.lease.serves(back_us)
    step = advance(life.lease, Due(), Moment(back_us), RULES)
    assert (step.lease.since_us, step.lease.expires_us) == (back_us, 0)
    for event in (Rows((RUNS,)), FOUND, Checked(True)):
        step = advance(step.lease, event, Moment(back_us, next_token=2), RULES)
    assert (step.lease.state, step.lease.token, step.lease.serves(back_us)) == (State.HELD, 2, True)


def test_a_clock_that_leaps_ahead_owes_its_blocks_in_one_charge() -> None:
    life = Life().up_to_held()
    step = advance(life.lease, Due(), Moment(life.now_us + 50 * 365 * 86_400 * SECOND), RULES)
    (charge,) = step.charges
    blocks = (charge.until_us - charge.from_us) // RULES.block_us
    assert blocks > 800_000
    assert charge.usd_micros == blocks * 330_000
    assert step.lease.paid_until_us == charge.until_us


def test_another_hold_than_the_one_that_ended_is_not_charged_for_the_time_between() -> None:
    life = Life().up_to_held()
    life.on(Stop())
    for event in (Accepted(), Rows(()), Rows(())):
        life.on(event)
    month = Moment(life.now_us + 30 * 86_400 * SECOND)
    other = revive(life.lease, replace(MINE, subscription_id=9), month, RULES)
    assert (other.lease.subscription_id, other.lease.paid_from_us) == (9, month.now_us)
    assert sum([charge.usd_micros for charge in other.charges]) == 330_000
    same = revive(life.lease, MINE, month, RULES)
    assert same.lease.paid_from_us == life.lease.ended_us


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
