"""A server that is told to stop ends what would never end by itself, and says by its exit status that all is well."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import httpx
import pytest

from tests.serving import serving

#: Half of what the server grants to connections that don't end.
SOON_S = 5


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_open_feeds_do_not_hold_it_up(tmp_path: Path, workers: str, how: signal.Signals) -> None:
    with serving(tmp_path / "state", "--workers", workers) as server, contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=server.base, trust_env=False))
        feeds = []
        for _ in range(3):
            answer = stack.enter_context(client.stream("GET", "/api/live"))
            lines = answer.iter_lines()
            assert next(lines).startswith("retry: ")
            feeds.append(lines)
        server.process.send_signal(how)
        assert server.process.wait(SOON_S) == 0
        for lines in feeds:
            assert not [line for line in lines if line.startswith("data:")], "it ends as a feed does: whole, and empty"
    assert "Traceback" not in server.log
    assert "Cancel" not in server.log
