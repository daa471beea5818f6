"""OpenAI's chat API item by item: one request each for the answer, both streams, every wrong request and each feature.

Nothing is asked about the quality of an answer, only about its form. A check that met a rate limit is repeated once,
after the wait that it was told, and is not counted against the endpoint if it meets another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from gateway.probe.chat import Chat, body_of
from gateway.probe.exchange import NOBODY, NOT_JSON, OK, TIMEOUT, Exchange
from gateway.probe.features import FEATURES, feature_item
from gateway.probe.items import Item, Need, item, unseen
from gateway.probe.limits import LimitReached
from gateway.probe.prompts import CHECKED
from gateway.probe.shapes import answer_faults, chunk_faults, error_faults, model_faults, nullable_faults, usage_faults
from gateway.probe.stream import DONE, choices_of, read_stream

#: Tokens that a checked answer may have.
CHECK_TOKENS: Final = 16
LONGEST_WAIT_S: Final = 10
RATE_LIMITED: Final = 429
_UNKNOWN_MODEL: Final = "no-such-model-0000"
_UNKNOWN_KEY: Final = "harpoon-probe-no-such-key"


class Wrong(NamedTuple):
    """A request that must be refused, and what is wrong with it."""

    name: str
    says: str
    body: Callable[[dict[str, Any]], Mapping[str, Any] | bytes]
    need: Need = Need.required


WRONG: Final = (
    Wrong("error.malformed_json", "a body that is cut off is refused", lambda body: b'{"model":'),
    Wrong("error.not_an_object", "a body that is a JSON list is refused", lambda body: b"[]"),
    Wrong("error.no_messages", "a body without messages is refused", lambda body: {"model": body["model"]}),
    Wrong("error.empty_messages", "an empty list of messages is refused", lambda body: {**body, "messages": []}),
    Wrong("error.messages_type", "messages that are a string are refused", lambda body: {**body, "messages": "hi"}),
    Wrong("error.role", "a role that doesn't exist is refused",
          lambda body: {**body, "messages": [{"role": "nobody", "content": "hi"}]}, Need.usual),
    Wrong("error.max_tokens_type", "max_tokens that is a word is refused", lambda body: {**body, "max_tokens": "many"}),
    Wrong("error.temperature", "a temperature of 9 is refused", lambda body: {**body, "temperature": 9},
          Need.usual),
    Wrong("error.unknown_model", "a model that doesn't exist is refused",
          lambda body: {**body, "model": _UNKNOWN_MODEL}),
)  # fmt: skip


async def check_compatibility(chat: Chat, model: str, found: list[Item]) -> None:
    """Go through all items, adding each to `found` as it is known. Raises: LimitReached."""
    try:
        await _check(chat, model, found)
    finally:
        # A server may quote the key that it was sent.
        found[:] = [replace(one, faults=tuple(chat.endpoint.shown(fault) for fault in one.faults)) for one in found]


async def _check(chat: Chat, model: str, found: list[Item]) -> None:
    body = body_of(model, CHECKED, CHECK_TOKENS)
    found.append(_model_item(model, await chat.get(f"/models/{quote(model)}")))
    plain = await _patient(chat, body)
    found += plain_items(plain)
    if plain.failure in (NOBODY, TIMEOUT):
        return  # what doesn't answer the plainest request would only take its time for the others
    found += stream_items(await _patient(chat, {**body, "stream": True}))
    with_usage = {**body, "stream": True, "stream_options": {"include_usage": True}}
    found += usage_items(await _patient(chat, with_usage))
    for wrong in WRONG:
        found.append(refusal_item(wrong.name, wrong.says, await _patient(chat, wrong.body(body)), wrong.need))
    found.append(refusal_item("error.unknown_path", "a path that doesn't exist is refused", await _no_path(chat)))
    if chat.endpoint.key:
        stranger = await _patient(chat, body, {"authorization": f"Bearer {_UNKNOWN_KEY}"})
        found.append(_key_item(stranger))
    for feature in FEATURES:
        found.append(feature_item(feature, await _patient(chat, feature.body(body))))


def plain_items(exchange: Exchange) -> Iterator[Item]:
    """What a whole answer says."""
    says = "a plain request is answered with 200"
    if not exchange.is_ok:
        yield _no_answer("answer.status", says, exchange)
        return
    yield item("answer.status", says, [])
    kind = exchange.media_type
    yield item("answer.content_type", "the answer is application/json",
               [] if kind == "application/json" else [f"content-type is {kind or 'missing'}"])  # fmt: skip
    value = exchange.json()
    yield item("answer.shape", "id, object, created, model, choices, message, finish_reason",
               ["the body is no JSON"] if value is NOT_JSON else answer_faults(value))  # fmt: skip
    if value is NOT_JSON:
        return
    yield item("answer.nullable", "content, refusal and logprobs are there, be they null", nullable_faults(value))
    yield item("answer.usage", "usage tells tokens in, out and together", usage_faults(value))
    usage = value.get("usage") if isinstance(value, dict) else None
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    over = isinstance(tokens, int) and tokens > CHECK_TOKENS
    yield item("answer.max_tokens", f"max_tokens {CHECK_TOKENS} is kept", [f"{tokens} tokens came"] if over else [])
    for name in ("x-request-id", "openai-processing-ms"):
        missing = [] if exchange.header(name) else ["missing"]
        yield item(f"header.{name}", f"the answer has the header {name}", missing, Need.usual)


def stream_items(exchange: Exchange) -> Iterator[Item]:
    """What a stream says for which no usage was asked."""
    says = "a streamed request is answered with an event stream"
    if not exchange.is_ok:
        yield _no_answer("stream.content_type", says, exchange)
        return
    kind = exchange.media_type
    yield item("stream.content_type", says,
               [] if kind == "text/event-stream" else [f"content-type is {kind or 'missing'}"])  # fmt: skip
    stream = read_stream(exchange)
    if not stream.events:
        yield item("stream.shape", "every event is a chunk", ["there is no event"])
        return
    faults = [f"an error came within the stream: {stream.error}"] if stream.error else []
    faults += [fault for chunk in stream.chunks if not chunk.get("error") for fault in chunk_faults(chunk)]
    faults += ["an event is no JSON object"] * stream.unread
    yield item("stream.shape", "every event is a chunk: id, object, created, model, choices, finish_reason", faults)
    differing = [name for name in ("id", "created", "model") if len({str(one.get(name)) for one in stream.chunks}) > 1]
    yield item("stream.same_id", "id, created and model are the same in every chunk",
               [f"{name} differs between chunks" for name in differing])  # fmt: skip
    ended = ["no chunk has a finish_reason"] if stream.finish_reason is None else []
    yield item("stream.finish_reason", "a finish_reason comes before the end", ended)
    yield item(
        "stream.done", "the stream ends with data: [DONE]", _end_faults(stream.events[-1].data, stream.is_cut_off)
    )
    sent = any(chunk.get("usage") is not None for chunk in stream.chunks)
    yield item("stream.no_usage", "no usage is sent where it isn't asked for",
               ["usage was sent though not asked for"] if sent else [], Need.usual)  # fmt: skip


def _end_faults(last: str, is_cut_off: bool) -> list[str]:
    if is_cut_off:
        return ["the stream ends within an event"]
    return [] if last == DONE else ["there is no [DONE], or something after it"]


def usage_items(exchange: Exchange) -> Iterator[Item]:
    """What a stream says for which usage was asked."""
    says = "with include_usage the last chunk alone has the usage, and no choices"
    null_says = "with include_usage every chunk before it has usage: null"
    if not exchange.is_ok:
        yield _no_answer("stream.usage", says, exchange)
        return
    chunks = read_stream(exchange).chunks
    told = [chunk for chunk in chunks if chunk.get("usage")]
    faults = []
    if not told:
        faults.append("no chunk has a usage")
    elif len(told) > 1 or told[-1] is not chunks[-1]:
        faults.append(f"{len(told)} chunks have a usage, or not the last")
    elif choices_of(told[-1]):
        faults.append("the chunk with the usage has choices")
    faults += usage_faults(told[-1]) if told else []
    yield item("stream.usage", says, faults)
    lacking = sum("usage" not in chunk for chunk in chunks if not chunk.get("usage"))
    yield item("stream.usage_null", null_says,
               [f"{lacking} of {len(chunks)} chunks have none"] if lacking else [], Need.usual)  # fmt: skip


def refusal_item(name: str, says: str, exchange: Exchange, need: Need = Need.required) -> Item:
    """A request that must be refused with a 4xx and OpenAI's error body."""
    says = f"{says}, with 4xx and OpenAI's error body"
    if exchange.status == RATE_LIMITED:
        return unseen(name, says, "a rate limit stood before it", need)
    if not exchange.status:
        return item(name, says, [exchange.outcome()], need)
    faults = [] if 400 <= exchange.status < 500 else [f"it was answered with HTTP {exchange.status}"]
    if exchange.status != OK:
        value = exchange.json()
        faults += ["the error's body is no JSON"] if value is NOT_JSON else error_faults(value)
    return item(name, says, faults, need)


