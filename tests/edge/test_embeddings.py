"""Embeddings and responses in the real Worker: the same core, its own streams and its own base64."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import openai
import pytest

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of, read_settled, token

MODEL = "hashed-words-256"


@pytest.fixture
async def sdk(product_worker: EdgeWorker) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{product_worker.url}/v1", api_key=token("chat"), max_retries=0, timeout=60
    ) as sdk:
        yield sdk


async def test_texts_become_the_same_vectors_as_on_the_container(sdk: openai.AsyncOpenAI, gateway: str) -> None:
    texts = ["the lease of a GPU pool", "Grüße"]
    there = await sdk.embeddings.create(model=MODEL, input=texts)
    async with openai.AsyncOpenAI(base_url=f"{gateway}/v1", api_key=token("chat"), max_retries=0) as container:
        here = await container.embeddings.create(model=MODEL, input=texts)
    assert [item.embedding for item in there.data] == [item.embedding for item in here.data]
    assert math.isclose(sum(value * value for value in there.data[0].embedding), 1, abs_tol=1e-5)
    assert there.usage == here.usage


async def test_an_embedding_is_settled_like_any_session(product_worker: EdgeWorker) -> None:
    async with client_of(product_worker.url, "chat") as client:
        answer = await client.post("/v1/embeddings", json={"model": MODEL, "input": "word " * 100})
        assert (answer.status_code, answer.headers["x-harpoon-simulated"]) == (200, "1")
        record = await read_settled(client, answer.headers["x-harpoon-decision-id"])
        assert record["outcome"]["input_tokens"] == answer.json()["usage"]["prompt_tokens"]
        assert (record["outcome"]["output_tokens"], record["outcome"]["usage"]) == (0, "reported")


async def test_a_streamed_response_has_all_its_events(sdk: openai.AsyncOpenAI) -> None:
    whole = await sdk.responses.create(model="auto", input="What is a vGPU?")
    events = [event async for event in await sdk.responses.create(model="auto", input="What is a vGPU?", stream=True)]
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text
