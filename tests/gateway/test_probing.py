"""A running server looks after providers that nobody calls, if it is told to, and its health says what it found."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from tests.serving import free_port, serving

PATIENCE_S = 20


def status(base: str) -> str:
    found: str = httpx.get(f"{base}/health", trust_env=False).json()["status"]
    return found


def test_a_provider_that_is_gone_shows_in_health_though_nobody_asked_for_it(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    with serving(tmp_path / "state", HOSTED_AI_BASE_URL=nobody, HARPOON_PROBE_S="1") as server:
        ends = time.monotonic() + PATIENCE_S
        while status(server.base) != "degraded":
            assert time.monotonic() < ends, "nobody looked"
            time.sleep(0.1)
