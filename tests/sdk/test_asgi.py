"""The middleware: answers pass unchanged, and each completion becomes one event, however it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from scr_sdk import Captured, SessionCompletionMiddleware, SessionCompletionRuntime, SpoolFull
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.sdk.capture_server import KEY, serving
from tests.worker.sessions.session_kit import captured

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
CHUNKS = [
    {"model": "m", "choices": [{"delta": {"content": "\u00e4"}}]},
    {"model": "m", "choices": [], "usage": None},
    {"model": "m", "choices": [], "usage": USAGE},
]
STREAM = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS).encode() + b"data: [DONE]\n\n"


class Collected:
    """Takes events as a SessionCompletionRuntime does, and keeps them."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.problem = problem

    def capture(self, event: dict[str, Any]) -> Captured:
        if self.problem is not None:
            raise self.problem
        captured(event)
        self.events.append(event)
        return Captured("evt_1")


async def complete(request: Request) -> Response:
    body = await request.json()
    if body.get("raise"):
        raise ValueError("on demand")
    if body.get("stream"):
        pieces = [STREAM[at : at + body["stream"]] for at in range(0, len(STREAM), body["stream"])]
        return StreamingResponse(_each(pieces), media_type="text/event-stream")
    return JSONResponse(body.get("answer", {"model": "m", "usage": USAGE}), body.get("status", 200))


async def _each(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def application(runtime: Any) -> Starlette:
    return Starlette(
        routes=[Route("/v1/chat/completions", complete, methods=["POST"]), Route("/other", complete, methods=["POST"])],
        middleware=[Middleware(SessionCompletionMiddleware, runtime=runtime)],
    )


async def post(
    runtime: Any, body: dict[str, Any], path: str = "/v1/chat/completions", **headers: str
) -> httpx.Response:
    transport = httpx.ASGITransport(application(runtime), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.post(path, json=body, headers=named)


async def test_a_whole_answer() -> None:
    found = Collected()
    answer = await post(found, {}, x_session_id="sess_7", x_user_id="ada", x_organization_id="org_1")
    assert answer.json() == {"model": "m", "usage": USAGE}
    (event,) = found.events
    assert event["usage"] == {"input_tokens": 3, "output_tokens": 4, "model": "m"}
    assert (event["session_id"], event["user_id"], event["organization_id"]) == ("sess_7", "ada", "org_1")
    assert event["outcome"] == {"status": "success"}
    assert event["metadata"] == {"path": "/v1/chat/completions", "usage_source": "reported"}


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1, 7))
async def test_a_stream_however_it_is_cut(size: int) -> None:
    found = Collected()
    answer = await post(found, {"stream": size})
    assert answer.content == STREAM
    (event,) = found.events
    assert event["usage"] == {"input_tokens": 3, "output_tokens": 4, "model": "m"}


async def test_the_session_of_the_body_and_a_fresh_one() -> None:
    found = Collected()
    await post(found, {"metadata": {"session_id": "from-body"}, "user": "eve"})
    await post(found, {})
    named, fresh = found.events
    assert (named["session_id"], named["user_id"]) == ("from-body", "eve")
    assert fresh["session_id"].startswith("sess_")
    assert "user_id" not in fresh


@pytest.mark.parametrize(
    ("answer", "usage", "source"),
    [
        ({"model": "m"}, {"total_tokens": 0, "model": "m"}, "none"),
        ({"usage": {"prompt_tokens": -1}}, {"total_tokens": 0}, "none"),
        ({"usage": {"total_tokens": 9, "prompt_tokens": 3, "completion_tokens": 4}}, {"total_tokens": 9}, "reported"),
        ({"usage": {"input_tokens": 3}}, {"input_tokens": 3, "output_tokens": 0}, "reported"),
        ({"usage": {"input_tokens": True, "total_tokens": 3}}, {"total_tokens": 3}, "reported"),
        ([], {"total_tokens": 0}, "none"),
        ("text", {"total_tokens": 0}, "none"),
    ],
)
async def test_what_answers_report(answer: Any, usage: dict[str, Any], source: str) -> None:
    found = Collected()
    await post(found, {"answer": answer})
    (event,) = found.events
    assert event["usage"] == usage
    assert event["metadata"]["usage_source"] == source


@pytest.mark.parametrize(("status", "outcome"), [(200, "success"), (400, "error"), (503, "error"), (504, "timeout")])
async def test_how_it_ended(status: int, outcome: str) -> None:
    found = Collected()
    assert (await post(found, {"status": status})).status_code == status
    (event,) = found.events
    assert event["outcome"]["status"] == outcome
    assert event["outcome"].get("error_code") == (str(status) if status >= 400 else None)


async def test_an_application_that_raises_still_raises() -> None:
    found = Collected()
    transport = httpx.ASGITransport(application(found))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(ValueError, match="on demand"):
            await client.post("/v1/chat/completions", json={"raise": True})
    assert found.events[0]["outcome"]["status"] == "error"


async def test_a_client_that_leaves_is_a_session_too() -> None:
    found = Collected()
    sent: list[Any] = []

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"

    messages = [{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    await SessionCompletionMiddleware(waits, found)(scope, receive, send)
    assert found.events[0]["outcome"]["status"] == "user_terminated"
    assert len(sent) == 2


async def test_one_that_is_cancelled_is_too() -> None:
    found = Collected()

    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.get_running_loop().create_future()

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    task = asyncio.create_task(SessionCompletionMiddleware(hangs, found)(scope, None, None))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found.events[0]["outcome"]["status"] == "error"


async def test_other_requests_are_none_of_its_business() -> None:
    found = Collected()
    assert (await post(found, {}, "/other")).status_code == 200
    assert found.events == []


async def test_a_capture_that_fails_changes_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    failing = Collected(SpoolFull("the spool is full"))
    assert (await post(failing, {})).status_code == 200
    assert "a session was not captured: the spool is full" in caplog.text


async def test_all_of_it_with_a_real_runtime_and_a_real_server(tmp_path: Path) -> None:
    with serving() as server, SessionCompletionRuntime(KEY, server.url, spool=tmp_path / "events.db") as scr:
        await post(scr, {}, x_session_id="sess_7")
        assert await asyncio.to_thread(scr.flush, 30)
        (event,) = server.events
    assert (event.session_id, event.total_tokens, event.model, event.status) == ("sess_7", 7, "m", "success")
