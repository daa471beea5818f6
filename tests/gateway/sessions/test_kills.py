"""The short form of `python -m bench.session_kills`: real gateways, kill -9, failing destinations, a full disk."""

from __future__ import annotations

from bench.session_kills import run


async def test_twenty_kills_lose_nothing_and_invent_nothing() -> None:
    verdict = await run(20, seed=7)
    assert verdict.problems == ()
    assert verdict.acknowledged > 0
