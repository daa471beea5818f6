"""The endpoint that is probed: sends one request at a time over the Transport port and notes when its parts come.

Its key goes into the header of every request to the endpoint's own address, and nowhere else: redirects are not
followed, and `shown` takes it out of whatever text is to be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx

from gateway.probe.exchange import BROKEN, NOBODY, TIMEOUT, TOO_LARGE, Exchange, Part
from worker.ports import Clock, NotSent, NotSentInTime, Transport

#: An answer is read no further than this; those asked for here have some kilobytes.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
SHOWN_CHARACTERS: Final = 160
#: A shorter key, such as `test` or `x`, is a stand-in for none.
LEAST_SECRET: Final = 8


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask. base: the URL that paths such as /models are put behind. timeout_us: of a whole exchange."""

    base: str
    key: str = field(repr=False)
    transport: Transport = field(repr=False)
    clock: Clock = field(repr=False)
    timeout_us: int
    extra: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def root(self) -> str:
        """Scheme and host alone, where a server keeps /health and /metrics."""
        url = httpx.URL(self.base)
        return f"{url.scheme}://{url.netloc.decode('ascii')}"

    @property
    def secret(self) -> str:
        """What must not be shown; "" for a key so short that words would fall with it: it keeps nobody out."""
        return self.key if len(self.key) >= LEAST_SECRET else ""

    async def get(self, path: str, *, at_root: bool = False, headers: Mapping[str, str] | None = None) -> Exchange:
        """GET of a path behind the base, or behind the root."""
        return await self.send("GET", f"{self.root if at_root else self.base}{path}", b"", dict(headers or {}))

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Exchange:
        """POST of a JSON text; `headers` replace those that are usual."""
        return await self.send("POST", self.base + path, body, {"content-type": "application/json", **(headers or {})})

    async def send(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Exchange:
        """Perform one exchange; what goes wrong is in it. Raises nothing but what cancels."""
        usual = {"authorization": f"Bearer {self.key}"} if self.key else {}
        limit_s = self.timeout_us / 1_000_000
        request = httpx.Request(
            method,
            url,
            content=body,
            headers={"accept": "*/*", **usual, **dict(self.extra), **headers},
            extensions={"timeout": {"connect": limit_s, "pool": limit_s, "read": limit_s, "write": limit_s}},
        )
        sent_us = self.clock.monotonic_us()
        seen = _Seen(self.clock, sent_us)
        failure = ""
        try:
            async with self.clock.timeout(self.timeout_us):
                await seen.read(await self.transport.handle_async_request(request))
        except (TimeoutError, NotSentInTime, httpx.TimeoutException):
            failure = TIMEOUT
        except NotSent:
            failure = NOBODY
        except httpx.TransportError:
            failure = BROKEN
        except _TooLarge:
            failure = TOO_LARGE
        return Exchange(sent_us, seen.status, seen.headers, tuple(seen.parts), seen.head_us, seen.elapsed_us(), failure)

    def shown(self, text: str, most: int = SHOWN_CHARACTERS) -> str:
        """Somebody else's text as it may be shown: on one line, short, and without the key."""
        hidden = text.replace(self.secret, "[key]") if self.secret else text
        line = " ".join("".join(one if one.isprintable() else " " for one in hidden).split())
        return line if len(line) <= most else line[: most - 1] + "\u2026"


class _TooLarge(Exception):
    """The body is longer than anybody asked for."""


class _Seen:
    """What has come so far, so that a failure doesn't lose it."""

    def __init__(self, clock: Clock, sent_us: int) -> None:
        self._clock = clock
        self._sent_us = sent_us
        self.status = 0
        self.headers: tuple[tuple[str, str], ...] = ()
        self.parts: list[Part] = []
        self.head_us = 0

    def elapsed_us(self) -> int:
        return self._clock.monotonic_us() - self._sent_us

    async def read(self, response: httpx.Response) -> None:
        """Raises: httpx.TransportError; _TooLarge."""
        self.head_us = self.elapsed_us()
        self.status = response.status_code
        self.headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw
        )
        assert isinstance(response.stream, httpx.AsyncByteStream), "a Transport answers with an asynchronous stream"
        size = 0
        try:
            async for data in response.stream:
                size += len(data)
                if size > MAX_BODY_BYTES:
                    raise _TooLarge
                self.parts.append(Part(self.elapsed_us(), data))
        finally:
            await response.aclose()
