"""Limits by the minute and at a time: their law, exactness in a crowd, and what settlement gives back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.decision_kit import (
    BETA,
    CLASSIFICATION,
    NOW_US,
    SECOND_US,
    WORST_ALPHA,
    World,
    config,
    facts,
    fallback,
    settlement,
    world,
)
from worker.admission import BUDGET, LIMITED, Admission, admission_from_json, to_json
from worker.admitting import MediatorConfig
from worker.tenants.limiting import planned_tokens
from worker.tenants.limits import (
    EMPTY,
    MAX_PER_MINUTE,
    NO_LIMITS,
    UNIT,
    Bucket,
    LimitSet,
    Terms,
    corrected,
    filled,
    fits,
    rate_of,
    terms_from_text,
    wait_us,
)

MINUTE_US = 60 * SECOND_US
#: A request of the kit: 40 bytes are planned as 10 tokens, and it asks for 10 more.
PLANNED = 20

limits = st.integers(1, 50)
steps = st.lists(st.tuples(st.integers(0, 30 * SECOND_US), st.integers(1, 20)), max_size=40)


def limited(**changes: int) -> MediatorConfig:
    return config(default_limits=LimitSet(**changes))


async def ask(state: World, count: int, first: int = 0, **changes: Any) -> list[Admission]:
    """`count` admissions at once; only alpha, so that each holds the same."""
    return await asyncio.gather(
        *(state.mediator.admit(facts(number, model="alpha/m", **changes)) for number in range(first, first + count))
    )


def passed(admissions: list[Admission]) -> int:
    """How many were admitted; each of the others was refused by a limit and nothing else."""
    refusals = [admission.refusal for admission in admissions if admission.refusal is not None]
    assert all(refusal.kind == LIMITED for refusal in refusals)
    return len(admissions) - len(refusals)


@given(limits, steps)
def test_no_stretch_of_time_has_more_than_the_limit_and_its_share(
    per_minute: int, asked: list[tuple[int, int]]
) -> None:
    bucket, now_us, admitted = EMPTY, NOW_US, list[tuple[int, int]]()
    for waited_us, amount in asked:
        now_us += waited_us
        bucket = bucket.leaked(per_minute, now_us)
        if fits(bucket, per_minute, amount):
            bucket = filled(bucket, amount)
            admitted.append((now_us, amount))
    for start in range(len(admitted)):
        for end in range(start, len(admitted)):
            used = sum(amount for _, amount in admitted[start : end + 1])
            stretch_us = admitted[end][0] - admitted[start][0]
            assert used * UNIT <= per_minute * UNIT + per_minute * stretch_us


@given(limits, steps)
def test_who_keeps_within_the_limit_in_every_minute_is_never_refused(
    per_minute: int, asked: list[tuple[int, int]]
) -> None:
    bucket, now_us, used = EMPTY, NOW_US, list[tuple[int, int]]()
    for waited_us, amount in asked:
        now_us += waited_us
        lately = sum(one for at_us, one in used if at_us > now_us - MINUTE_US)
        if lately + amount > per_minute:
            continue  # a caller that counts for itself does not ask now
        bucket = bucket.leaked(per_minute, now_us)
        assert fits(bucket, per_minute, amount)
        bucket = filled(bucket, amount)
        used.append((now_us, amount))


@given(limits, steps, st.integers(1, 50))
def test_what_is_refused_fits_after_the_wait_it_is_told_and_not_before(
    per_minute: int, asked: list[tuple[int, int]], amount: int
) -> None:
    bucket, now_us = EMPTY, NOW_US
    for waited_us, one in asked:
        now_us += waited_us
        bucket = bucket.leaked(per_minute, now_us)
        bucket = filled(bucket, one) if fits(bucket, per_minute, one) else bucket
    bucket = bucket.leaked(per_minute, now_us)
    wait = wait_us(bucket, per_minute, amount, now_us)
    if amount <= per_minute:
        assert fits(bucket.leaked(per_minute, now_us + wait), per_minute, amount)
        assert wait == 0 or not fits(bucket.leaked(per_minute, now_us + wait - 1), per_minute, amount)
    else:
        assert bucket.leaked(per_minute, now_us + wait).level == 0


@given(
    limits,
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20), st.integers(0, 20), st.integers(0, 9)), max_size=12),
)
def test_the_law_holds_for_what_was_used_wherever_no_more_was_used_than_planned(
    per_minute: int, asked: list[tuple[int, int, int, int]]
) -> None:
    """Each: seconds until it is asked, tokens planned, fewer used, seconds until that is known."""
    bucket, now_s = EMPTY, 0
    known: list[tuple[int, int, int, int]] = []
    admitted: list[tuple[int, int]] = []
    for waited_s, planned, fewer, later_s in asked:
        now_s += waited_s
        for until_s, was_planned, used, since_s in sorted(one for one in known if one[0] <= now_s):
            bucket = bucket.leaked(per_minute, until_s * SECOND_US)
            bucket = corrected(bucket, per_minute, was_planned, used, since_s * SECOND_US)
        known = [one for one in known if one[0] > now_s]
        bucket = bucket.leaked(per_minute, now_s * SECOND_US)
        if fits(bucket, per_minute, planned):
            bucket = filled(bucket, planned)
            used = max(0, planned - fewer)
            known.append((now_s + later_s, planned, used, now_s))
            admitted.append((now_s, used))
    for start in range(len(admitted)):
        for end in range(start, len(admitted)):
            used = sum(amount for _, amount in admitted[start : end + 1])
            assert used * 60 <= per_minute * (60 + admitted[end][0] - admitted[start][0])


def test_a_debt_is_worked_off_before_anything_else_fits() -> None:
    bucket = corrected(filled(Bucket(0, NOW_US), 10), 60, 10, 190, NOW_US)
    assert rate_of("tokens_per_minute", bucket, 60) == ("tokens_per_minute", 60, 0, 190 * SECOND_US)
    assert wait_us(bucket, 60, 1, NOW_US) == 131 * SECOND_US
    assert filled(Bucket(0, 0), 10**12).level == 2**53 - 1


@pytest.mark.parametrize("back_us", [1, SECOND_US, MINUTE_US, 3_600 * SECOND_US, 10**15])
def test_a_clock_that_goes_back_forgets_nothing_and_resumes_within_a_minute(back_us: int) -> None:
    full = filled(Bucket(0, NOW_US), 60)
    earlier = full.leaked(60, NOW_US - back_us)
    assert earlier.level == full.level
    assert earlier.leaked(60, NOW_US - back_us + 2 * MINUTE_US).level == 0


def test_times_out_of_order_leak_no_more_than_the_time_that_passed() -> None:
    bucket = filled(Bucket(0, NOW_US), 60)
    for number in range(1_000):
        bucket = bucket.leaked(60, NOW_US + (SECOND_US if number % 2 else 0))
    assert bucket.level == 59 * UNIT


@given(st.integers(0, 10**9), limits, limits)
def test_a_bucket_under_a_lower_limit_is_empty_no_later(used: int, before: int, after: int) -> None:
    bucket = filled(Bucket(0, NOW_US), used)
    lowered = bucket.lowered(before, after)
    assert lowered.level <= bucket.level
    assert rate_of("", lowered, after).reset_us <= rate_of("", bucket, before).reset_us
    assert (lowered == bucket) == (after >= before or used == 0)


async def test_a_limit_that_is_lowered_is_shut_for_no_longer_than_a_minute() -> None:
    async with world(limited(requests_per_minute=60)) as state:
        assert passed(await ask(state, 60)) == 60
        state.mediator = state.with_config(limited(requests_per_minute=2))
        (refused,) = await ask(state, 1, 100)
        assert refused.refusal is not None
        assert refused.retry_after_us == MINUTE_US // 2
        assert passed(await ask(state, 8, 200, at_us=NOW_US + MINUTE_US)) == 2


def test_terms_survive_their_text() -> None:
    terms = Terms(LimitSet(requests_per_minute=MAX_PER_MINUTE, user_day_usd_micros=0), frozenset(), frozenset({"m"}))
    text = '{"limits":{"requests_per_minute":100000000,"user_day_usd_micros":0},"models":["m"],"providers":[]}'
    assert terms_from_text(text) == terms
    assert terms.to_plain() == {"limits": {"requests_per_minute": 10**8, "user_day_usd_micros": 0}} | {
        "providers": [],
        "models": ["m"],
    }
    assert terms_from_text('{"limits":{}}').limits is NO_LIMITS


@pytest.mark.parametrize("path", [":memory:", "file"])
async def test_64_at_once_of_ten_a_minute(tmp_path: Path, path: str) -> None:
    where = str(tmp_path / "harpoon.db") if path == "file" else path
    async with world(limited(requests_per_minute=10), where) as state:
        admissions = await ask(state, 64)
        assert passed(admissions) == 10
        assert sorted(one.rates[0].remaining for one in admissions if one.refusal is None) == list(range(10))
        # What a limit refuses is no decision: it is counted, and leaves nothing else.
        assert await state.kinds() == ["ACTION"] * 10
        assert await state.rows("SELECT refused FROM usage WHERE key_id = ''") == [(54,)]
        assert passed(await ask(state, 64, 100, at_us=NOW_US + 12 * SECOND_US)) == 2


async def test_64_at_once_of_ten_at_a_time_and_one_more_for_each_that_ends() -> None:
    async with world(limited(concurrent_requests=10)) as state:
        assert passed(await ask(state, 64)) == 10
        await asyncio.gather(*(state.mediator.settle(settlement(number)) for number in range(3)))
        assert passed(await ask(state, 64, 100)) == 3
        # Denied requests are not at work.
        assert passed(await ask(state, 1, 200)) == 0


async def test_an_orphan_is_at_work_until_it_expires() -> None:
    async with world(limited(concurrent_requests=1)) as state:
        assert passed(await ask(state, 1)) == 1
        later_us = NOW_US + 33 * SECOND_US
        assert passed(await ask(state, 1, 100, at_us=NOW_US + 31 * SECOND_US)) == 0
        assert passed(await ask(state, 1, 200, at_us=later_us)) == 1


async def test_the_count_of_open_requests_reads_the_open_ones_alone() -> None:
    async with world(limited(concurrent_requests=1)) as state:
        rows = await state.rows(
            "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM decision WHERE expires_us > ? AND +tenant = ?", 1, "acme"
        )
        assert "decision_held" in str(rows)


async def test_64_at_once_on_tokens_for_ten() -> None:
    async with world(limited(tokens_per_minute=10 * PLANNED)) as state:
        assert planned_tokens(facts()) == PLANNED
        assert passed(await ask(state, 64)) == 10
        # Seven used 15 each, three nothing: what that leaves is there at once, as far as it did not leak already.
        for number in range(10):
            usage = "none" if number < 3 else "reported"
            await state.mediator.settle(settlement(number, usage=usage, at_us=NOW_US))
        assert passed(await ask(state, 64, 100)) == (200 - 7 * 15) // PLANNED


async def test_tokens_nobody_can_know_stay_as_planned_until_somebody_does() -> None:
    async with world(limited(tokens_per_minute=PLANNED)) as state:
        assert passed(await ask(state, 1)) == 1
        await state.mediator.settle(settlement(0, usage="unknown", at_us=NOW_US, input_tokens=0, output_tokens=0))
        assert passed(await ask(state, 1, 100)) == 0
        await state.mediator.settle(settlement(0, usage="none", at_us=NOW_US, input_tokens=0, output_tokens=0))
        assert passed(await ask(state, 1, 200)) == 1


async def test_more_than_the_plan_is_a_debt() -> None:
    async with world(limited(tokens_per_minute=60)) as state:
        assert passed(await ask(state, 1)) == 1
        await state.mediator.settle(settlement(0, at_us=NOW_US, input_tokens=100, output_tokens=80))
        (refused,) = await ask(state, 1, 100)
        assert refused.refusal is not None
        assert refused.refusal.reasons == ("tokens_per_minute of tenant acme: 60; this request is planned with 20",)
        assert refused.retry_after_us == (180 - 40) * SECOND_US


async def test_a_request_that_is_denied_counts_as_a_request_but_not_its_tokens() -> None:
    limits = LimitSet(requests_per_minute=10, tokens_per_minute=100)
    async with world(config(default_limits=limits, caps={"acme": 0})) as state:
        (denied,) = await ask(state, 1)
        assert denied.refusal is not None
        assert denied.refusal.kind == BUDGET
        rows = await state.rows("SELECT name, level FROM bucket")
        assert rows == [("requests_per_minute", UNIT)]
        # The headers say the same.
        assert [(rate.name, rate.remaining) for rate in denied.rates] == [
            ("requests_per_minute", 9),
            ("tokens_per_minute", 100),
        ]


async def test_one_limit_that_refuses_uses_up_none_of_the_others() -> None:
    async with world(limited(requests_per_minute=2, tokens_per_minute=PLANNED)) as state:
        assert passed(await ask(state, 3)) == 1
        assert await state.rows("SELECT level FROM bucket WHERE name = 'requests_per_minute'") == [(UNIT,)]


async def test_every_limit_that_refuses_is_named_and_the_longest_wait_is_told() -> None:
    async with world(limited(requests_per_minute=1, tokens_per_minute=PLANNED, concurrent_requests=1)) as state:
        refused = (await ask(state, 2))[1]
        assert refused.refusal is not None
        assert refused.refusal.reasons == (
            "concurrent_requests of tenant acme: 1",
            "requests_per_minute of tenant acme: 1",
            "tokens_per_minute of tenant acme: 20; this request is planned with 20",
        )
        assert refused.retry_after_us == MINUTE_US
        assert admission_from_json(to_json(refused)) == refused


async def test_a_tenant_has_the_limits_named_for_it_and_others_the_default() -> None:
    settings = config(default_limits=LimitSet(requests_per_minute=1), limits={"acme": LimitSet(requests_per_minute=3)})
    async with world(settings) as state:
        assert passed(await ask(state, 8)) == 3
        assert passed(await ask(state, 8, 100, tenant="other")) == 1


@pytest.mark.parametrize(
    ("name", "account", "next_us"),
    [
        ("hour_usd_micros", "tenant_hour", 3_600),
        ("day_usd_micros", "tenant_day", 86_400),
        ("month_usd_micros", "tenant_month", 31 * 86_400),
    ],
)
async def test_a_window_of_money_is_exact_named_and_turns_over(name: str, account: str, next_us: int) -> None:
    async with world(limited(**{name: 10 * WORST_ALPHA})) as state:
        admissions = await ask(state, 64)
        refusals = [one.refusal for one in admissions if one.refusal is not None]
        assert len(refusals) == 54
        assert {refusal.kind for refusal in refusals} == {BUDGET}
        assert f"COST_BOUND_EXCEEDED: {account} (60 against 0" in refusals[0].reasons[0]
        # The last microsecond of the window, and the first of the next.
        last = await ask(state, 1, 100, at_us=NOW_US + next_us * SECOND_US - 1)
        assert last[0].refusal is not None
        assert (await ask(state, 1, 200, at_us=NOW_US + next_us * SECOND_US))[0].refusal is None


async def test_the_ceiling_of_a_request_counts_what_its_attempts_cost_before() -> None:
    async with world(limited(request_usd_micros=WORST_ALPHA + 119)) as state:
        assert (await state.mediator.admit(facts())).refusal is None
        # The first attempt may have been billed: 60 are gone, and beta's 120 would come to more than the ceiling.
        assert not (await state.mediator.advance(fallback(unbilled=False))).granted
    async with world(limited(request_usd_micros=WORST_ALPHA + 120)) as state:
        assert (await state.mediator.admit(facts())).refusal is None
        assert (await state.mediator.advance(fallback(unbilled=False, route=BETA))).granted


async def test_limits_changed_between_two_attempts_leave_the_books_in_order() -> None:
    """The kit's books are checked at every commit: what is held under a name is released under it."""
    async with world(limited(day_usd_micros=1_000)) as state:
        assert (await state.mediator.admit(facts())).refusal is None
        other = state.with_config(limited(hour_usd_micros=1_000))
        assert (await other.advance(fallback())).granted
        await other.settle(settlement(route=BETA))
        assert await state.rows("SELECT SUM(reserved) FROM account") == [(0,)]


async def test_nothing_set_is_nothing_asked_of_the_database() -> None:
    async with world() as plain:
        counted = await statements(plain)
    async with world(limited(requests_per_minute=10**6)) as other:
        assert len(await statements(other)) > len(counted)
    assert not [one for one in counted if "bucket" in one or "usage" in one or "api_key" in one]
    assert CLASSIFICATION.complexity == "simple"


async def statements(state: World) -> list[str]:
    """What a request and its settlement ask of the database, once there is a log."""
    await state.mediator.admit(facts(1))
    await state.mediator.settle(settlement(1))
    seen: list[str] = []

    def watched(fn: Any) -> Any:
        class Watching:
            def __init__(self, sql: Any) -> None:
                self._sql = sql

            def execute(self, statement: str, *parameters: Any) -> Any:
                seen.append(statement)
                return self._sql.execute(statement, *parameters)

        return lambda sql: fn(Watching(sql))

    class Database:
        async def transact(self, fn: Any, *, patient: bool = False) -> Any:
            return await state.database.transact(watched(fn), patient=patient)

    mediator = type(state.mediator)(Database(), state.mediator._hasher, state.mediator._config)
    await mediator.admit(facts(2))
    await mediator.settle(settlement(2))
    return seen
