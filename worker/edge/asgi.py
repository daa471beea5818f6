"""Serves an ASGI application from a Worker's `fetch`: one request, one task, no lifespan.

It decides how a Workers request becomes an ASGI scope, when a body is too large, and how an answer leaves: in one
piece, or as a stream the client pulls. The runtime's own `asgi` module hides a client's departure and an upstream's
failure in mid-stream; here the first arrives as `http.disconnect`, and the second breaks the client's body.

The application's task is handed to `waitUntil` at once: what it does after its last send, or after the client has
left, completes (within the runtime's 30 s). The runtime notices a departure when it next writes to the client, so a
stream that may be silent for long needs a heartbeat (an SSE comment) if it is to end in time.

Source: the ASGI HTTP specification 2.3, https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

import anyio._backends._asyncio  # noqa: F401  (imported late, it delays the first chunk of an isolate by 100 ms)
import js
from pyodide.ffi import JsException, create_proxy, to_js

from worker.errors import RequestTooLarge

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

#: Statuses without a body (https://fetch.spec.whatwg.org/#null-body-status).
NULL_BODY_STATUSES = frozenset({101, 103, 204, 205, 304})

#: A body over the limit is read on, unkept, to so many times the limit: the runtime would reset the connection of a
#: client that is still sending, and the refusal would be lost. What is longer still is cut off.
DRAINED = 4

#: A request with no timer and no I/O under way is ended by the runtime as hung; `receive` keeps a timer running.
ALIVE_S = 10


async def serve(
    app: Application,
    request: Any,
    ctx: Any,
    *,
    max_body_bytes: int,
    extensions: dict[str, Any] | None = None,
) -> Any:
    """Answer one Workers request with `app`; returns a JS Response.

    Args:
        app: the ASGI application; its lifespan is not run.
        request: what `WorkerEntrypoint.fetch` received.
        ctx: the entrypoint's execution context (`self.ctx`).
        max_body_bytes: a longer body is answered with 413, and nothing of it is kept.
        extensions: put into the scope as they are.
    """
    js_request = request.js_object
    try:
        body = await _read_body(js_request, max_body_bytes)
    except RequestTooLarge as exc:
        return _error_response(exc.status, str(exc), exc.type, exc.code)
    exchange = _Exchange(body)
    task = asyncio.ensure_future(exchange.run(app, build_scope(js_request, extensions)))
    ctx.waitUntil(task)
    return await exchange.response


def build_scope(js_request: Any, extensions: dict[str, Any] | None = None) -> dict[str, Any]:
    """The ASGI scope of a JS Request."""
    scheme, _, rest = js_request.url.partition("://")
    authority, slash, target = rest.partition("/")
    raw_path, _, query = (slash + target).partition("?")
    host, _, port = (
        authority.rpartition(":") if authority[-1:].isdecimal() and ":" in authority else (authority, "", "")
    )
    headers = [
        (name.encode(), value.encode("utf-8", "replace")) for name, value in js.Array.from_(js_request.headers).to_py()
    ]
    client = next((value.decode() for name, value in headers if name == b"cf-connecting-ip"), None)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": js_request.method,
        "scheme": scheme,
        "path": unquote(raw_path) or "/",
        "raw_path": (raw_path or "/").encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": None if client is None else (client, 0),
        "server": (host, int(port) if port else {"https": 443}.get(scheme, 80)),
        "state": {},
        "extensions": extensions or {},
    }


class _Exchange:
    """One request's conversation with the application."""

    def __init__(self, body: bytes) -> None:
        self.response: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._body: bytes | None = body
        self._disconnected = asyncio.Event()
        self._start: Message | None = None
        self._stream: _PulledStream | None = None
        self._complete = False

    def disconnect(self) -> None:
        self._disconnected.set()
        if self._stream is not None:
            self._stream.abandon()

    async def run(self, app: Application, scope: dict[str, Any]) -> None:
        """Run the application to its end; whatever it raises ends the answer, never this task."""
        try:
            await app(scope, self.receive, self.send)
            failure = None if self._complete else "the application ended without a complete answer"
        except Exception as exc:
            # The message may quote a request; its type and place are enough to find the fault.
            failure = f"{type(exc).__name__} in the application at {_origin(exc)}"
        if failure is not None and not self._complete and not self._disconnected.is_set():
            js.console.error(f"{scope['method']} {scope['path']}: {failure}")
        if self._stream is not None:
            await self._stream.end(failed=not self._complete)
        if not self.response.done():
            self.response.set_result(_error_response(500, "Internal error.", "server_error", "internal_error"))

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while not self._disconnected.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_S):
                    await self._disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._disconnected.is_set():
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            raise ValueError(f"unexpected ASGI message {message['type']}")
        if self._start is None:
            raise RuntimeError("a body was sent before the start of the answer")
        body, more_body = message.get("body", b""), message.get("more_body", False)
        if self._stream is None and not more_body:
            self.response.set_result(_build_response(self._start, None if not body else to_js(bytes(body))))
        else:
            if self._stream is None:
                self._stream = _PulledStream(self.disconnect)
                self.response.set_result(_build_response(self._start, self._stream.readable))
            await self._stream.write(body)
        if not more_body:
            self._complete = True
            if self._stream is not None:
                await self._stream.end(failed=False)
            self._disconnected.set()  # a pending `receive()` has nothing else to wait for


