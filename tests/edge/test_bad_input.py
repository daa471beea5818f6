"""Whatever is sent to the Worker, a bad request gets a 4xx in OpenAI's shape, and nothing is held or spent for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of, error_of, read_settled, token

MESSAGES = [{"role": "user", "content": "Hi"}]
MEBIBYTE = 1024 * 1024
GOOD = {"model": "auto", "messages": MESSAGES}


def body(**fields: Any) -> bytes:
    """A good request with some fields replaced."""
    return json.dumps({**GOOD, **fields}).encode()


def covenant(text: str) -> bytes:
    """A good request with a covenant of exactly this text."""
    return b'{"model":"auto","messages":[{"role":"user","content":"Hi"}],"covenant":' + text.encode() + b"}"


BAD_BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "half an object": (b'{"model":', 400),
    "a list": (b"[]", 400),
    "null": (b"null", 400),
    "two values": (b"{}{}", 400),
    "not UTF-8": (b'{"model":"\xff"}', 400),
    "byte order mark": (b"\xef\xbb\xbf" + body(), 400),
    "lone surrogate": (b'{"model":"auto","messages":[{"role":"user","content":"\\ud800"}]}', 400),
    "duplicate key": (b'{"model":"auto","model":"auto","messages":[{"role":"user","content":"Hi"}]}', 400),
    "duplicate key inside": (b'{"model":"auto","messages":[{"role":"user","role":"user","content":"Hi"}]}', 400),
    "deep": (b'{"model":"auto","messages":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "deep objects": (b'{"x":' * 5_000 + b"1" + b"}" * 5_000, 400),
    "NaN": (b'{"model":"auto","messages":[],"temperature":NaN}', 400),
    "infinite": (b'{"model":"auto","messages":[],"temperature":1e999}', 400),
    "long integer": (b'{"model":"auto","messages":[],"seed":' + b"9" * 5_000 + b"}", 400),
    "no model": (json.dumps({"messages": MESSAGES}).encode(), 400),
    "model is a number": (body(model=1), 400),
    "model is too long": (body(model="m" * 300), 400),
    "unknown model": (body(model="no-such-model"), 404),
    "unknown provider": (body(model="nobody/llama-3.1-8b-instruct"), 404),
    "no messages": (json.dumps({"model": "auto"}).encode(), 400),
    "messages are a text": (body(messages="Hi"), 400),
    "no message": (body(messages=[]), 400),
    "a message is a text": (body(messages=["Hi"]), 400),
    "unknown role": (body(messages=[{"role": "oracle", "content": "Hi"}]), 400),
    "content is a number": (body(messages=[{"role": "user", "content": 1}]), 400),
    "a part without a text": (body(messages=[{"role": "user", "content": [{"type": "text"}]}]), 400),
    "stream is a text": (body(stream="yes"), 400),
    "max_tokens is a text": (body(max_tokens="10"), 400),
    "max_tokens is a fraction": (body(max_tokens=1.5), 400),
    "max_tokens is true": (body(max_tokens=True), 400),
    "max_tokens is negative": (body(max_tokens=-1), 400),
    "n is zero": (body(n=0), 400),
    "temperature is too high": (body(temperature=3), 400),
    "tools are an object": (body(tools={}), 400),
    "stream_options without stream": (body(stream_options={"include_usage": True}), 400),
    "budget NaN": (covenant('{"budget_usd": NaN}'), 400),
    "budget Infinity": (covenant('{"budget_usd": Infinity}'), 400),
    "budget 1e999": (covenant('{"budget_usd": 1e999}'), 400),
    "budget negative": (covenant('{"budget_usd": -1}'), 422),
    "budget huge": (covenant('{"budget_usd": 1e300}'), 422),
    "budget is a text": (covenant('{"budget_usd": "2"}'), 422),
    "budget in euros": (covenant('{"budget_other": {"amount": 2, "currency": "EUR"}}'), 422),
    "scope without a budget": (covenant('{"budget_scope": "total"}'), 422),
    "deadline zero": (covenant('{"deadline_s": 0}'), 422),
    "unknown priority": (covenant('{"priority": "fastest"}'), 422),
    "unknown field": (covenant('{"colour": "blue"}'), 422),
    "region in small letters": (covenant('{"residency": ["de"]}'), 422),
    "an ambiguous budget": (covenant('{"flags": ["ambiguous_budget"]}'), 422),
    "covenant is an id that is none": (covenant('"cov-1"'), 422),
    "covenant is empty": (covenant('""'), 422),
    "covenant is a list": (covenant("[]"), 422),
}
BAD_HEADERS = {
    "half a string": '"budget of two',
    "half an object": '{"budget_usd": 2',
    "NaN": '{"budget_usd": NaN}',
    "a list": "[2]",
    "duplicate key": '{"budget_usd": 2, "budget_usd": 3}',
    "not ASCII": '{"priority": "schnell \u00fc"}',
    "unknown field": '{"budget": 2}',
}
BAD_TOKENS = {
    "none": None,
    "of another": token("nobody"),
    "with a wrong secret": token("refused") + "0",
    "OpenAI's": "sk-proj-0123456789",
    "without a secret": "hk_refused_",
    "very long": "hk_refused_" + "0" * 5_000,
}


@pytest.fixture
async def client(product_worker: EdgeWorker) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(product_worker.url, "refused") as client:
        yield client
        await check_nothing_is_held(client)


async def check_nothing_is_held(client: httpx.AsyncClient) -> None:
    """A request that is denied records the account it was decided on: nothing was ever held or spent there."""
    answer = await client.post("/v1/chat/completions", content=body(covenant={"budget_usd": 0}))
    assert answer.status_code == 402, answer.text
    decision = await read_settled(client, answer.headers["x-harpoon-decision-id"])
    assert decision["inputs"]["accounts"] == [["tenant", None, 0, 0]]


def check_refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text[:500]
    error_of(answer)
    assert answer.headers["x-request-id"].startswith("req_")
    assert "x-harpoon-decision-id" not in answer.headers


async def test_a_bad_body_is_refused(client: httpx.AsyncClient) -> None:
    for name, (content, status) in BAD_BODIES.items():
        answer = await client.post("/v1/chat/completions", content=content)
        assert answer.status_code == status, f"{name}: {answer.status_code} {answer.text[:300]}"
        check_refused(answer, status)


async def test_a_bad_covenant_header_is_refused(client: httpx.AsyncClient) -> None:
    for name, header in BAD_HEADERS.items():
        sent = {"x-harpoon-covenant": header.encode("latin-1")}
        answer = await client.post("/v1/chat/completions", content=body(), headers=sent)  # type: ignore[arg-type]
        assert answer.status_code == 422, f"{name}: {answer.status_code} {answer.text[:300]}"
        check_refused(answer, 422)
    both = {"x-harpoon-covenant": '{"budget_usd": 2}'}
    check_refused(await client.post("/v1/chat/completions", content=covenant("{}"), headers=both), 422)


async def test_a_bad_token_is_refused_wherever_one_is_needed(client: httpx.AsyncClient) -> None:
    for name, given in BAD_TOKENS.items():
        headers = {"authorization": f"Bearer {given}"} if given else {"authorization": ""}
        answers = [
            await client.post("/v1/chat/completions", content=body(), headers=headers),
            await client.get("/v1/models", headers=headers),
            await client.get("/v1/decisions/dec_0", headers=headers),
        ]
        for answer in answers:
            assert answer.status_code == 401, f"{name}: {answer.status_code} {answer.text[:300]}"
            assert error_of(answer)["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "hk_" not in answer.text.replace("hk_<tenant>_<secret>", "")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_more_than_ten_mebibytes_is_refused(client: httpx.AsyncClient, chunked: bool) -> None:
    content = body(messages=[{"role": "user", "content": "a" * (10 * MEBIBYTE)}])

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), MEBIBYTE):
            yield content[start : start + MEBIBYTE]

    answer = await client.post("/v1/chat/completions", content=pieces() if chunked else content)
    assert (answer.status_code, error_of(answer)["code"]) == (413, "request_too_large")


async def test_a_method_or_path_that_is_not_served_is_refused(client: httpx.AsyncClient) -> None:
    for answer, status in (
        (await client.get("/v1/chat/completions"), 405),
        (await client.post("/v1/completions", content=body()), 404),
        (await client.get("/v1/decisions/dec_unknown"), 404),
    ):
        assert answer.status_code == status
        error_of(answer)
