"""The HTTP client of a running Harpoon, for commands: one address, one token, one exception with words for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from gateway.failure import NO, UNASKED, ClientFailed

CONNECT_S = 10.0
#: A request may take as long as the server's own longest (HARPOON_REQUEST_TIMEOUT_S, 300 by default), and a bit.
READ_S = 310.0
PAGE = 100
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: Statuses with which the server says that the request itself, or who asks, is wrong.
_USAGE = frozenset({400, 401, 404, 405, 413})


class Client:
    """A running Harpoon at `url` (with or without `/v1` at its end)."""

    def __init__(self, url: str, token: str, hint: str = "") -> None:
        """Args: hint: what else could be done, said when nobody answers. Raises: ClientFailed for no address."""
        self.base = url.rstrip("/").removesuffix("/v1")
        self._hint = hint
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            at_home = httpx.URL(self.base).host in _LOOPBACK
            # A proxy for the world outside has no business between a machine and itself.
            self._client = httpx.Client(
                base_url=self.base,
                headers=headers,
                timeout=httpx.Timeout(CONNECT_S, read=READ_S),
                trust_env=not at_home,
            )
        except (httpx.InvalidURL, UnicodeError) as problem:
            raise ClientFailed(f"the connection to {url} failed: {problem}") from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON that `GET path` answers. Raises: ClientFailed."""
        with self._speaking():
            return self._value(self._client.get(path, params=query))

    def post(self, path: str, body: bytes) -> Any:
        """The JSON that `POST path` answers to a JSON text. Raises: ClientFailed."""
        with self._speaking():
            return self._value(self._client.post(path, content=body, headers={"content-type": "application/json"}))

    def status_of(self, path: str, **query: str | int) -> tuple[int, Any]:
        """HTTP status and JSON of `GET path`, whatever the status. Raises: ClientFailed, if a stranger answers too."""
        with self._speaking():
            answer = self._client.get(path, params=query)
            try:
                return answer.status_code, answer.json()
            except ValueError as problem:
                raise ClientFailed(f"what answers at {self.base} is not Harpoon") from problem

    @contextmanager
    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[httpx.Response]:
        """A streamed answer with status 200. Raises: ClientFailed, also for a connection that breaks while reading."""
        with self._speaking(), self._client.stream("POST", path, json=body) as response:
            if response.status_code != 200:
                raise refusal(response.read(), response.status_code)
            yield response

    def decisions(self, since_us: int = 0, most: int | None = None) -> Iterator[dict[str, Any]]:
        """The caller's decisions, newest first, page after page. Args: since_us: none older, microseconds since 1970.

        Raises: ClientFailed.
        """
        query: dict[str, str | int] = {"limit": PAGE if most is None else min(PAGE, most)}
        while True:
            page = self.get("/v1/decisions", **query)
            try:
                found, has_more = page["data"], bool(page["has_more"])
                for decision in found:
                    if decision["at_us"] < since_us or most == 0:
                        return
                    yield decision
                    most = None if most is None else most - 1
                if not has_more or not found or most == 0:
                    return
                query["before"] = found[-1]["id"]
            except (KeyError, TypeError) as problem:
                raise ClientFailed(f"what answers at {self.base} is not Harpoon") from problem

    def _value(self, answer: httpx.Response) -> Any:
        if answer.status_code >= 300:
            raise refusal(answer.content, answer.status_code)
        try:
            return answer.json()
        except ValueError as problem:
            raise ClientFailed(f"what answers at {self.base} is not Harpoon") from problem

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as problem:
            more = f"; {self._hint}" if self._hint else ""
            raise ClientFailed(
                f"nothing answers at {self.base}: start it with `harpoon serve`, or say --url{more}"
            ) from problem
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            raise ClientFailed(f"the connection to {self.base} failed: {problem}") from problem


def refusal(body: bytes, status: int) -> ClientFailed:
    """An error answer in words: its message, then its reasons, one a line."""
    try:
        error = json.loads(body)["error"]
        lines = [str(error["message"]), *(f"  {reason}" for reason in error.get("reasons", []))]
        code = str(error.get("code"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ClientFailed(f"the server answered {status} with something that is not Harpoon's", http_status=status)
    unasked = status in _USAGE or code == "not_local"
    return ClientFailed("\n".join(lines), UNASKED if unasked else NO, status, code)
