"""Canaries: prompts, answers, keys and tokens go where they must, and are nowhere else to be found.

Every endpoint and every kind of fault is driven with everything logged that any library logs, and without the filter
that would redact it; then logs, answers, metrics, reprs and every row of the state are searched.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from gateway.log import set_up_logging
from gateway.settings import read_settings
from tests.contracts.misbehaving_server import close_at_once
from tests.worker.api.application_kit import (
    EVENT_STREAM,
    Application,
    Provider,
    answers,
    chunk_bytes,
    http_answer,
    refuses,
    says,
    streams,
    two_providers,
)
from worker.errors import StateError
from worker.guard.logs import RedactingFilter
from worker.upstream.wire import parse_chat

PROMPT, ANSWER = "canary-in-the-prompt", "canary-in-the-answer"
TOKEN, KEY, OTHER_KEY = "hk_acme_canaryinthetoken", "canary-hosted-key-0001", "canary-openai-key-0002"
COVENANT = "canary covenant words, $2"
MODEL = "hosted-ai/llama-3.1-8b-instruct"
SETTINGS = {"HARPOON_TOKENS": TOKEN, "HOSTED_AI_API_KEY": KEY, "OPENAI_API_KEY": OTHER_KEY}
SECRETS = ("canaryinthetoken", KEY, OTHER_KEY)


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """All that is logged at any level by anybody, traces included."""
    stream = io.StringIO()
    root, harpoon = logging.getLogger(), logging.getLogger("harpoon")
    levels = {logger: logger.level for logger in (root, harpoon, logging.getLogger("asyncio"))}
    filters = list(harpoon.filters)
    handler = logging.StreamHandler(stream)
    root.addHandler(handler)
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    for one in filters:
        harpoon.removeFilter(one)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        for logger, level in levels.items():
            logger.setLevel(level)
        for one in filters:
            harpoon.addFilter(one)


def quoting(status: int) -> Provider:
    """A provider that refuses in words which quote the answer and the key it was sent."""
    said = {"error": {"message": f"{ANSWER}: bad key sk-{KEY}-abcdefghij"}}
    return refuses(status, json.dumps(said).encode())


def faults() -> dict[str, Provider | None]:
    return {
        "answers": answers(ANSWER),
        "streams": streams(ANSWER, ANSWER),
        "is not there": None,
        "closes at once": Provider(_close),
        "401": quoting(401),
        "403": quoting(403),
        "404": quoting(404),
        "429": quoting(429),
        "500": quoting(500),
        "no JSON": says(http_answer(200, f"<html>{ANSWER}".encode())),
        "another JSON": says(http_answer(200, json.dumps({"choices": ANSWER}).encode())),
        "half an answer": says(b'HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{"x":"' + ANSWER.encode()),
        "half a stream": says(EVENT_STREAM, chunk_bytes(ANSWER), b"9999\r\ndata: " + ANSWER.encode()),
        "a broken event": says(EVENT_STREAM, chunk_bytes(ANSWER), b"1c\r\ndata: " + ANSWER.encode() + b"\n\n\r\n"),
        "an error event": says(
            EVENT_STREAM, b'3a\r\ndata: {"error":{"message":"' + ANSWER.encode() + b'"}}      \n\n\r\n'
        ),
    }


async def _close(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
    await close_at_once(reader, writer)


async def everything_stored(harpoon: Application) -> str:
    tables = [str(row[0]) for row in await harpoon.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return "".join([repr(await harpoon.rows(f"SELECT * FROM {table}")) for table in tables])


async def read_all(answer: AsyncIterator[str]) -> str:
    said = ""
    try:
        async for piece in answer:
            said += piece
    except httpx.HTTPError:
        pass
    return said


@pytest.mark.parametrize("name", list(faults()))
@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_leaves_no_trace_of_what_was_said(name: str, stream: bool, everything_logged: io.StringIO) -> None:
    provider = faults()[name]
    body = {"model": MODEL, "stream": stream, "covenant": COVENANT, "messages": [{"role": "user", "content": PROMPT}]}
    async with two_providers(provider, answers(), **SETTINGS) as harpoon:
        access = {"authorization": f"Bearer {TOKEN}"}
        async with harpoon.client.stream("POST", "/chat/completions", json=body, headers=access) as answer:
            said = await read_all(answer.aiter_text())
        await harpoon.none_open()
        metrics = await harpoon.client.get("http://localhost/metrics", headers=access)
        decision = await harpoon.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}", headers=access)
        stored = await everything_stored(harpoon)
    logged = everything_logged.getvalue()
    for place in (logged, metrics.text, decision.text, stored, str(answer.headers)):
        for canary in (PROMPT, ANSWER, "canary covenant", *SECRETS):
            assert canary not in place
    assert not any(secret in said for secret in SECRETS)
    assert PROMPT not in said
    if provider is not None and provider.calls:
        assert provider.calls[0]["messages"][0]["content"] == PROMPT


async def test_no_endpoint_tells_a_secret_or_logs_what_it_was_sent(everything_logged: io.StringIO) -> None:
    said = ""
    async with two_providers(answers("fine"), answers("fine"), **SETTINGS) as harpoon:
        access = {"authorization": f"Bearer {TOKEN}"}
        chat = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
        posts: dict[str, Any] = {
            "/v1/chat/completions": chat,
            "/v2/route": chat,
            "/classify": {"text": PROMPT},
            "/run": {"text": PROMPT},
            "/v2/process": {"text": PROMPT},
            "/v1/embeddings": {"model": "auto", "input": PROMPT},
            "/v1/responses": {"model": "auto", "input": PROMPT},
            "/nowhere": chat,
        }
        for path, body in posts.items():
            for headers in (access, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": TOKEN}, {}):
                sent = [json.dumps(body).encode(), json.dumps(body).encode()[:-1], b"", b"\xff" + PROMPT.encode()]
                for content in sent:
                    answer = await harpoon.client.post(f"http://localhost{path}", content=content, headers=headers)
                    said += answer.text + str(answer.headers)
        for path in (
            "/",
            "/health",
            "/health?detailed=true",
            "/metrics",
            "/v1/models",
            "/v1/decisions",
            "/openapi.json",
        ):
            for headers in (access, {}):
                answer = await harpoon.client.get(f"http://localhost{path}", headers=headers)
                said += answer.text + str(answer.headers)
        await harpoon.none_open()
        stored = await everything_stored(harpoon)
        said += repr(harpoon.services)
    for place in (said, stored, everything_logged.getvalue()):
        assert not any(secret in place for secret in SECRETS)
    for place in (stored, everything_logged.getvalue()):
        assert PROMPT not in place


async def test_a_state_that_fails_is_logged_without_what_was_said(everything_logged: io.StringIO) -> None:
    async with two_providers(answers(ANSWER), answers(), **SETTINGS) as harpoon:

        async def fail(*_: Any) -> Any:
            raise StateError("the disk is full")

        harpoon.services.mediator.admit = fail  # type: ignore[method-assign]
        access = {"authorization": f"Bearer {TOKEN}"}
        body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
        answer = await harpoon.client.post("/chat/completions", json=body, headers=access)
        assert answer.status_code == 500
        assert "disk" not in answer.text
    logged = everything_logged.getvalue()
    assert "the disk is full" in logged
    assert not any(canary in logged for canary in (PROMPT, *SECRETS))


def test_no_repr_shows_a_secret_or_a_prompt() -> None:
    settings = read_settings({**SETTINGS, "HARPOON_ADMIN_TOKEN": "hk_admin_canaryadmin0001aaaabbbbcccc"}, {}, None)
    configuration = settings.configuration
    request = parse_chat(json.dumps({"model": "m", "messages": [{"role": "user", "content": PROMPT}]}).encode(), None,
                         configuration.limits.json)  # fmt: skip
    shown = "".join(map(repr, (settings, configuration, configuration.keyring(), configuration.access, request)))
    shown += repr(RedactingFilter(settings.secrets))
    for canary in (PROMPT, "canaryadmin", *SECRETS):
        assert canary not in shown
    assert {TOKEN, KEY, OTHER_KEY, "hk_admin_canaryadmin0001aaaabbbbcccc"} <= set(settings.secrets)


def test_the_log_of_the_container_masks_the_operators_secrets_whatever_their_form() -> None:
    root, stream = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(stream)
    harpoon, server = logging.getLogger("harpoon"), logging.getLogger("uvicorn.error")
    kept = [(place, list(place.filters)) for place in (harpoon, server, *root.handlers)]
    level = harpoon.level
    # A server that ran in this process before may have silenced its loggers, or taken them away from the root.
    before = [(logger, logger.propagate, logger.level) for logger in (server, logging.getLogger("uvicorn"))]
    root.addHandler(handler)
    try:
        for logger, _, _ in before:
            logger.propagate = True
            logger.setLevel(logging.INFO)
        set_up_logging("info", [KEY])
        harpoon.error("connecting with %s failed for jane@example.com", KEY)
        server.error("so did %s", KEY)
        logging.getLogger("aiohttp").error("and %s", KEY)
    finally:
        root.removeHandler(handler)
        harpoon.setLevel(level)
        for logger, propagates, old_level in before:
            logger.propagate = propagates
            logger.setLevel(old_level)
        for place in (harpoon, server, *root.handlers):
            for one in list(place.filters):
                place.removeFilter(one)
        for place, filters in kept:
            for one in filters:
                place.addFilter(one)
    assert "connecting with [SECRET] failed for [EMAIL]" in stream.getvalue()
    assert stream.getvalue().count("[SECRET]") == 3
    assert KEY not in stream.getvalue()
