"""The sessions API of a really running `harpoon serve`, used as its users do: the SDK, their three lines, kill -9."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from scr_sdk import SessionCompletionMiddleware, SessionCompletionRuntime
from scr_sdk.sender import SendSettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.serving import Serving, environment, serving
from tests.worker.sessions.session_kit import SHORT, changed

SDK = Path(__file__).parents[3] / "sdk" / "python"
KEY = "scr_demo_key_123"
PATH = "/api/session-completion"
PATIENCE_S = 30
QUICK = SendSettings(base_s=0.01, cap_s=0.1, timeout_s=5.0)
ALONE = {"HARPOON_SURFACES": "sessions", "SCR_API_KEY": KEY, "SCR_DESTINATIONS": "billing,analytics,audit"}

#: A hundred sessions, each tenth of them timed out, with a pause after each.
GENERATOR = """
import os
import time
from scr_sdk import SessionCompletionRuntime

scr = SessionCompletionRuntime(api_key=os.environ["SCR_API_KEY"])
for i in range(100):
    scr.capture({
        "session_id": f"sess_demo_{i}",
        "usage": {"total_tokens": 1000 + i * 10},
        "outcome": "timeout" if i % 10 == 0 else "success",
    })
    time.sleep(0.01)
print("Generated 100 demo events")
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "state", **ALONE) as found:
        yield found


