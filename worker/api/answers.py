"""How answers leave: OpenAI's error shape, the headers of every answer, the two ASGI messages of a plain one."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from worker.compact_json import plain_numbers
from worker.errors import HarpoonError, IntegrityError
from worker.login_throttle import TooManyLogins

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON_TYPE = (b"content-type", b"application/json")
_BY_NAME = "harpoon.headers"
OUR_FAULT = "the gateway failed while handling this request; it was not the request's fault"
_log = logging.getLogger("harpoon")


def error_body(problem: HarpoonError) -> bytes:
    """The error as OpenAI shapes it: message, type, param and code, always all four; ours adds the reasons, if any.

    What our own state says when it fails, such as a database's words, is the operator's to read.
    """
    error: dict[str, Any] = {
        "message": OUR_FAULT if isinstance(problem, IntegrityError) else problem.message,
        "type": problem.type,
        "param": problem.param,
        "code": problem.code,
    }
    if problem.details:
        error["reasons"] = list(problem.details)
    return json.dumps({"error": error}, separators=(",", ":")).encode()


async def send_body(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole answer in two messages."""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, value: Any, headers: Headers, status: int = 200) -> None:
    body = plain_numbers(json.dumps(value, separators=(",", ":"))).encode()
    await send_body(send, status, [JSON_TYPE, *headers], body)


async def send_error(send: Send, problem: HarpoonError, headers: Headers) -> None:
    """An error answer. What a second try can't mend also tells OpenAI's clients not to try again by themselves.

    A fault of our own state is logged here, because its answer does not say what happened.
    """
    if isinstance(problem, IntegrityError):
        _log.error("a request failed: %s", problem.message, exc_info=problem)
    extra: Headers = [JSON_TYPE, *headers]
    if problem.status in (402, 403, 501):
        extra.append((b"x-should-retry", b"false"))
    if isinstance(problem, TooManyLogins):
        extra.append((b"retry-after", b"%d" % problem.retry_after_s))
    if problem.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    await send_body(send, problem.status, extra, error_body(problem))


def header_of(scope: Scope, name: bytes) -> str | None:
    """The value of the first request header `name` (lower case), or None.

    White space around a value is no part of it (RFC 9110 section 5.5); not every server takes it off.
    """
    kept = scope.get(_BY_NAME)
    found = kept[1] if kept is not None and kept[0] is scope["headers"] else headers_by_name(scope)
    value: bytes | None = found.get(name)
    return None if value is None else value.decode("latin-1").strip(" \t")


def headers_by_name(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers, of several of one name the first."""
    headers = scope["headers"]
    kept: tuple[object, dict[bytes, bytes]] | None = scope.get(_BY_NAME)
    # Kept in the scope, since half a dozen are asked for; a scope that was made from it may have other headers.
    if kept is None or kept[0] is not headers:
        kept = scope[_BY_NAME] = headers, dict(reversed(headers))
    return kept[1]