def _model_item(model: str, exchange: Exchange) -> Item:
    value = exchange.json() if exchange.is_ok else NOT_JSON
    faults = [exchange.outcome()] if value is NOT_JSON else model_faults(value)
    if isinstance(value, dict) and not faults and value["id"] != model:
        faults.append("its id is another")
    return item("models.one", "GET /models/{id} tells one model", faults, Need.usual)


def _key_item(exchange: Exchange) -> Item:
    says = "a key that doesn't exist is refused with 401"
    if exchange.status == OK:
        return item("error.wrong_key", says, ["it was served"], Need.usual)
    faults = [] if exchange.status == 401 else [exchange.outcome()]
    return item("error.wrong_key", says, faults, Need.usual)


def _no_answer(name: str, says: str, exchange: Exchange) -> Item:
    if exchange.status == RATE_LIMITED:
        return unseen(name, says, "a rate limit stood before it")
    return item(name, says, [exchange.outcome()])


async def _no_path(chat: Chat) -> Exchange:
    return await chat.get("/no-such-path")


async def _patient(chat: Chat, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> Exchange:
    """An answer, after a wait where the first was a rate limit. Raises: LimitReached."""
    exchange = await chat.send(body, headers)
    if exchange.status != RATE_LIMITED:
        return exchange
    await chat.rest(wait_us(exchange.header("retry-after")))
    try:
        return await chat.send(body, headers)
    except LimitReached:
        return exchange


def wait_us(retry_after: str) -> int:
    """How long to wait after a refusal: as told in seconds, within bounds; a second where nothing readable is told."""
    told = retry_after.strip()
    seconds = int(told) if told.isascii() and told.isdecimal() and len(told) < 6 else 1
    return min(max(seconds, 0), LONGEST_WAIT_S) * 1_000_000
