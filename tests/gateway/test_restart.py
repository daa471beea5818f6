"""What survives: budgets over a restart, over kill -9 in the middle of a request, and over two processes at once."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import DATABASE_FILE
from tests.contracts.misbehaving_server import Server
from tests.serving import Serving, serving

BODY = {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}], "max_tokens": 50}
PATIENCE_S = 20


def chat(server: Serving, **fields: Any) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
        return client.post(f"{server.base}/v1/chat/completions", json={**BODY, **fields})


def rows(server: Serving, statement: str) -> list[tuple[Any, ...]]:
    """What is in the state of a server, running or not."""
    database = sqlite3.connect(server.state / DATABASE_FILE)
    try:
        return database.execute(statement).fetchall()
    finally:
        database.close()


def held_for_one(server: Serving) -> int:
    """The worst case of one such request, in micro-dollars."""
    decision_id = chat(server).headers["x-harpoon-decision-id"]
    decision = httpx.get(f"{server.base}/v1/decisions/{decision_id}", trust_env=False).json()
    (selected,) = (row for row in decision["candidates"] if row["route"] == decision["selected"])
    return int(selected["worst_case_usd_micros"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_spent_stays_spent_over_a_restart(tmp_path: Path, how: signal.Signals) -> None:
    with serving(tmp_path / "state") as server:
        answer = chat(server)
        decision_id, cost = answer.headers["x-harpoon-decision-id"], answer.headers["x-harpoon-cost-usd"]
        decision = httpx.get(f"{server.base}/v1/decisions/{decision_id}", trust_env=False).json()
        assert (decision["state"], decision["cost_usd"]) == ("settled", cost)
        server.stop(how)
        spent = rows(server, "SELECT spent, reserved FROM account")
    assert spent[0][0] > 0
    with serving(tmp_path / "state", HARPOON_BUDGET_USD=f"0.{spent[0][0]:06d}") as server:
        again = httpx.get(f"{server.base}/v1/decisions/{decision_id}", trust_env=False).json()
        assert (again["state"], again["cost_usd"]) == ("settled", cost)
        assert chat(server).status_code == 402
        assert rows(server, "SELECT spent, reserved FROM account") == spent


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.read(-1)


@pytest.mark.parametrize("stream", [False, True])
async def test_kill_9_between_admit_and_settle_leaves_the_worst_case_and_nothing_else(
    tmp_path: Path, stream: bool
) -> None:
    async with Server(hang) as provider:
        settings = {"HOSTED_AI_BASE_URL": f"http://127.0.0.1:{provider.port}", "HARPOON_BUDGET_USD": "1"}

        def killed() -> tuple[Any, ...]:
            with serving(tmp_path / "state", **settings) as server:
                asyncio.run_coroutine_threadsafe(_kill_when_reached(provider, server), loop)
                with pytest.raises(httpx.TransportError):
                    chat(server, stream=stream)
                assert server.stop() == -signal.SIGKILL
                (held,) = rows(server, "SELECT reserved FROM account")
                assert held[0] > 0
                assert rows(server, "SELECT state, held FROM decision") == [("open", held[0])]
                return held

        def restarted() -> None:
            with serving(tmp_path / "state", **settings) as server:
                assert rows(server, "SELECT spent, reserved, overrun FROM account") == [(held[0], 0, 0)]
                ((decision_id, state, charged),) = rows(server, "SELECT decision_id, state, charged FROM decision")
                assert (state, charged) == ("unsettled", held[0])
                shown = httpx.get(f"{server.base}/v1/decisions/{decision_id}", trust_env=False).json()
                assert (shown["state"], shown["cost_usd_micros"]) == ("unsettled", held[0])
                kinds = [kind for (kind,) in rows(server, "SELECT kind FROM ledger")]
                assert (kinds.count("ACTION"), kinds.count("SESSION_COMPLETION")) == (1, 1)
                assert rows(server, "SELECT COUNT(*) FROM outbox") == [(1,)]
                assert "1 reservations of a killed process" in server.log
            with serving(tmp_path / "state", **settings) as server:
                assert rows(server, "SELECT spent, reserved, overrun FROM account") == [(held[0], 0, 0)]
                assert rows(server, "SELECT COUNT(*) FROM outbox") == [(1,)]

        loop = asyncio.get_running_loop()
        held = await asyncio.to_thread(killed)
        await asyncio.to_thread(restarted)


async def _kill_when_reached(provider: Server, server: Serving) -> None:
    await provider.reached.wait()
    server.process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("stream", [False, True])
async def test_two_processes_serve_exactly_what_the_budget_pays_for(tmp_path: Path, stream: bool) -> None:
    """All 64 requests are admitted or refused before the first of them is answered: ten reservations fit."""
    calls, all_in = 0, asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        await reader.readuntil(b"\r\n\r\n")
        calls += 1
        await all_in.wait()
        # Nothing reported: the worst case isn't reached, and what is left over must not have let an eleventh in.
        writer.write(EVENTS if stream else PLAIN)
        await writer.drain()

    def probe() -> int:
        with serving(tmp_path / "probe", HOSTED_AI_BASE_URL=f"http://127.0.0.1:{provider.port}") as server:
            return held_for_one(server)

    async with Server(answer) as provider:
        all_in.set()
        one = await asyncio.to_thread(probe)
        all_in.clear()
        calls = 0
        budget = f"0.{10 * one:06d}"
        server = serving(
            tmp_path / "state",
            "--workers",
            "2",
            HOSTED_AI_BASE_URL=f"http://127.0.0.1:{provider.port}",
            HARPOON_BUDGET_USD=budget,
        )
        running = await asyncio.to_thread(server.__enter__)
        try:
            limits = httpx.Limits(max_connections=64)
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S, limits=limits) as client:
                url = f"{running.base}/v1/chat/completions"
                asking = [asyncio.ensure_future(client.post(url, json={**BODY, "stream": stream})) for _ in range(64)]
                async with asyncio.timeout(PATIENCE_S):
                    while sum(one.done() for one in asking) < 54 or calls < 10:  # noqa: ASYNC110 - nothing tells
                        await asyncio.sleep(0.01)
                all_in.set()
                statuses = [answer.status_code for answer in await asyncio.gather(*asking)]
            assert (statuses.count(200), statuses.count(402)) == (10, 54)
            ((spent, reserved, overrun, cap),) = rows(running, "SELECT spent, reserved, overrun, cap FROM account")
            assert (reserved, overrun, cap) == (0, 0, 10 * one)
            assert 0 < spent <= cap
            assert rows(running, "SELECT COUNT(*) FROM outbox") == [(10,)]
            kinds = [kind for (kind,) in rows(running, "SELECT kind FROM ledger")]
            assert (kinds.count("DENY"), kinds.count("SESSION_COMPLETION")) == (54, 10)
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


_CHOICE = b'{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}'
_WHOLE = b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[' + _CHOICE + b"]}"
PLAIN = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(_WHOLE), _WHOLE)
_CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
EVENTS = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_CHUNK),
    _CHUNK,
)