class _PulledStream:
    """A JS ReadableStream that takes a chunk only when the client's side asks for one."""

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        self._on_cancel = on_cancel
        self._controller: Any = None
        self._wanted = asyncio.Event()
        self._ended = False
        callbacks = {"start": self._begin, "pull": self._pull, "cancel": self._cancel}
        source = {name: create_proxy(callback) for name, callback in callbacks.items()}
        self._proxies = list(source.values())
        self.readable = js.ReadableStream.new(_js_object(source), _js_object({"highWaterMark": 0}))

    def _begin(self, controller: Any) -> None:
        self._controller = controller

    def _pull(self, _controller: Any) -> None:
        self._wanted.set()

    def _cancel(self, _reason: Any = None) -> None:
        self._on_cancel()

    def abandon(self) -> None:
        """The client is gone: nothing will be asked for any more."""
        self._ended = True
        self._wanted.set()

    async def write(self, chunk: bytes) -> None:
        """Hand over one chunk once it is asked for; ignored after the end."""
        if not chunk or self._ended:
            return
        await self._wanted.wait()
        if self._ended:
            return
        self._wanted.clear()
        try:
            self._controller.enqueue(to_js(bytes(chunk)))
        except JsException:  # the runtime has torn the stream down without a word
            self._on_cancel()

    async def end(self, *, failed: bool) -> None:
        """Close the stream, or break it so that the client sees an incomplete body. Only the first call counts."""
        if failed:
            await self._wanted.wait()  # breaking it now would throw away what was sent before
        if not self._ended:
            self._ended = True
            with contextlib.suppress(JsException):  # torn down already
                if failed:
                    self._controller.error(js.Error.new("the answer ended before it was complete"))
                else:
                    self._controller.close()
        for proxy in self._proxies:
            proxy.destroy()
        self._proxies = []


async def _read_body(js_request: Any, max_body_bytes: int) -> bytes:
    """The whole request body. Raises: RequestTooLarge."""
    stream = js_request.body
    if not hasattr(stream, "getReader"):  # null: a request without a body
        return b""
    declared = js_request.headers.get("content-length")
    if isinstance(declared, str) and declared.isascii() and declared.isdecimal():
        if int(declared) <= max_body_bytes:
            return (await js_request.arrayBuffer()).to_bytes()
        if int(declared) > DRAINED * max_body_bytes:
            raise _too_large(max_body_bytes)
    reader = stream.getReader()
    chunks: list[bytes] = []
    size = 0
    while not (step := await reader.read()).done:
        size += step.value.byteLength
        if size > DRAINED * max_body_bytes:
            break
        if size <= max_body_bytes:
            chunks.append(step.value.to_bytes())
    if size > max_body_bytes:
        raise _too_large(max_body_bytes)
    return b"".join(chunks)


def _too_large(max_body_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is longer than {max_body_bytes} bytes.")


def _build_response(start: Message, body: Any) -> Any:
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in start.get("headers", ())]
    init: dict[str, Any] = {"status": start["status"], "headers": headers}
    if any(name.lower() == "content-encoding" for name, _ in headers):
        init["encodeBody"] = "manual"  # the application has encoded it
    if start["status"] in NULL_BODY_STATUSES:
        body = None
    return js.Response.new(body, _js_object(init))


def _js_object(content: dict[str, Any]) -> Any:
    return to_js(content, dict_converter=js.Object.fromEntries)


def _error_response(status: int, message: str, kind: str, code: str) -> Any:
    content = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    start = {"status": status, "headers": [(b"content-type", b"application/json")]}
    return _build_response(start, to_js(json.dumps(content).encode()))


def _origin(exc: BaseException) -> str:
    """`file:line` of the innermost frame, without the message."""
    frame = exc.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "an unknown place" if frame is None else f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
