"""Servers with a pace of their own, exact to the microsecond: what is measured, and what is concluded from it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest

from gateway.probe.answers import answers_of, cadences, streamed_of
from gateway.probe.cadence import Cadence
from gateway.probe.limits import Limits, Price
from gateway.probe.measure import Level, is_knee, levels_up_to
from gateway.probe.run import Found, NothingThere, Plan
from tests.gateway.probe.probe_kit import (
    MS,
    SECOND,
    Answering,
    Asked,
    LockstepClock,
    Model,
    chunk,
    event,
    probed,
    refused,
)


def short(found: Found, word: str) -> str:
    return next(one.short for one in answers_of(found) if word in one.question)


def because(found: Found, word: str) -> str:
    return next(one.because for one in answers_of(found) if word in one.question)


async def test_first_token_whole_time_and_tokens_a_second_are_exact() -> None:
    found = await probed(Model(first_us=50 * MS, gap_us=20 * MS, pieces=10))
    timed = found.warm[0]
    assert timed.first_us == 50 * MS
    assert timed.total_us == 230 * MS
    assert timed.tokens == 10
    assert timed.tokens_per_s_milli == 50_000
    assert cadences(streamed_of(found)) == {Cadence.streamed: 3}
    assert short(found, "stream") == "yes"


async def test_a_buffered_stream_is_found_out() -> None:
    found = await probed(Model(first_us=50 * MS, gap_us=20 * MS, pieces=20, buffered=True))
    assert cadences(streamed_of(found)) == {Cadence.buffered: 3}
    assert short(found, "stream") == "no: buffered"
    # The API is kept all the same: how the pieces come is no matter of their form.
    assert short(found, "OpenAI") == "yes"


async def test_an_answer_too_quick_to_tell_is_left_open() -> None:
    found = await probed(Model(first_us=0, gap_us=0))
    assert short(found, "stream") == "can't be told"


@dataclass
class Sleeper(Model):
    """Its first answer takes long."""

    waking_us: int = 9 * SECOND
    awake: set[str] = field(default_factory=set)

    async def stream(self, asked: Asked, answer: Answering) -> None:
        if asked.json["model"] not in self.awake:
            answer.spend(self.waking_us)
            self.awake.add(asked.json["model"])
        await super().stream(asked, answer)


async def test_a_model_that_sleeps_is_slow_once() -> None:
    found = await probed(Sleeper(models=("m", "other")), Plan(models=("m", "other"), warm=9, most=1))
    assert [one.first_us for one in found.firsts] == [9_050 * MS] * 2
    assert {one.first_us for one in found.warm} == {50 * MS}
    assert short(found, "slower") == "yes, 181.0 times"
    assert "only the operator knows" in because(found, "slower")
    few = await probed(Sleeper(), Plan(warm=3, most=1))
    assert short(few, "slower") == "it seems so"
    steady = await probed(Model())
    assert short(steady, "slower") == "hardly"


async def test_after_a_rest_first_requests_are_timed_again() -> None:
    clock = LockstepClock()
    found = await probed(Model(), Plan(warm=2, most=1, idle_s=120), clock=clock)
    assert clock.slept == [120 * SECOND]
    assert [one.first_us for one in found.after_idle] == [50 * MS]


async def test_models_that_fail_are_named_and_the_next_is_used() -> None:
    class Half(Model):
        def problem(self, asked: Asked) -> tuple[int, object] | None:
            refusal = super().problem(asked)
            broken = refusal is None and asked.json["model"] == "embedder"
            return (400, refused("it only embeds", "bad_model")) if broken else refusal

    found = await probed(Half(models=("embedder", "m")), Plan(models=("embedder", "m"), warm=1, most=1))
    assert [one.failure for one in found.firsts] == ["HTTP 400", ""]
    assert {one.model for one in found.warm} == {"m"}
    assert because(found, "Which models") == "asked: embedder, m; answered: m"


class Gate:
    """Holds the first requests of a level until all of them have come; levels are told by the prompts' numbers."""

    def __init__(self) -> None:
        self.came: dict[int, int] = {}
        self.all_here: dict[int, asyncio.Event] = {}

    async def all_of(self, number: int) -> int:
        """How many came before this one, once as many as the level has at once are here. 0 for another request."""
        level = number // 1_000
        if not level:
            return 0
        at = self.came[level] = self.came.get(level, 0) + 1
        event = self.all_here.setdefault(level, asyncio.Event())
        if at == level:
            event.set()
        await event.wait()
        return at - 1


