"""ASGI middleware: reports every completion that an application answers, and changes nothing of any answer.

It reads along: the answer's `usage` and `model`, whole or from the last event of a stream. Whose session it was comes
from headers, else from the request's body. A capture that fails is logged and counted; the application never sees it.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from datetime import UTC, datetime
from typing import Any, Protocol

from scr_sdk.errors import SdkError
from scr_sdk.event import Captured

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

DEFAULT_PATHS = ("/v1/chat/completions", "/v1/responses")
#: Of bodies that are read along; what is longer counts as unreadable.
MAX_BODY_BYTES = 1_000_000
#: Of a stream its end is kept, where the usage is.
MAX_TAIL_BYTES = 64_000
MAX_ID_CHARACTERS = 256
_TIMEOUTS = frozenset({408, 504})
_LOG = logging.getLogger("scr_sdk")


class Runtime(Protocol):
    """What takes the events: a SessionCompletionRuntime."""

    def capture(self, event: dict[str, Any]) -> Captured: ...


class SessionCompletionMiddleware:
    """Args: app: the application; runtime: what takes the events; paths: which POST requests are completions."""

    def __init__(self, app: Application, runtime: Runtime, paths: Collection[str] = DEFAULT_PATHS) -> None:
        self.app = app
        self.runtime = runtime
        self.paths = frozenset(paths)
        #: Sessions that could not be captured, each of which was logged as an error.
        self.lost = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self.paths:
            await self.app(scope, receive, send)
            return
        observed = _Observed(receive, send)
        failed = True
        try:
            await self.app(scope, observed.receive, observed.send)
            failed = False
        finally:
            try:
                self.runtime.capture(observed.event(scope, failed))
            except SdkError as problem:
                self.lost += 1
                _LOG.error("a session was not captured: %s", problem)


class _Observed:
    """One request as it passes by."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._started = datetime.now(UTC)
        self._request = bytearray()
        self._answer = bytearray()
        self._status = 0
        self._is_stream = False
        self._ended = False
        self._left = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            if len(self._request) <= MAX_BODY_BYTES:
                self._request += message.get("body", b"")
        elif message["type"] == "http.disconnect" and not self._ended:
            self._left = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            kinds = [value for name, value in message.get("headers", ()) if name.lower() == b"content-type"]
            self._is_stream = any(kind.startswith(b"text/event-stream") for kind in kinds)
        elif message["type"] == "http.response.body":
            self._answer += message.get("body", b"")
            if self._is_stream:
                del self._answer[:-MAX_TAIL_BYTES]
            elif len(self._answer) > MAX_BODY_BYTES:
                del self._answer[MAX_BODY_BYTES + 1 :]
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._ended = True

    def event(self, scope: Scope, failed: bool) -> dict[str, Any]:
        """The session as an event. Args: failed: the application raised, or was cancelled."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
        request, answer = _object(self._request), self._answered()
        ended = datetime.now(UTC)
        usage, source = _usage(answer)
        model = answer.get("model") or request.get("model")
        if isinstance(model, str) and model:
            usage["model"] = model[:MAX_ID_CHARACTERS]
        told = request.get("metadata")
        metadata = told if isinstance(told, dict) else {}
        user = headers.get(b"x-user-id") or request.get("user")
        named = {
            "user_id": user,
            "organization_id": headers.get(b"x-organization-id"),
            "session_id": headers.get(b"x-session-id") or metadata.get("session_id"),
        }
        event: dict[str, Any] = {
            "session_id": f"sess_{uuid.uuid4().hex}",
            "session_type": "api",
            "start_time": self._started.isoformat(),
            "end_time": max(self._started, ended).isoformat(),
            "usage": usage,
            "outcome": {"status": self._outcome(failed)},
            "metadata": {"path": scope["path"], "usage_source": source},
        }
        event |= {name: value[:MAX_ID_CHARACTERS] for name, value in named.items() if isinstance(value, str) and value}
        if self._status >= 400:
            event["outcome"]["error_code"] = str(self._status)
        return event

    def _outcome(self, failed: bool) -> str:
        if self._left and not self._ended:
            return "user_terminated"
        if self._status in _TIMEOUTS:
            return "timeout"
        return "error" if failed or self._status >= 400 or not self._ended else "success"

    def _answered(self) -> dict[str, Any]:
        """The answer's object, or of a stream the last event that has a usage."""
        if not self._is_stream:
            return _object(self._answer)
        for line in reversed(bytes(self._answer).splitlines()):
            if line.startswith(b"data:") and b'"usage"' in line:
                found = _object(line[5:].strip())
                inner = found.get("response")
                found = inner if isinstance(inner, dict) else found
                if isinstance(found.get("usage"), dict):
                    return found
        return {}


def _object(body: bytes | bytearray) -> dict[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _usage(answer: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The tokens that the answer reports, and where they come from; none at all if it reports none."""
    found = answer.get("usage")
    if not isinstance(found, dict):
        return {"total_tokens": 0}, "none"
    read, written, total = (
        next((found[name] for name in names if type(found.get(name)) is int and found[name] >= 0), None)
        for names in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens"), ("total_tokens",))
    )
    if total is not None and (read is None or written is None or read + written != total):
        # Some count more than the two parts, and an event whose parts don't add up would be refused.
        return {"total_tokens": total}, "reported"
    if read is None and written is None:
        return {"total_tokens": 0}, "none"
    return {"input_tokens": read or 0, "output_tokens": written or 0}, "reported"
