"""The endpoints that are served beside each other: how a body of each is read, sent up, and what its answer says.

Everything else of a request's way is the same for all: admission, budget, attempts, ledger, events and headers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

from worker.cache.whole import (
    is_whole_chat,
    is_whole_chat_stream,
    is_whole_embeddings,
    is_whole_response,
    is_whole_response_stream,
)
from worker.errors import HarpoonError
from worker.routing.catalogue import CompiledCatalogue, Route
from worker.routing.labels import Label
from worker.routing.tables import CHAT, EMBEDDINGS, RESPONSES
from worker.strict_json import JsonLimits
from worker.upstream.relay import Relay, error_event, is_error
from worker.upstream.relay_responses import ResponsesRelay, is_responses_error, responses_error_event
from worker.upstream.wire import (
    ChatRequest,
    Identity,
    conform_answer,
    generated_bytes,
    parse_chat,
    upstream_body,
    usage_of,
)
from worker.upstream.wire_embeddings import (
    check_one_model,
    conform_embeddings,
    embeddings_body,
    embeddings_usage,
    nothing_generated,
    parse_embeddings,
)
from worker.upstream.wire_responses import (
    check_pinned,
    conform_responses,
    parse_responses,
    responses_body,
    responses_generated,
    responses_usage,
)


class StreamRelay(Protocol):
    """A stream on its way to the client: bytes in, whole events out."""

    done: bool
    usage: tuple[int, int] | None

    def feed(self, chunk: bytes) -> bytes: ...

    def finish(self) -> bytes: ...

    def counted_tokens(self) -> int: ...


#: Gives the comment line that goes in front of a stream's last event.
Closing = Callable[[StreamRelay], bytes]


@dataclass(frozen=True, slots=True)
class Wire:
    """One endpoint. `check`: what only the catalogue can tell of a request, if there is anything.

    `generated`: UTF-8 bytes that a model made in a plain answer, where its provider reports no usage. `is_whole`: an
    answer as it came, and `is_whole_stream`: the events sent on and how many choices they have; worker/cache/whole.py.
    """

    endpoint: str
    parse: Callable[[bytes, str | None, JsonLimits, bool], ChatRequest]
    body: Callable[[ChatRequest, Route, int, Label | None], bytes]
    conform: Callable[[dict[str, Any]], bool]
    usage: Callable[[Mapping[str, Any]], tuple[int, int] | None]
    generated: Callable[[Mapping[str, Any]], int]
    relay: Callable[[ChatRequest, Closing, Callable[[], Identity]], StreamRelay]
    is_error: Callable[[bytes], bool]
    error_event: Callable[[HarpoonError], bytes]
    is_whole: Callable[[Mapping[str, Any]], bool]
    is_whole_stream: Callable[[bytes, int], bool]
    check: Callable[[ChatRequest, CompiledCatalogue, tuple[int, ...]], None] | None = None


def _answer_bytes(answer: Mapping[str, Any]) -> int:
    return sum(generated_bytes(choice["message"]) for choice in answer["choices"])


CHAT_WIRE: Final = Wire(
    endpoint=CHAT,
    parse=parse_chat,
    body=upstream_body,
    conform=conform_answer,
    usage=usage_of,
    generated=_answer_bytes,
    relay=lambda request, closing, identity: Relay(request.include_usage, closing, request.choices, identity),
    is_error=is_error,
    error_event=error_event,
    is_whole=is_whole_chat,
    is_whole_stream=is_whole_chat_stream,
)
RESPONSES_WIRE: Final = Wire(
    endpoint=RESPONSES,
    parse=parse_responses,
    body=responses_body,
    conform=conform_responses,
    usage=responses_usage,
    generated=responses_generated,
    relay=lambda request, closing, identity: ResponsesRelay(closing),
    is_error=is_responses_error,
    error_event=responses_error_event,
    is_whole=is_whole_response,
    is_whole_stream=is_whole_response_stream,
    check=check_pinned,
)
EMBEDDINGS_WIRE: Final = Wire(
    endpoint=EMBEDDINGS,
    parse=parse_embeddings,
    body=embeddings_body,
    conform=conform_embeddings,
    usage=embeddings_usage,
    generated=nothing_generated,
    relay=lambda request, closing, identity: Relay(False, closing),  # never streamed
    is_error=is_error,
    error_event=error_event,
    is_whole=is_whole_embeddings,
    is_whole_stream=is_whole_chat_stream,
    check=check_one_model,
)
WIRES: Final[Mapping[str, Wire]] = MappingProxyType(
    {wire.endpoint: wire for wire in (CHAT_WIRE, RESPONSES_WIRE, EMBEDDINGS_WIRE)}
)