def get(server: Serving, path: str) -> Any:
    answer = httpx.get(server.base + PATH + path, headers={"x-api-key": KEY}, trust_env=False, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return answer.json()


def report(server: Serving, body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {KEY}"}
    return httpx.post(server.base + PATH + "/events", json=body, headers=headers, trust_env=False, timeout=PATIENCE_S)


def recent(server: Serving) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = get(server, "/recent?limit=200")["events"]
    return events


def test_the_generator_of_demo_events_runs_as_it_is(server: Serving, tmp_path: Path) -> None:
    given = {"SCR_API_KEY": KEY, "SCR_ENDPOINT": server.base, "SCR_SPOOL": str(tmp_path / "events.db")}
    done = subprocess.run(
        [sys.executable, "-c", GENERATOR],
        env=environment(PYTHONPATH=str(SDK), **given),
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Generated 100 demo events\n", "")
    found = recent(server)
    assert [one["session"]["session_id"] for one in found] == [f"sess_demo_{i}" for i in reversed(range(100))]
    assert sum(one["usage"]["total_tokens"] for one in found) == 149_500
    assert [one["outcome"]["status"] for one in found].count("timeout") == 10
    figures = get(server, "/metrics")
    assert figures["events_captured"] == 100
    assert {one["name"] for one in figures["destinations"]} == {"billing", "analytics", "audit"}


async def test_three_lines_in_a_handler_report_its_sessions(server: Serving, tmp_path: Path) -> None:
    """The answer is what it was; the session is reported with it."""
    scr = SessionCompletionRuntime(api_key=KEY, endpoint=server.base, spool=tmp_path / "events.db", send=QUICK)

    async def chat_completions(request: Request) -> JSONResponse:
        completion = {"id": "c1", "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}}
        await scr.capture({"session_id": "sess_handler", "usage": completion["usage"]})
        return JSONResponse(completion)

    app = Starlette(routes=[Route("/v1/chat/completions", chat_completions, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        answer = await client.post("/v1/chat/completions", json={"model": "m"})
    assert answer.json()["usage"]["total_tokens"] == 13
    assert scr.flush(PATIENCE_S)
    scr.close()
    (event,) = recent(server)
    assert (event["session"]["session_id"], event["usage"]["total_tokens"]) == ("sess_handler", 13)
    assert (event["usage"]["input_tokens"], event["outcome"]["status"]) == (9, "success")


async def test_the_middleware_reports_without_a_line_in_the_handler(server: Serving, tmp_path: Path) -> None:
    scr = SessionCompletionRuntime(api_key=KEY, endpoint=server.base, spool=tmp_path / "events.db", send=QUICK)

    async def chat_completions(request: Request) -> JSONResponse:
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        return JSONResponse({"id": "c1", "model": "gpt-4", "usage": usage})

    app = Starlette(routes=[Route("/v1/chat/completions", chat_completions, methods=["POST"])])
    wrapped = SessionCompletionMiddleware(app, runtime=scr)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(wrapped), base_url="http://app") as client:
        await client.post("/v1/chat/completions", json={"model": "gpt-4"}, headers={"x-session-id": "sess_mw"})
    assert scr.flush(PATIENCE_S)
    scr.close()
    (event,) = recent(server)
    assert (event["session"]["session_id"], event["usage"]["model"]) == ("sess_mw", "gpt-4")


def test_a_wrong_event_is_kept_aside_by_the_sdk_with_the_servers_reason(server: Serving, tmp_path: Path) -> None:
    scr = SessionCompletionRuntime(api_key=KEY, endpoint=server.base, spool=tmp_path / "events.db", send=QUICK)
    scr.capture(changed("session.end_time", "2020-01-01T00:00:00Z"))
    scr.capture(SHORT)
    assert scr.flush(PATIENCE_S)
    (refused,) = scr.refused()
    assert "session.end_time" in str(refused)
    scr.close()
    assert [one["session"]["session_id"] for one in recent(server)] == ["sess_demo_0"]


@pytest.mark.parametrize("durability", ["process", "power"])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, durability: str) -> None:
    settings = {**ALONE, "SCR_DURABILITY": durability}
    acknowledged: list[str] = []
    with serving(tmp_path / "state", **settings) as server:
        for number in range(10):
            answer = report(server, [changed("event_id", f"evt_{number}_{one}") for one in range(3)])
            acknowledged += answer.json()["event_ids"]
        server.stop(signal.SIGKILL)
    with serving(tmp_path / "state", **settings) as server:
        assert [one["event_id"] for one in recent(server)] == list(reversed(acknowledged))
        assert report(server, changed("event_id", acknowledged[0])).status_code == 200, "a retry is no second event"
        assert len(recent(server)) == len(acknowledged)


def test_health_and_metrics_tell_of_it_and_nothing_else_is_served(server: Serving) -> None:
    assert report(server, changed("event_id", "evt_1")).status_code == 200
    health = httpx.get(f"{server.base}/health", trust_env=False).json()
    assert health["status"] == "healthy"
    assert {"events_captured_last_minute", "average_latency_ms", "destinations_reachable"} <= health.keys()
    assert health["destinations_reachable"] == 3
    page = httpx.get(f"{server.base}/metrics", headers={"x-api-key": KEY}, trust_env=False).text
    assert "scr_events_captured_total{" in page
    assert httpx.get(f"{server.base}/metrics", trust_env=False).status_code == 401
    assert httpx.post(f"{server.base}/v1/chat/completions", json={}, trust_env=False).status_code == 404
    assert httpx.get(f"{server.base}/simulator/v1/pools", trust_env=False).status_code == 404
    assert KEY not in server.log
    assert json.loads(httpx.get(f"{server.base}/", trust_env=False).text)["open_access"] is False


def test_alone_the_greeting_says_who_may_come_in_and_how_to_report(tmp_path: Path) -> None:
    with serving(tmp_path / "state", **ALONE) as server:
        assert "access     SCR_API_KEY\n" in server.log
        assert "without a token" not in server.log
        line = next(line for line in server.log.splitlines() if line.strip().startswith("try"))
        assert KEY not in line
        answer = report(server, json.loads(line.split("-d '")[1].rstrip("'")))
        assert answer.status_code == 200


def test_wrong_routes_stop_the_start_before_anything_is_served(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text("version: 1\ndestinations: {}\nrules:\n  - {name: all, to: [billing]}\n")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("harpoon")), "serve", "--port", "0"],
        env=environment(SCR_ROUTES=str(routes), HARPOON_STATE=str(tmp_path / "state")),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2
    assert "routes.yaml:4:22: " in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "state").exists()
