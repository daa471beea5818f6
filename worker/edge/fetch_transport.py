"""The Transport port over the runtime's `fetch`.

It decides which headers cross, how JavaScript's failures become httpx's, and that an unfinished exchange is aborted:
closing a response, or cancelling the task that waits for one, ends the upstream's work. Redirects are answers, not
followed. The runtime decompresses bodies.

    never sent          httpx.UnsupportedProtocol, LocalProtocolError
    may have been sent  httpx.ReadError, ReadTimeout

`fetch` reports a refused connection and one that broke after the request had been read in the same words, so neither
is called NotSent: a caller would send it again, and might pay twice.

Source: https://fetch.spec.whatwg.org/; hop-by-hop fields: RFC 9110 section 7.6.1
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import js
from pyodide.ffi import JsException, to_js

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: Set by `fetch` itself.
NOT_SENT = HOP_BY_HOP | {"host", "content-length"}


class FetchTransport(httpx.AsyncBaseTransport):
    """`worker.ports.Transport`: one `fetch` per request, without a connection pool of its own."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return once the response's headers are there.

        The extension `timeout` (seconds, as httpx puts it) is honoured: `connect` + `read` until the headers, `read`
        for each chunk. Raises: httpx.TransportError.
        """
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise httpx.UnsupportedProtocol("only http and https addresses can be fetched", request=request)
        content = await request.aread()
        abort = js.AbortController.new()
        timeout = request.extensions.get("timeout", {})
        connect_s, read_s = timeout.get("connect"), timeout.get("read")
        options = {
            "method": request.method,
            "headers": [[name, value] for name, value in request.headers.multi_items() if name not in NOT_SENT],
            "redirect": "manual",
            "signal": abort.signal,
        }
        if content:
            options["body"] = content
        try:
            async with asyncio.timeout(None if connect_s is None or read_s is None else connect_s + read_s):
                response = await js.fetch(str(request.url), to_js(options, dict_converter=js.Object.fromEntries))
        except JsException as exc:
            if exc.name == "TypeError":  # how fetch refuses its arguments
                raise httpx.LocalProtocolError("fetch refused the request", request=request) from exc
            raise httpx.ReadError(f"{request.url.host} gave no answer", request=request) from exc
        except TimeoutError as exc:
            abort.abort()
            # fetch doesn't tell whether the request was sent, so this isn't called NotSentInTime.
            raise httpx.ReadTimeout("no response in time", request=request) from exc
        except BaseException:
            abort.abort()
            raise
        return httpx.Response(
            response.status,
            headers=_received_headers(response),
            stream=_FetchStream(response.body, abort, read_s, request),
            request=request,
        )


class _FetchStream(httpx.AsyncByteStream):
    """A response body, read chunk by chunk; closing it early aborts the exchange."""

    def __init__(self, body: Any, abort: Any, read_s: float | None, request: httpx.Request) -> None:
        self._reader = body.getReader() if hasattr(body, "getReader") else None  # null: no body
        self._abort = abort
        self._read_s = read_s
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._reader is not None:
            try:
                async with asyncio.timeout(self._read_s):
                    step = await self._reader.read()
            except JsException as exc:
                self._reader = None
                raise httpx.ReadError(f"{self._request.url.host} broke off", request=self._request) from exc
            except TimeoutError as exc:
                await self.aclose()
                raise httpx.ReadTimeout("no further bytes in time", request=self._request) from exc
            if step.done:
                self._reader = None
            else:
                yield step.value.to_bytes()

    async def aclose(self) -> None:
        if self._reader is not None:
            self._reader = None
            self._abort.abort()


def _received_headers(response: Any) -> list[tuple[str, str]]:
    pairs = [(name, value) for name, value in js.Array.from_(response.headers).to_py() if name not in HOP_BY_HOP]
    if any(name == "content-encoding" for name, _ in pairs):
        pairs = [(name, value) for name, value in pairs if name not in ("content-encoding", "content-length")]
    return pairs
