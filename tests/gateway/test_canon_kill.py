"""Under kill -9 in the middle of a crowd: every denial that anybody was told of is in the log."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from pathlib import Path

import httpx

from gateway.app import DATABASE_FILE
from tests.serving import serving
from tests.worker.canon.store_kit import candidate, problem

PATIENCE_S = 20
#: Answers after which the server is killed, while others are under way.
TOLD = 30
CALLERS = 8
DENIED = problem(candidate("a", prerequisites=["nobody"]))


async def test_a_denial_is_in_the_log_before_the_caller_sees_it(tmp_path: Path) -> None:
    told: list[tuple[str, int, str]] = []
    enough = asyncio.Event()

    async def ask_for_ever(client: httpx.AsyncClient) -> None:
        while True:
            answer = await client.post("/api/canon/decide", json=DENIED)
            assert answer.status_code == 200, answer.text
            found = answer.json()
            told.append((found["denied"][0]["whyNotId"], found["ledger"]["seq"], found["ledger"]["leaf_hash"]))
            if len(told) >= TOLD:
                enough.set()

    with serving(tmp_path / "state") as server:
        async with httpx.AsyncClient(base_url=server.base, trust_env=False, timeout=PATIENCE_S) as client:
            asking = [asyncio.ensure_future(ask_for_ever(client)) for _ in range(CALLERS)]
            async with asyncio.timeout(PATIENCE_S):
                await enough.wait()
            server.process.send_signal(signal.SIGKILL)
            ended = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(end, httpx.TransportError) for end in ended), ended
        assert await asyncio.to_thread(server.stop) == -signal.SIGKILL
    database = sqlite3.connect(tmp_path / "state" / DATABASE_FILE)
    try:
        leaves = {
            seq: (kind, leaf.hex()) for seq, kind, leaf in database.execute("SELECT seq, kind, leaf_hash FROM ledger")
        }
        traces = {seq for (seq,) in database.execute("SELECT json_extract(trace, '$.seq') FROM canon_denial")}
    finally:
        database.close()
    assert len(told) >= TOLD
    for _, seq, leaf_hash in told:
        assert leaves[seq] == ("DENY", leaf_hash)
        assert seq in traces
    # What nobody was told of may be there too, but never half of it.
    assert {seq for seq, (kind, _) in leaves.items() if kind == "DENY"} == traces
    with serving(tmp_path / "state") as server:
        async with httpx.AsyncClient(base_url=server.base, trust_env=False, timeout=PATIENCE_S) as client:
            listed = await client.get("/api/why-not", params={"actionId": "a", "limit": 1000})
        assert {name for name, _, _ in told} <= {trace["id"] for trace in listed.json()["data"]}
