"""The circuit breaker of a route, from requests alone: what opens it, and that one request at a time probes it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.faults.upstream import event, whole_stream
from tests.faults.virtual import Answer, Play, World, answers, fails, play, raises, streams
from worker.ports import NotSent
from worker.routing.candidates import Observation
from worker.routing.estimates import FAILURES_TO_OPEN, OPEN_FOR_US, read_observations

FIRST = "workers-ai/m@solo"
REST_S = OPEN_FOR_US / 1_000_000


async def observed(world: World) -> Observation | None:
    """What is known of the first route."""
    now_us = world.services.clock.now_us()
    found = await world.database.transact(lambda sql: read_observations(sql, "local", now_us))
    return found.get(FIRST)


def first_only(script: dict[str, Play]) -> list[Play]:
    """A script by step, whatever comes when."""

    async def by_step(request: httpx.Request) -> httpx.Response:
        return await script[request.url.path.split("/")[1]](request)

    return [by_step]


FAILING: list[tuple[str, Play, dict[str, Any]]] = [
    ("nobody listens", raises(NotSent), {}),
    ("it closes the connection", raises(httpx.RemoteProtocolError), {}),
    ("a status", fails(500), {}),
    ("it hangs under a short deadline", answers(after_s=100), {"covenant": {"deadline_s": 1}}),
    ("the same, streamed", answers(after_s=100), {"covenant": {"deadline_s": 1}, "stream": True}),
    ("its streams break", streams(event("one")), {"stream": True}),
    (
        "its streams stall until the deadline",
        streams(event("one"), 100.0),
        {"covenant": {"deadline_s": 2}, "stream": True},
    ),
]


@pytest.mark.parametrize(("first", "fields"), [f[1:] for f in FAILING], ids=[f[0] for f in FAILING])
def test_what_opens_a_breaker(first: Play, fields: dict[str, Any]) -> None:
    async def story(world: World) -> list[str]:
        for _ in range(FAILURES_TO_OPEN):
            await world.ask(**fields)
        seen = await observed(world)
        assert seen is not None
        assert seen.open
        await world.ask(**fields)
        return [step for _, step in world.transport.calls]

    steps = play(first_only({"first": first, "second": answers(), "third": answers()}), story, HARPOON_MAX_RETRIES="0")
    assert steps.count("first") == FAILURES_TO_OPEN
    assert steps[-1] == "second"


HEALTHY: list[tuple[str, Play, dict[str, Any]]] = [
    ("a request that is wrong", fails(400), {}),
    ("a client that leaves before the answer", answers(after_s=5), {"stream": True, "leaves_s": 1}),
    ("a client that leaves a stream", streams(event("one"), 9.0, event("two")), {"stream": True, "leaves_s": 1}),
    (
        "a long answer at the usual pace",
        streams(*[piece for _ in range(1_000) for piece in (event("word"), 0.0015)]),
        {"stream": True, "covenant": {"deadline_s": 1}},
    ),
]


@pytest.mark.parametrize(("first", "fields"), [h[1:] for h in HEALTHY], ids=[h[0] for h in HEALTHY])
def test_what_says_nothing_against_a_route(first: Play, fields: dict[str, Any]) -> None:
    async def story(world: World) -> None:
        for _ in range(FAILURES_TO_OPEN + 1):
            await world.ask(**fields)
        seen = await observed(world)
        assert seen is None or not seen.failures

    play(first_only({"first": first, "second": answers(), "third": answers()}), story)


async def opened(world: World) -> None:
    """The first route's breaker is open, and its rest is just over."""
    for _ in range(FAILURES_TO_OPEN):
        await world.ask()
    await asyncio.sleep(REST_S + 1)
    world.transport.calls.clear()


def of_first(world: World) -> int:
    return [step for _, step in world.transport.calls].count("first")


def test_one_request_at_a_time_probes_and_the_others_go_on() -> None:
    async def story(world: World) -> None:
        await opened(world)
        world.transport.script = first_only({"first": answers(after_s=0.1), "second": answers(), "third": answers()})
        crowd = await asyncio.gather(*(world.ask() for _ in range(10)))
        assert [answer.status for answer in crowd] == [200] * 10
        assert of_first(world) == 1
        await world.ask()  # the probe has closed the breaker
        assert of_first(world) == 2

    play(first_only({"first": fails(500), "second": answers(), "third": answers()}), story, HARPOON_MAX_RETRIES="0")


def test_a_failed_probe_lets_the_route_rest_again() -> None:
    async def story(world: World) -> None:
        await opened(world)
        for _ in range(4):
            await world.ask()
        assert of_first(world) == 1
        await asyncio.sleep(REST_S + 1)
        await world.ask()
        assert of_first(world) == 2

    play(first_only({"first": fails(500), "second": answers(), "third": answers()}), story, HARPOON_MAX_RETRIES="0")


def test_a_probe_whose_client_leaves_holds_no_longer_than_a_rest() -> None:
    async def story(world: World) -> None:
        await opened(world)
        world.transport.script = first_only({"first": answers(after_s=5), "second": answers(), "third": answers()})
        await world.ask(stream=True, leaves_s=1)
        await world.ask()
        assert of_first(world) == 1
        await asyncio.sleep(REST_S)
        await world.ask()
        assert of_first(world) == 2

    play(first_only({"first": fails(500), "second": answers(), "third": answers()}), story, HARPOON_MAX_RETRIES="0")


def test_a_probe_that_streams_and_is_left_has_answered() -> None:
    async def story(world: World) -> None:
        await opened(world)
        slow = streams(event("one"), 5.0, *whole_stream("two"))
        world.transport.script = first_only({"first": slow, "second": answers(), "third": answers()})
        await world.ask(stream=True, leaves_s=1)
        seen = await observed(world)
        assert seen is not None
        assert (seen.failures, seen.open) == (0, False)

    play(first_only({"first": fails(500), "second": answers(), "third": answers()}), story, HARPOON_MAX_RETRIES="0")


def test_a_hop_onto_a_route_that_rests_is_not_made() -> None:
    """The second route's breaker opens while the first request is on its way."""

    async def story(world: World) -> Answer:
        late = asyncio.ensure_future(world.ask())
        await asyncio.sleep(1)
        for _ in range(FAILURES_TO_OPEN):
            await world.ask(model="groq/m")
        world.transport.calls.clear()
        answer = await late
        assert [step for _, step in world.transport.calls] == ["third"]
        return answer

    async def slowly(request: httpx.Request) -> httpx.Response:
        await answers(9)(request)
        return await fails(503)(request)

    script = first_only({"first": slowly, "second": fails(500), "third": answers()})
    assert play(script, story, HARPOON_MAX_RETRIES="0", HARPOON_MAX_FALLBACKS="2").status == 200
