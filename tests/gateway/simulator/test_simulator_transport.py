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
from gateway.simulator.exchange import Simulator, SimulatorSettings
from gateway.simulator.pace import POOL_PACES, Pace, find_pace, sleep_us
from gateway.simulator.transport import SimulatorTransport
from tests.gateway.simulator.simulator_kit import (
    CHUNK,
    COMPLETION,
    ERROR,
    MODEL,
    StillClock,
    chat_body,
    check_shape,
    make_simulator,
    read_events,
)
from worker.errors import MalformedRequest

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


async def test_a_pool_sets_the_pace_of_a_stream() -> None:
    clock = StillClock()
    simulator = make_simulator(clock, speed=1)
    body = json.dumps(chat_body("What is 2+2?", stream=True, stream_options={"include_usage": True})).encode()
    reply = await simulator.reply("POST", "/v1/chat/completions", {"x-harpoon-pool": "shared-8x"}.get, body)
    assert reply.events is not None
    times = [clock.elapsed_us async for _ in reply.events]
    # The roles come with the first token, after 600 ms; then 25 tokens a second; the rest follows the last token.
    assert times == [600_000, 600_000, 640_000, 680_000, 720_000, 760_000, 760_000, 760_000, 760_000]


async def test_a_pool_sets_the_pace_of_a_plain_answer_and_speed_divides_it() -> None:
    for speed, elapsed_us in ((1, 760_000), (10, 76_000), (0, 0)):
        clock = StillClock()
        simulator = make_simulator(clock, speed=speed)
        data = json.dumps(chat_body("What is 2+2?")).encode()
        reply = await simulator.reply("POST", "/v1/chat/completions", {"x-harpoon-pool": "shared-8x"}.get, data)
        assert reply.status == 200
        assert clock.elapsed_us == elapsed_us
        assert dict(reply.headers)["openai-processing-ms"] == str(elapsed_us // 1_000)


async def test_without_a_pool_nothing_waits_and_an_unknown_pool_is_refused() -> None:
    clock = StillClock()
    simulator = make_simulator(clock, speed=1)
    data = json.dumps(chat_body("What is 2+2?")).encode()
    assert (await simulator.reply("POST", "/v1/chat/completions", {}.get, data)).status == 200
    refused = await simulator.reply("POST", "/v1/chat/completions", {"x-harpoon-pool": "shared-99x"}.get, data)
    assert refused.status == 400
    assert json.loads(refused.body)["error"]["param"] == "x-harpoon-pool"
    assert clock.slept_us == []
    with pytest.raises(MalformedRequest):
        find_pace("shared-99x", POOL_PACES)


def test_a_busier_pool_is_never_faster() -> None:
    pools = [POOL_PACES[name] for name in ("private-1x", "shared-4x", "shared-8x")]
    for tokens in (0, 1, 2, 100, 10_000):
        due = [pool.due_us(tokens, 1) for pool in pools]
        assert due == sorted(due)
    for wrong in ({"first_token_ms": -1, "tokens_per_s": 1}, {"first_token_ms": 0, "tokens_per_s": 0}):
        with pytest.raises(ValueError, match="a pace needs"):
            Pace(**wrong)
    with pytest.raises(ValueError, match="speed"):
        SimulatorSettings(models=frozenset(), speed=-1)


async def test_closing_a_stream_ends_it() -> None:
    clock = StillClock()
    transport = SimulatorTransport(make_simulator(clock, speed=1))
    headers = {"x-harpoon-pool": "shared-8x"}
    request = httpx.Request("POST", URL, json=chat_body("List 5 planets", stream=True), headers=headers)
    response = await transport.handle_async_request(request)
    events = response.aiter_raw()
    await anext(events)
    await events.aclose()
    await response.aclose()
    assert clock.slept_us == [600_000]

    unread = await transport.handle_async_request(request)
    await unread.aclose()
    assert clock.slept_us == [600_000]


async def test_a_client_that_leaves_ends_its_answer() -> None:
    """The wait would last a day; the disconnect ends it, both before and after the first byte."""
    waiting = asyncio.Event()

    async def sleep_a_day(delay_us: int) -> None:
        waiting.set()
        await sleep_us(86_400_000_000)

    settings = SimulatorSettings(models=frozenset({MODEL}), speed=1)
    app = create_app(Simulator(settings, StillClock(), sleep_a_day))
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
