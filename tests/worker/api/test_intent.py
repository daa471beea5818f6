"""When an intent arose: told by the client, kept with the session, and never part of the decision."""

from __future__ import annotations

from typing import Any

import pytest

from tests.openai_shapes import error_findings
from tests.worker.api.application_kit import Application, ask

HEADER = "x-harpoon-intent-at"


async def settled(harpoon: Application, intent: str | None = None, **body: Any) -> dict[str, Any]:
    headers = {} if intent is None else {HEADER: intent}
    answer = await harpoon.client.post("/chat/completions", json=ask(**body), headers=headers)
    assert answer.status_code == 200, answer.text
    found = await harpoon.client.get(f"http://localhost/v1/decisions/{answer.headers['x-harpoon-decision-id']}")
    value: dict[str, Any] = found.json()
    return value


@pytest.mark.parametrize("stream", [False, True])
async def test_an_intent_is_kept_with_the_session_and_not_decided_by(harpoon: Application, stream: bool) -> None:
    plain = await settled(harpoon, stream=stream)
    assert "intent_at_us" not in plain["outcome"]
    told = await settled(harpoon, f" {plain['at_us'] - 5_000_000} ", stream=stream)
    assert told["outcome"]["intent_at_us"] == plain["at_us"] - 5_000_000
    assert told["inputs"]["request"] == plain["inputs"]["request"]
    # A clock that is ahead of ours says now.
    ahead = await settled(harpoon, str(plain["at_us"] + 10**12), stream=stream)
    assert ahead["outcome"]["intent_at_us"] == ahead["at_us"]


@pytest.mark.parametrize("intent", ["", "now", "-1", "1.5", "0", "1" * 17, "2026-01-01T00:00:00Z", "\u0661"])
async def test_what_is_no_time_is_refused_by_name(harpoon: Application, intent: str) -> None:
    answer = await harpoon.client.post("/chat/completions", json=ask(), headers=[(HEADER.encode(), intent.encode())])
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, HEADER)
    assert error_findings(answer.json()) == []
    assert await harpoon.rows("SELECT * FROM decision") == []