@dataclass
class Crowded(Model):
    """Serves `limit` requests at once and refuses the others with 429; `alone`: also a lone one after that."""

    limit: int = 3
    alone: bool = True
    gate: Gate = field(default_factory=Gate)
    refusals: int = 0

    async def stream(self, asked: Asked, answer: Answering) -> None:
        before = await self.gate.all_of(asked.number)
        level = asked.number // 1_000
        if (level and self.limit <= before < level) or (self.refusals and not self.alone):
            self.refusals += 1
            await answer.whole(429, refused("too many at once", "rate_limit_exceeded"), retry_after="2")
            return
        await answer.begin(**self.headers)
        await answer.piece(event(chunk("w")) + event(chunk(finish="stop")) + self.done)
        await answer.end()


@pytest.mark.parametrize(("limit", "served", "refused_at"), [(1, 1, 2), (2, 2, 3), (3, 3, 4), (5, 5, 6), (6, 6, 7)])
async def test_the_number_that_it_serves_at_once_is_found(limit: int, served: int, refused_at: int) -> None:
    found = await probed(Crowded(limit=limit), Plan(warm=0, most=8))
    assert (found.load.served_at, found.load.refused_at) == (served, refused_at)
    assert short(found, "at once does it serve") == f"{served}; not {refused_at}"
    assert "HTTP 429" in because(found, "at once does it serve")
    assert "as with a limit on requests at once" in because(found, "at once does it serve")
    assert "retry-after: 2" in because(found, "rate limits")


async def test_a_limit_by_the_minute_is_told_from_one_on_requests_at_once() -> None:
    found = await probed(Crowded(limit=1, alone=False), Plan(warm=0, most=8))
    assert "as with a limit by the minute" in because(found, "at once does it serve")
    # What refuses everything is not asked again and again.
    assert [level.concurrency for level in found.load.levels] == [1, 2]


async def test_a_server_without_a_limit_serves_as_many_as_may_be_asked() -> None:
    found = await probed(Crowded(limit=99), Plan(warm=0, most=6))
    assert [level.concurrency for level in found.load.levels] == [1, 2, 4, 6]
    assert short(found, "at once does it serve") == "at least 6"
    assert "--concurrency" in because(found, "at once does it serve")


@dataclass
class Queue(Model):
    """Works on one request at a time, a second each, in the order in which they came."""

    gate: Gate = field(default_factory=Gate)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def stream(self, asked: Asked, answer: Answering) -> None:
        await self.gate.all_of(asked.number)
        async with self.turn:
            answer.spend(SECOND)
            await answer.begin(**self.headers)
            await answer.piece(event(chunk("w")) + event(chunk(finish="stop")) + self.done)
            await answer.end()


async def test_load_that_only_makes_all_slower_ends_the_ramp() -> None:
    found = await probed(Queue(), Plan(warm=0, most=64), limits=Limits(requests=2_000, tokens=10**7, seconds=10**6))
    medians = [level.median_us for level in found.load.levels]
    assert medians[0] == SECOND
    assert medians == sorted(medians, key=lambda one: one or 0)
    assert "took 2 times as long" in found.load.stopped
    assert found.load.levels[-1].concurrency <= 8


@dataclass
class TakingTurns(Model):
    """Two streams at once, and once the card is gone for ten seconds while both are under way."""

    gate: Gate = field(default_factory=Gate)

    async def stream(self, asked: Asked, answer: Answering) -> None:
        await answer.begin(**self.headers)
        for at in range(3):
            await answer.piece(event(chunk("w")))
            before = await self.gate.all_of(asked.number) if at == 1 and asked.number // 1_000 == 2 else 1
            if not before and asked.number % 1_000 < 2:
                answer.spend(10 * SECOND)
        await answer.piece(event(chunk(finish="stop")) + self.done)
        await answer.end()


