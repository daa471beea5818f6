"""The HTTP client of a running Harpoon, for commands: one address, one token, one exception with words for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
#: What to do about an error here, by its code.
_HINTS = {
    "invalid_api_key": "; here: --token or HARPOON_TOKEN, for tenants and keys --admin-token or HARPOON_ADMIN_TOKEN",
    "model_not_found": "; `harpoon models` lists what can be asked for",
    "covenant_not_found": "; `harpoon covenants list` shows yours",
}


class Client:
    """A running Harpoon at `url` (with or without `/v1` at its end)."""

    def __init__(self, url: str, token: str, hint: str = "") -> None:
        """Args: hint: what else could be done, said when nobody answers. Raises: ClientFailed for no address."""
        self.base = url.rstrip("/").removesuffix("/v1")
        self._hint = hint
        # What would refuse it later quotes the whole header, and would show the token.
        if not (token.isascii() and token.isprintable()):
            raise ClientFailed("the token has a character that no header can carry, such as the end of a line")
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

    def send(self, method: str, path: str, body: bytes | None = None, **query: str | int) -> Any:
        """The JSON that another method answers. Args: body: a JSON text. Raises: ClientFailed."""
        headers = {"content-type": "application/json"} if body is not None else {}
        with self._speaking():
            return self._value(self._client.request(method, path, content=body, headers=headers, params=query))

    def status_of(self, path: str, **query: str | int) -> tuple[int, Any]:
        """HTTP status and JSON of `GET path`, whatever the status. Raises: ClientFailed, if a stranger answers too."""
        with self._speaking():
            answer = self._client.get(path, params=query)
            try:
                return answer.status_code, answer.json()
            except ValueError as problem:
                raise ClientFailed(f"what answers at {self.base} is not Harpoon") from problem

    @contextmanager
    def stream(self, path: str, body: bytes) -> Iterator[httpx.Response]:
        """A streamed answer with status 200 to a JSON text.

        Raises: ClientFailed, also for a connection that breaks while reading.
        """
        headers = {"content-type": "application/json"}
        with self._speaking(), self._client.stream("POST", path, content=body, headers=headers) as response:
            if response.status_code != 200:
                raise refusal(response.read(), response.status_code)
            yield response

    def decisions(
        self, since_us: int = 0, most: int | None = None, before: str = "", state: str = ""
    ) -> Iterator[dict[str, Any]]:
        """The caller's decisions, newest first, page after page.

        Args: since_us: none older, microseconds since 1970. before: only those made before the one with this id.
        state: only those in this state. Raises: ClientFailed.
        """
        query: dict[str, str | int] = {"limit": PAGE if most is None or state else min(PAGE, most)}
        if before:
            query["before"] = before
        while True:
            page = self.get("/v1/decisions", **query)
            try:
                found, has_more = page["data"], bool(page["has_more"])
                for decision in found:
                    if decision["at_us"] < since_us or most == 0:
                        return
                    if state and decision["state"] != state:
                        continue
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
    """An error answer in words: its message and what this command line can do about it, then its other reasons."""
    try:
        error = json.loads(body)["error"]
        message, code = str(error["message"]), str(error.get("code"))
        reasons = [str(reason) for reason in error.get("reasons", [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ClientFailed(f"the server answered {status} with something that is not Harpoon's", http_status=status)
    lines = [message + _HINTS.get(code, ""), *reason_lines(message, reasons)]
    unasked = status in _USAGE or code == "not_local"
    return ClientFailed("\n".join(lines), UNASKED if unasked else NO, status, code)


def reason_lines(message: str, reasons: list[str]) -> list[str]:
    """Reasons as sentences, one a line; the one that the message says already is left out."""
    from worker.canon.reasons import reason_from_text, reason_sentence

    lines = []
    for reason in reasons:
        try:
            is_said = f"({reason_from_text(reason).head}, " in message
        except ValueError:
            is_said = False
        if not is_said:
            lines.append(f"  {reason_sentence(reason)}")
    return lines
