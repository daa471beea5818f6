"""Health tells the truth: what calls have shown, what a probe finds, and is not healthy when all are down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.misbehaving_server import Server, close_at_once, hang, read_request, replies
from tests.serving import serving
from tests.worker.api.application_kit import Application, answers_bytes, application, ask, http_answer
from worker.admission import Attempt
from worker.routing.estimates import OPEN_FOR_US
from worker.upstream.watch import (
    ANSWER_HOLDS_US,
    FAILURE_HOLDS_US,
    FAILURES_TO_BE_DOWN,
    PROBE_HOLDS_US,
    PROBE_TIMEOUT_US,
    ProviderWatch,
    Sighting,
)

ROOT = "http://localhost"
ROUTE = "hosted-ai/m@p"


class Pool:
    """A provider that lists models and answers chats, as it is told; keeps the requests it was sent."""

    def __init__(self) -> None:
        self.chat = answers_bytes()
        self.models = http_answer(200, b'{"object":"list","data":[]}')
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_request(reader)
        self.heads.append(head)
        writer.write(self.models if head.startswith(b"GET ") else self.chat)
        await writer.drain()


@contextlib.asynccontextmanager
async def pooled(**settings: Any) -> AsyncIterator[tuple[Application, Server, Pool]]:
    """hosted.ai alone, played by a pool."""
    pool = Pool()
    async with (
        Server(pool) as server,
        application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}/v1", **settings) as harpoon,
    ):
        yield harpoon, server, pool


async def health(harpoon: Application, *, detailed: bool = False, **headers: str) -> Any:
    url = f"{ROOT}/health{'?detailed=true' if detailed else ''}"
    answer = await harpoon.client.get(url, headers=headers)
    assert answer.status_code == 200
    return answer.json()


async def chat(harpoon: Application) -> int:
    return (await harpoon.client.post("/chat/completions", json=ask())).status_code


async def test_a_fresh_process_is_healthy_and_says_what_it_can_do(harpoon: Application) -> None:
    found = await health(harpoon)
    assert (found["status"], found["version"], found["host"]) == ("healthy", "0.1.0", "cpython")
    assert found["deployment_modes"] == ["native", "hosted_ai", "lightweight"]
    assert found["providers"]["simulator"] == "configured"
    assert found["providers"]["openai"] == "not configured"
    assert "details" not in found


async def test_the_simulator_counts_as_up(harpoon: Application) -> None:
    found = await health(harpoon, detailed=True)
    assert found["status"] == "healthy"
    told = found["details"]["simulator"]
    assert (told["status"], told["reachable"], told["simulated"]) == ("up", True, True)
    assert told["models"]
    unset = found["details"]["openai"]
    assert (unset["status"], unset["reachable"], unset["probe"]) == ("not configured", None, None)
    assert found["state"] == {"reachable": True}
    assert found["uptime_s"] >= 0


async def test_all_killed_is_never_healthy() -> None:
    async with application(HARPOON_SIMULATOR="off") as nobody:
        assert (await health(nobody))["status"] == "degraded"
    pool = Pool()
    async with contextlib.AsyncExitStack() as stack:
        server = Server(pool)
        await server.__aenter__()
        base = f"http://127.0.0.1:{server.port}/v1"
        harpoon = await stack.enter_async_context(application(HOSTED_AI_BASE_URL=base))
        assert await chat(harpoon) == 200
        assert (await health(harpoon))["status"] == "healthy"
        await server.__aexit__()
        assert await chat(harpoon) == 503
        assert (await health(harpoon))["status"] == "degraded"
        found = await health(harpoon, detailed=True)
        assert found["status"] == "degraded"
        told = found["details"]["hosted-ai"]
        assert (told["status"], told["reachable"], told["probe"]["result"]) == ("down", False, "no answer")
        assert (told["calls"]["answered"], told["calls"]["last_failure"]["cause"]) == (1, "connect")


async def test_a_server_that_is_killed_is_never_healthy(tmp_path: Path) -> None:
    with serving(tmp_path / "state") as server:
        async with application(HOSTED_AI_BASE_URL=f"{server.base}/simulator/v1") as harpoon:
            assert (await health(harpoon, detailed=True))["status"] == "healthy"
            assert await chat(harpoon) == 200
            server.stop(signal.SIGKILL)
            assert await chat(harpoon) == 503
            found = await health(harpoon)
            assert found["status"] == "degraded"
            assert found["providers"]["hosted-ai"] == "configured"


async def test_a_probe_finds_a_dead_provider_that_nobody_has_called_yet() -> None:
    async with Server(close_at_once) as server, Server(Pool()) as living:
        dead = f"http://127.0.0.1:{server.port}/v1"
        async with application(HOSTED_AI_BASE_URL=dead) as harpoon:
            assert (await health(harpoon))["status"] == "healthy", "nothing is known against it"
            assert (await health(harpoon, detailed=True))["status"] == "degraded"
            assert (await health(harpoon))["status"] == "degraded", "what the probe found is kept"
        both: Any = {"HOSTED_AI_BASE_URL": dead, "OPENAI_BASE_URL": f"http://127.0.0.1:{living.port}/v1"}
        async with application(**both) as harpoon:
            found = await health(harpoon, detailed=True)
            assert found["status"] == "healthy", "one of two still serves"
            states = {name: told["status"] for name, told in found["details"].items()}
            assert (states["hosted-ai"], states["openai"]) == ("down", "up")


async def test_a_provider_that_comes_back_is_up_with_its_first_answer() -> None:
    async with pooled() as (harpoon, _, pool):
        pool.chat = http_answer(500, b"{}")
        assert await chat(harpoon) == 503
        assert (await health(harpoon))["status"] == "degraded"
        pool.chat = answers_bytes()
        assert await chat(harpoon) == 200
        assert (await health(harpoon))["status"] == "healthy"


async def test_a_probe_costs_nothing_and_brings_the_key() -> None:
    async with pooled(HOSTED_AI_API_KEY="sk-of-the-pool") as (harpoon, _, pool):
        found = await health(harpoon, detailed=True)
        assert found["details"]["hosted-ai"]["probe"]["http_status"] == 200
        (head,) = pool.heads
        assert head.startswith(b"GET /v1/models HTTP/1.1\r\n")
        assert b"authorization: Bearer sk-of-the-pool\r\n" in head
        assert "sk-of-the-pool" not in json.dumps(found)
        assert await harpoon.rows("SELECT 1 FROM decision") == []


@pytest.mark.parametrize(
    ("status", "result", "is_up"),
    [
        (200, "reached", True),
        (302, "reached", True),
        (404, "reached", True),
        (502, "server error", False),
        (401, "key refused", False),
        (403, "key refused", False),
    ],
)
async def test_any_answer_is_reachable_but_a_refused_key_is_no_provider(status: int, result: str, is_up: bool) -> None:
    async with pooled() as (harpoon, server, pool):
        pool.models = http_answer(status, b"{}", "location: /elsewhere\r\n")
        found = await health(harpoon, detailed=True)
        told = found["details"]["hosted-ai"]
        assert (told["probe"]["result"], told["probe"]["http_status"], told["reachable"]) == (result, status, True)
        assert found["status"] == ("healthy" if is_up else "degraded")
        assert server.connections == 1, "a redirect is an answer, not an order"


async def test_one_bad_answer_is_no_outage() -> None:
    async with pooled(HARPOON_MAX_FALLBACKS="0", HARPOON_MAX_RETRIES="0") as (harpoon, _, pool):
        pool.chat = http_answer(500, b"{}")
        for failed in range(1, FAILURES_TO_BE_DOWN + 1):
            assert await chat(harpoon) == 503
            assert (await health(harpoon))["status"] == ("degraded" if failed == FAILURES_TO_BE_DOWN else "healthy")


async def test_the_callers_own_circuit_breakers_are_told() -> None:
    tokens = {"HARPOON_TOKENS": "hk_acme_0123456789,hk_other_0123456789"}
    async with pooled(HARPOON_MAX_FALLBACKS="0", HARPOON_MAX_RETRIES="0", **tokens) as (harpoon, _, pool):
        pool.chat = http_answer(500, b"{}")
        acme, other = ({"authorization": f"Bearer hk_{name}_0123456789"} for name in ("acme", "other"))
        told: Any = {}
        for failed in (1, 2, 3):
            body = ask(model="hosted-ai/llama-3.1-8b-instruct", covenant={"priority": "max_security"})
            answer = await harpoon.client.post("/chat/completions", json=body, headers=acme)
            assert answer.status_code == 503
            (told,) = (await health(harpoon, detailed=True, **acme))["details"]["hosted-ai"]["routes"].values()
            assert told == {"breaker": "open" if failed == 3 else "closed", "failed_in_a_row": failed}
        assert (await health(harpoon, detailed=True, **other))["details"]["hosted-ai"]["routes"] == {}
        await harpoon.rows(f"UPDATE estimate SET open_until_us = open_until_us - {OPEN_FOR_US}")
        (told,) = (await health(harpoon, detailed=True, **acme))["details"]["hosted-ai"]["routes"].values()
        assert told == {"breaker": "half-open", "failed_in_a_row": 3}


async def test_nobody_can_be_made_to_hammer_a_provider() -> None:
    async with pooled() as (harpoon, server, _):
        found = await asyncio.gather(*(health(harpoon, detailed=True) for _ in range(8)))
        assert all(one["details"]["hosted-ai"]["status"] == "up" for one in found), "they wait for the one that asks"
        await health(harpoon, detailed=True)
        assert server.connections == 1


async def test_a_provider_that_is_silent_is_given_up_on() -> None:
    async with Server(hang) as server, application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}") as harpoon:
        told = (await health(harpoon, detailed=True))["details"]["hosted-ai"]
        assert (told["status"], told["probe"]["result"], told["probe"]["http_status"]) == ("down", "no answer", None)


async def test_what_is_not_http_is_no_answer() -> None:
    async with (
        Server(replies(b"SSH-2.0\r\n")) as server,
        application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}") as harpoon,
    ):
        assert (await health(harpoon, detailed=True))["status"] == "degraded"


async def test_details_need_a_token_where_tokens_are_set_and_the_plain_answer_none() -> None:
    async with application(HARPOON_TOKENS="hk_acme_0123456789") as harpoon:
        assert (await health(harpoon))["status"] == "healthy"
        assert (await harpoon.client.get(f"{ROOT}/health?detailed=true")).status_code == 401
        named = await health(harpoon, detailed=True, authorization="Bearer hk_acme_0123456789")
        assert named["details"]["simulator"]["status"] == "up"


async def test_a_database_that_fails_is_told(harpoon: Application) -> None:
    await harpoon._database.close()
    found = await health(harpoon, detailed=True)
    assert (found["status"], found["state"]) == ("degraded", {"reachable": False})


async def test_detailed_is_yes_or_no(harpoon: Application) -> None:
    for value, status in (("true", 200), ("1", 200), ("false", 200), ("0", 200), ("maybe", 400), ("", 400)):
        assert (await harpoon.client.get(f"{ROOT}/health?detailed={value}")).status_code == status
    assert "details" not in (await harpoon.client.get(f"{ROOT}/health?detailed=false")).json()


def seen(*words: tuple[str, int]) -> Sighting:
    """What is known after these words, in order: causes of attempts, or probes and their statuses, or pauses."""
    watch, at_us = ProviderWatch(), 1_000
    for word, status in words:
        at_us += 1_000
        if word == "pause":
            at_us += status
        elif word == "probe":
            watch.probed("hosted-ai", status, at_us)
        else:
            watch.saw([Attempt(ROUTE, word, status, 5)], at_us)
    return watch.of("hosted-ai")


@pytest.mark.parametrize(
    ("words", "is_down"),
    [
        ([], False),
        ([("ok", 200)], False),
        ([("connect", 0)], True),
        ([("ok", 200), ("connect", 0)], True),
        ([("ok", 200), ("broken", 0)], False),
        ([("ok", 200), *[("broken", 0)] * 3], True),
        ([("broken", 0), ("broken", 0), ("ok", 200), ("broken", 0)], False),
        ([("timeout", 0), ("status", 500), ("malformed", 200)], True),
        ([("timeout", 0), ("status", 429), ("status", 500), ("rejected", 400), ("timeout", 0)], True),
        ([("connect", 0), ("ok", 200)], False),
        ([("connect", 0), ("probe", 200)], False),
        ([*[("status", 500)] * 3, ("probe", 200)], True),
        ([*[("status", 500)] * 3, ("pause", FAILURE_HOLDS_US), ("probe", 200)], False),
        ([*[("status", 500)] * 3, ("pause", FAILURE_HOLDS_US), ("probe", 200), ("status", 500)], True),
        ([*[("status", 500)] * 3, ("pause", FAILURE_HOLDS_US), ("probe", 500)], True),
        ([*[("status", 500)] * 3, ("ok", 200)], False),
        ([*[("status", 500)] * 3, ("probe", 502), ("probe", 200)], False),
        ([("key_refused", 401), ("probe", 401)], True),
        ([("key_refused", 401), ("probe", 200)], False),
        ([("key_refused", 403)], False),
        ([*[("key_refused", 402)] * 3], True),
        ([("probe", 0)], True),
        ([("probe", 0), ("ok", 200)], False),
        ([("ok", 200), ("probe", 0)], True),
        ([("probe", 401)], True),
        ([("probe", 503)], True),
        ([("ok", 200), ("probe", 403)], False),
        ([("ok", 200), ("probe", 503)], False),
        ([("ok", 200), ("pause", ANSWER_HOLDS_US), ("probe", 403)], True),
        ([("ok", 200), ("pause", ANSWER_HOLDS_US), ("probe", 403), ("ok", 200)], False),
        ([("status", 429)], False),
        ([("connect", 0), ("status", 429)], True),
        ([("rejected", 400)], False),
        ([("called_off", 0)], False),
        ([("probe", 200), ("timeout", 0)], False),
        ([("probe", 200), ("connect", 0)], True),
    ],
)
def test_what_is_known_decides(words: list[tuple[str, int]], is_down: bool) -> None:
    assert seen(*words).is_down is is_down


def test_the_last_attempt_of_a_request_is_the_newest() -> None:
    watch = ProviderWatch()
    watch.saw([Attempt(ROUTE, "connect", 0, 5), Attempt(ROUTE, "ok", 200, 5)], 1_000)
    assert not watch.of("hosted-ai").is_down
    watch.saw([Attempt(ROUTE, "ok", 200, 5), Attempt(ROUTE, "connect", 0, 5)], 1_000)
    assert watch.of("hosted-ai").is_down
    assert watch.all_down(["hosted-ai"])
    assert not watch.all_down(["hosted-ai", "openai"])
    assert watch.all_down([])


def test_a_probes_word_holds_for_a_while() -> None:
    watch = ProviderWatch()
    watch.probed("hosted-ai", 200, 1_000)
    found = watch.of("hosted-ai")
    assert found.is_fresh(1_000 + PROBE_HOLDS_US - 1)
    assert not found.is_fresh(1_000 + PROBE_HOLDS_US)
    found.probing_us = 1_000 + PROBE_HOLDS_US
    assert found.is_fresh(1_000 + PROBE_HOLDS_US)
    assert not found.is_fresh(1_000 + PROBE_HOLDS_US + 2 * PROBE_TIMEOUT_US), "whoever asked has gone away"