async def test_a_silence_that_answers_share_is_a_hint_and_no_more() -> None:
    found = await probed(TakingTurns(), Plan(warm=0, most=2))
    silences = found.load.levels[-1].silences
    assert [silence.length_us for silence in silences][:1] == [10 * SECOND]
    assert "takes turns with others looks like this, and so does a server that was held up" in because(found, "load do")


def test_the_knee_needs_slower_answers_and_no_more_of_them() -> None:
    def level(concurrency: int, answered: int, span_s: int, each_s: int) -> Level:
        from gateway.probe.chat import Timed

        timed = [
            Timed("m", 0, 1, each_s * SECOND, (1,), None, None, "", 200, "", False, 0) for _ in range(answered)
        ]  # fmt: skip
        return Level(concurrency, 0, timed, span_s * SECOND)

    first = level(1, 8, 8, 1)
    assert not is_knee([first])
    assert not is_knee([first, level(2, 8, 4, 1)])
    assert not is_knee([first, level(2, 8, 4, 3)])
    assert is_knee([first, level(2, 8, 8, 2)])
    assert not is_knee([level(1, 3, 3, 1), level(2, 8, 8, 2)]), "three answers alone say too little"
    assert levels_up_to(1) == [1]
    assert levels_up_to(12) == [1, 2, 4, 8, 12]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(requests=10, seconds=10**6), "the 10 requests of --requests are used"),
        (Limits(tokens=600, seconds=10**6), "--total-tokens"),
        (Limits(cost_usd_micros=700, seconds=10**6), "--max-cost"),
        (Limits(seconds=1), "the 1 s of --seconds are over"),
    ],
)
async def test_every_bound_ends_the_probe_and_what_is_known_stays(limits: Limits, said: str) -> None:
    model = Model(first_us=200 * MS)
    found = await probed(model, limits=limits, price=Price(1_000_000, 1_000_000, "as given"))
    assert any(said in one for one in found.unfinished)
    assert found.firsts[0].is_ok
    assert found.chat is not None
    spent = found.chat.spending
    assert spent.requests == sum(asked.method == "POST" for asked in model.asked) <= limits.requests
    assert spent.tokens_in + spent.tokens_out <= limits.tokens
    assert spent.cost_usd_micros <= limits.cost_usd_micros


async def test_timed_prompts_are_never_the_same_twice() -> None:
    model = Model()
    await probed(model, Plan(warm=4, most=2))
    prompts = [asked.json["messages"][0]["content"] for asked in model.asked if asked.number]
    assert len(prompts) > 12
    assert len(set(prompts)) == len(prompts)


async def test_a_stream_that_hangs_is_a_timeout_with_what_came_before() -> None:
    clock = LockstepClock()
    numbers = itertools.count()

    class Hangs(Model):
        async def stream(self, asked: Asked, answer: Answering) -> None:
            if next(numbers) != 4:
                await super().stream(asked, answer)
                return
            await answer.begin()
            answer.spend(300 * MS)
            await answer.piece(event(chunk("w")))
            answer.spend(60 * SECOND)
            clock.expire()
            await asyncio.sleep(3600)

    found = await probed(Hangs(), Plan(warm=3, most=1), clock=clock)
    late = [one for one in found.warm if not one.is_ok]
    assert [(one.failure, one.first_us) for one in late] == [("timeout after HTTP 200", 300 * MS)]
    assert len(found.warm) == 3


async def test_a_connection_that_breaks_is_a_failure_of_its_own() -> None:
    class Breaks(Model):
        async def stream(self, asked: Asked, answer: Answering) -> None:
            await answer.begin()
            await answer.piece(event(chunk("w")))
            raise ConnectionResetError

    found = await probed(Breaks())
    assert [one.failure for one in found.firsts] == ["connection broke after HTTP 200"]


async def test_nobody_there_is_said_at_once() -> None:
    async def closes(asked: Asked, answer: Answering) -> None:
        raise ConnectionResetError

    with pytest.raises(NothingThere, match="connection broke"):
        await probed(closes)
