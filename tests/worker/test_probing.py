"""Providers that nobody calls are looked at for nothing, and only they."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.contracts.misbehaving_server import Server, close_at_once
from tests.worker.api.application_kit import Application, application, ask
from tests.worker.api.test_health import Pool
from worker.probing import probe_quiet
from worker.upstream.watch import PROBE_HOLDS_US, REACHED, UNREACHED

MINUTE_US = 60_000_000


@contextlib.asynccontextmanager
async def two_pools() -> AsyncIterator[tuple[Application, Pool, Pool]]:
    """hosted.ai and OpenAI, both of them pools that answer."""
    hosted, openai = Pool(), Pool()
    async with (
        Server(hosted) as first,
        Server(openai) as second,
        application(
            HOSTED_AI_BASE_URL=f"http://127.0.0.1:{first.port}/v1", OPENAI_BASE_URL=f"http://127.0.0.1:{second.port}/v1"
        ) as harpoon,
    ):
        yield harpoon, hosted, openai


def kinds(pool: Pool) -> list[str]:
    return [head.split(b" ")[1].decode() for head in pool.heads]


async def test_who_was_never_heard_of_is_asked_for_its_models_and_nothing_that_is_paid() -> None:
    async with two_pools() as (harpoon, hosted, openai):
        await probe_quiet(harpoon.services, MINUTE_US)
        assert kinds(hosted) == kinds(openai) == ["/v1/models"]
        assert harpoon.services.watch.of("openai").probe == REACHED
        assert await harpoon.rows("SELECT 1 FROM decision") == []


async def test_who_has_answered_lately_is_left_alone() -> None:
    async with two_pools() as (harpoon, hosted, openai):
        body = ask(model="hosted-ai/llama-3.1-8b-instruct")
        assert (await harpoon.client.post("/chat/completions", json=body)).status_code == 200
        await probe_quiet(harpoon.services, MINUTE_US)
        assert kinds(hosted) == ["/v1/chat/completions"], "a call says more"
        assert kinds(openai) == ["/v1/models"]


async def test_nobody_is_asked_again_while_its_word_holds() -> None:
    async with two_pools() as (harpoon, hosted, _):
        await probe_quiet(harpoon.services, MINUTE_US)
        await probe_quiet(harpoon.services, MINUTE_US)
        await probe_quiet(harpoon.services, 0)
        assert kinds(hosted) == ["/v1/models"]
        harpoon.services.watch.of("hosted-ai").probed_us -= PROBE_HOLDS_US
        await probe_quiet(harpoon.services, PROBE_HOLDS_US)
        assert kinds(hosted) == ["/v1/models"] * 2


async def test_a_provider_that_is_gone_is_known_to_be_before_anybody_calls_it() -> None:
    async with Server(close_at_once) as server:
        base = f"http://127.0.0.1:{server.port}/v1"
        async with application(HOSTED_AI_BASE_URL=base) as harpoon:
            assert (await harpoon.client.get("http://localhost/health")).json()["status"] == "healthy"
            await probe_quiet(harpoon.services, MINUTE_US)
            assert harpoon.services.watch.of("hosted-ai").probe == UNREACHED
            assert (await harpoon.client.get("http://localhost/health")).json()["status"] == "degraded"


async def test_whoever_asks_meanwhile_waits_for_the_one_probe() -> None:
    async with two_pools() as (harpoon, hosted, _):
        await asyncio.gather(*(probe_quiet(harpoon.services, MINUTE_US) for _ in range(5)))
        assert kinds(hosted) == ["/v1/models"]
