"""The simulator over its two doors: the same answers in process and over ASGI, paced by pool, ended by who leaves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from gateway.simulator.app import create_app
from gateway.simulator.demo_pools import DemoPools, demo_pools
from gateway.simulator.exchange import Simulator, SimulatorSettings
from gateway.simulator.pace import Pacer, Timing
from gateway.simulator.platform.clock import VirtualClock
from gateway.simulator.platform.neighbours import Neighbour
from gateway.simulator.transport import SimulatorTransport
from tests.gateway.simulator.simulator_kit import (
    CHUNK,
    COMPLETION,
    ERROR,
    MODEL,
    PlatformTime,
    chat_body,
    check_shape,
    make_simulator,
    read_events,
)

URL = "http://simulator/v1/chat/completions"


def client_of(door: str, simulator: Simulator) -> httpx.AsyncClient:
    """A client that reaches `simulator` in process, or through its ASGI app mounted in another one."""
    if door == "transport":
        return httpx.AsyncClient(transport=SimulatorTransport(simulator), base_url="http://gateway")
    app = Starlette(routes=[Mount("/simulator", app=create_app(simulator))])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway/simulator")


BOTH_DOORS = pytest.mark.parametrize("door", ["transport", "asgi"])


@BOTH_DOORS
async def test_both_doors_give_the_same_answer(door: str) -> None:
    async with client_of(door, make_simulator()) as client:
        plain = await client.post("/v1/chat/completions", json=chat_body("List 5 planets"))
        assert plain.status_code == 200
        assert plain.headers["x-harpoon-simulated"] == "1"
        assert plain.headers["x-request-id"].startswith("req_sim_")
        assert plain.headers["openai-processing-ms"] == "0"
        assert plain.headers["content-length"] == str(len(plain.content))
        check_shape(plain.json(), COMPLETION)
        text = plain.json()["choices"][0]["message"]["content"]
        assert text == "Mercury, Venus, Earth, Mars and Jupiter."

        body = chat_body("List 5 planets", stream=True, stream_options={"include_usage": True})
        stream = await client.post("/v1/chat/completions", json=body, headers={"x-request-id": "mine-1"})
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["x-harpoon-simulated"] == "1"
        assert stream.headers["x-request-id"] == "mine-1"
        chunks = read_events(stream.content)
        for chunk in chunks:
            check_shape(chunk, CHUNK)
        assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1]) == text
        assert chunks[-1]["usage"] == plain.json()["usage"]


@BOTH_DOORS
async def test_models_and_health_are_told(door: str) -> None:
    async with client_of(door, make_simulator()) as client:
        models = (await client.get("/v1/models")).json()
        assert models["object"] == "list"
        assert [model["id"] for model in models["data"]] == [MODEL, "tiny"]
        assert (await client.get("/v1/models/tiny")).json() == models["data"][1]
        health = await client.get("/health")
        assert health.json() == {"status": "ok", "simulated": True, "models": 2}


@BOTH_DOORS
@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/chat/completions", b'{"model":', 400),
        ("POST", "/v1/chat/completions", b"", 400),
        ("POST", "/v1/chat/completions", json.dumps({"model": MODEL, "messages": "hi"}).encode(), 400),
        ("POST", "/v1/chat/completions", json.dumps(chat_body("x", model="no-such-model")).encode(), 404),
        ("POST", "/v1/chat/completions", b" " * (1 << 20) + b"{}", 413),
        ("GET", "/v1/chat/completions", b"", 405),
        ("POST", "/v1/models", b"{}", 405),
        ("GET", "/v1/models/none", b"", 404),
        ("GET", "/v1/images", b"", 404),
    ],
)
async def test_what_cannot_be_served_gets_an_error_body(
    door: str, method: str, path: str, content: bytes, status: int
) -> None:
    async with client_of(door, make_simulator()) as client:
        response = await client.request(method, path, content=content)
        assert response.status_code == status
        assert response.headers["x-request-id"]
        check_shape(response.json(), ERROR)


async def test_openai_s_own_client_is_content() -> None:
    http = httpx.AsyncClient(transport=SimulatorTransport(make_simulator()))
    async with openai.AsyncOpenAI(base_url="http://simulator/v1", api_key="none", http_client=http) as client:
        messages: Any = [{"role": "user", "content": "Name three primary colours."}]
        answer = await client.chat.completions.create(model=MODEL, messages=messages)
        assert answer.choices[0].message.content == "Red, yellow and blue."
        assert answer.model == f"{MODEL}-simulated"
        stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(pieces) == "Red, yellow and blue."
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="other", messages=messages)
        assert sorted([model.id async for model in client.models.list()]) == [MODEL, "tiny"]


def header_of(pool: str) -> Any:
    return {"x-harpoon-pool": pool}.get


def paced(load: tuple[Neighbour, ...] = ()) -> tuple[VirtualClock, Simulator]:
    """A simulator on pools without the other teams' load, unless some is given, in virtual time."""
    clock = VirtualClock(jumps=True)
    return clock, make_simulator(clock, DemoPools(clock, neighbours=load))


async def test_a_pool_sets_the_pace_of_a_stream() -> None:
    clock, simulator = paced()
    body = json.dumps(chat_body("What is 2+2?", stream=True, stream_options={"include_usage": True})).encode()
    reply = await simulator.reply("POST", "/v1/chat/completions", header_of("private-1x"), body)
    assert reply.events is not None
    assert ("x-harpoon-pool", "private-1x") in reply.headers
    times = [clock.now_us() async for _ in reply.events]
    # The roles come with the first token, after 15 ms and 15 us for each of ten tokens of prompt; then one each 6 ms.
    first = 15_000 + 15 * 10
    tokens = [first + 6_000 * number for number in range(5)]
    assert times == [first, *tokens, *[tokens[-1]] * 3]


async def test_a_plain_answer_comes_when_its_last_token_would() -> None:
    clock, simulator = paced()
    data = json.dumps(chat_body("What is 2+2?")).encode()
    reply = await simulator.reply("POST", "/v1/chat/completions", header_of("private-1x"), data)
    assert reply.status == 200
    assert clock.now_us() == 15_000 + 15 * 10 + 4 * 6_000
    assert dict(reply.headers)["openai-processing-ms"] == str(clock.now_us() // 1_000)


async def test_the_others_on_a_pool_make_it_slower() -> None:
    took = []
    for load in ((), (Neighbour("other", 2, per_hour=200_000, output_tokens=400),)):
        clock, simulator = paced(load)
        data = json.dumps(chat_body("List 5 planets")).encode()
        assert (await simulator.reply("POST", "/v1/chat/completions", header_of("shared-4x"), data)).status == 200
        took.append(clock.now_us())
    assert took[1] > 2 * took[0]


async def test_requests_made_together_share_a_card() -> None:
    clock, simulator = paced()
    data = json.dumps(chat_body("List 5 planets")).encode()
    asked = [simulator.reply("POST", "/v1/chat/completions", header_of("private-1x"), data) for _ in range(8)]
    assert [reply.status for reply in await asyncio.gather(*asked)] == [200] * 8
    together = clock.now_us()
    await simulator.reply("POST", "/v1/chat/completions", header_of("private-1x"), data)
    # A request among eight runs at 54 % of its speed.
    assert abs(together * 535_714 // 1_000_000 - (clock.now_us() - together)) < 100


async def test_responses_and_embeddings_wait_too() -> None:
    for path, body in (
        ("/v1/responses", {"model": MODEL, "input": "What is 2+2?"}),
        ("/v1/responses", {"model": MODEL, "input": "What is 2+2?", "stream": True}),
        ("/v1/embeddings", {"model": "hashed-words-256", "input": "What is 2+2?"}),
    ):
        clock = VirtualClock(jumps=True)
        settings = SimulatorSettings(frozenset({MODEL, "hashed-words-256"}))
        simulator = Simulator(settings, PlatformTime(clock), DemoPools(clock))
        reply = await simulator.reply("POST", path, header_of("private-1x"), json.dumps(body).encode())
        assert reply.status == 200
        if reply.events is not None:
            assert [event async for event in reply.events]
        assert 0 < clock.now_us() < 100_000


async def test_without_a_pool_nothing_waits_and_an_unknown_pool_is_refused() -> None:
    clock, simulator = paced()
    data = json.dumps(chat_body("What is 2+2?")).encode()
    assert (await simulator.reply("POST", "/v1/chat/completions", {}.get, data)).status == 200
    refused = await simulator.reply("POST", "/v1/chat/completions", header_of("shared-99x"), data)
    assert refused.status == 400
    assert json.loads(refused.body)["error"]["param"] == "x-harpoon-pool"
    assert clock.now_us() == 0


async def test_the_pools_can_be_looked_at() -> None:
    clock = VirtualClock(jumps=True)
    pools = DemoPools(clock)
    simulator = make_simulator(clock, pools)
    rows = json.loads((await simulator.reply("GET", "/v1/pools", {}.get, b"")).body)["data"]
    assert [(row["pool"], row["tenants"], row["takes_turns"]) for row in rows] == [
        ("private-1x", 1, False),
        ("shared-4x", 3, False),
        ("shared-8x", 5, True),
    ]
    assert json.loads((await make_simulator().reply("GET", "/v1/pools", {}.get, b"")).body)["data"] == []
    assert demo_pools(0) is None
    assert isinstance(demo_pools(1), DemoPools)


async def test_a_busier_pool_is_slower_on_the_whole() -> None:
    """Over many requests at random times: the waits are the model's, so one of them says little."""
    means = {}
    for pool in ("private-1x", "shared-4x", "shared-8x"):
        clock = VirtualClock(jumps=True)
        simulator = make_simulator(clock, DemoPools(clock))
        total, data = 0, json.dumps(chat_body("What is a vGPU?")).encode()
        for number in range(60):
            clock.advance(1_000_000 + 77_777 * number)
            began = clock.now_us()
            await simulator.reply("POST", "/v1/chat/completions", header_of(pool), data)
            total += clock.now_us() - began
        means[pool] = total // 60
    assert means["private-1x"] < means["shared-4x"] < means["shared-8x"] < 3_000_000
    assert means["private-1x"] < 150_000


async def test_closing_a_stream_ends_it() -> None:
    clock, simulator = paced()
    transport = SimulatorTransport(simulator)
    headers = {"x-harpoon-pool": "private-1x"}
    request = httpx.Request("POST", URL, json=chat_body("List 5 planets", stream=True), headers=headers)
    response = await transport.handle_async_request(request)
    events = response.aiter_raw()
    await anext(events)
    await events.aclose()
    await response.aclose()
    left = clock.now_us()
    assert 15_000 < left < 16_000
    row = json.loads((await simulator.reply("GET", "/v1/pools", {}.get, b"")).body)["data"][0]
    assert row["running"] == 0

    unread = await transport.handle_async_request(request)
    await unread.aclose()
    assert clock.now_us() == left


async def test_a_client_that_leaves_ends_its_answer() -> None:
    """The wait would last a day; the disconnect ends it, both before and after the first byte."""
    waiting = asyncio.Event()

    class Endless:
        """A pod that takes for ever."""

        def at(self, pool: str | None) -> Pacer:
            return self

        def tells(self, pool: str | None) -> str:
            return ""

        def overview(self) -> list[dict[str, object]]:
            return []

        def begin(self, model: str, prompt_tokens: int, output_tokens: int) -> Timing:
            return self

        async def until(self, tokens: int) -> None:
            waiting.set()
            await asyncio.Event().wait()

        def leave(self) -> None:
            left.append(True)

    left: list[bool] = []
    app = create_app(make_simulator(pacing=Endless()))
    for stream in (False, True):
        waiting.clear()
        received: list[dict[str, Any]] = [
            {"type": "http.request", "body": json.dumps(chat_body("x", stream=stream)).encode()}
        ]
        sent: list[Any] = []

        async def receive(received: list[dict[str, Any]] = received) -> dict[str, Any]:
            if received:
                return received.pop(0)
            await waiting.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "headers": [(b"x-harpoon-pool", b"private-1x")],
        }
        await app(scope, receive, send)
        assert [message["type"] for message in sent] == (["http.response.start"] if stream else [])
        assert left.pop()
    assert len(asyncio.all_tasks()) == 1


async def test_a_client_that_leaves_while_sending_gets_nothing() -> None:
    events: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    await create_app(make_simulator())(scope, receive, send)
    assert sent == []


async def test_the_app_lives_and_dies_when_served_by_itself() -> None:
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await create_app(make_simulator())({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
