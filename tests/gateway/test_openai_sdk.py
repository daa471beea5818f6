"""OpenAI's official Python SDK against a really running `harpoon serve`: nothing but the base URL is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.openai_shapes import answer_findings, chunk_findings
from tests.serving import Serving, serving

MODEL = "simulator/llama-3.1-8b-instruct"
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is a vGPU?"}]


@pytest.fixture
def client(harpoon: Serving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{harpoon.base}/v1", api_key="none is needed", max_retries=0) as client:
        yield client


@pytest.fixture
async def patient(harpoon: Serving) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{harpoon.base}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_a_plain_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="auto", messages=MESSAGES)
    assert "GPU" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert (answer._request_id or "").startswith("req_")
    assert answer_findings(answer.to_dict(exclude_unset=True)) == []


def test_the_headers_can_be_read(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=MESSAGES, extra_body={"covenant": {"budget_usd": 0.5, "priority": "max_security"}}
    )
    assert raw.headers["x-harpoon-route"].endswith("@private-1x")
    assert raw.headers["x-harpoon-policy"] == "priority=max_security; budget_usd=0.5"
    assert raw.request_id == raw.headers["x-request-id"]


def test_a_stream(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="auto", messages=MESSAGES, stream=True))
    assert [finding for chunk in chunks for finding in chunk_findings(chunk.to_dict(exclude_unset=True))] == []
    assert "GPU" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)


def test_a_stream_with_usage(client: openai.OpenAI) -> None:
    options = openai.types.chat.ChatCompletionStreamOptionsParam(include_usage=True)
    stream = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True, stream_options=options)
    *chunks, last = list(stream)
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    plain = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert last.usage == plain.usage


def test_the_streaming_helper_accumulates_the_answer(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="auto", messages=MESSAGES) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in events
    assert "GPU" in (final.choices[0].message.content or "")


def test_several_choices_and_an_output_bound(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="auto", messages=MESSAGES, n=2, max_completion_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert {choice.finish_reason for choice in answer.choices} == {"length"}
    chunks = list(client.chat.completions.create(model="auto", messages=MESSAGES, n=2, stream=True))
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}


def test_models(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == "auto"
    assert MODEL in names
    model = client.models.retrieve(MODEL)
    assert (model.id, model.object) == (MODEL, "model")


def test_errors_become_the_sdks_own_exceptions(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-99", messages=MESSAGES)
    assert unknown.value.code == "model_not_found"
    assert (unknown.value.param, unknown.value.type) == ("model", "invalid_request_error")
    assert (unknown.value.request_id or "").startswith("req_")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody/nothing")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="auto", messages=[])
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model="auto", messages=MESSAGES, extra_body={"covenant": {"budget_eur": 1}})
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="openai/gpt-4o", messages=MESSAGES)
    with pytest.raises(openai.APIStatusError) as broke:
        client.chat.completions.create(model="auto", messages=MESSAGES, extra_body={"covenant": {"budget_usd": 0}})
    assert (broke.value.status_code, broke.value.code) == (402, "budget_exceeded")


def test_a_refusal_is_not_tried_again(harpoon: Serving) -> None:
    """The SDK repeats what it believes to be passing; `x-should-retry: false` tells it what isn't."""
    seen: list[int] = []

    def note(response: object) -> None:
        seen.append(int(getattr(response, "status_code", 0)))

    with openai.OpenAI(base_url=f"{harpoon.base}/v1", api_key="none", max_retries=2) as client:
        client._client.event_hooks["response"].append(note)
        with pytest.raises(openai.APIStatusError):
            client.chat.completions.create(model="auto", messages=MESSAGES, extra_body={"covenant": {"budget_usd": 0}})
    assert seen == [402]


def test_a_token_is_the_sdks_api_key(tmp_path: Path) -> None:
    with serving(tmp_path / "state", HARPOON_TOKENS="hk_acme_s3cret") as server:
        with openai.OpenAI(base_url=f"{server.base}/v1", api_key="hk_acme_s3cret") as client:
            assert client.chat.completions.create(model="auto", messages=MESSAGES).choices
        with (
            openai.OpenAI(base_url=f"{server.base}/v1", api_key="hk_acme_wrong") as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.models.list()


async def test_the_asynchronous_client(patient: openai.AsyncOpenAI) -> None:
    answer = await patient.chat.completions.create(model="auto", messages=MESSAGES)
    assert "GPU" in (answer.choices[0].message.content or "")
    stream = await patient.chat.completions.create(model="auto", messages=MESSAGES, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == answer.choices[0].message.content
    with pytest.raises(openai.NotFoundError):
        await patient.chat.completions.create(model="gpt-99", messages=MESSAGES)


async def test_leaving_a_stream_early_leaves_the_server_well(patient: openai.AsyncOpenAI) -> None:
    for _ in range(5):
        stream = await patient.chat.completions.create(model="auto", messages=MESSAGES, stream=True)
        await anext(stream)
        await stream.close()
    assert (await patient.chat.completions.create(model="auto", messages=MESSAGES)).choices


def test_embeddings(client: openai.OpenAI) -> None:
    """The SDK asks for base64 by itself, and unpacks it."""
    texts = ["the lease of a GPU pool", "a lease of the GPU pool"]
    answer = client.embeddings.create(model="hashed-words-256", input=texts, dimensions=64)
    assert [item.index for item in answer.data] == [0, 1]
    one, other = (item.embedding for item in answer.data)
    assert len(one) == 64
    assert sum(a * b for a, b in zip(one, other, strict=True)) > 0.8
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    plain = client.embeddings.create(model="hashed-words-256", input=texts, dimensions=64, encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(one, abs=1e-7)
    raw = client.embeddings.with_raw_response.create(model="hashed-words-256", input="one")
    assert raw.headers["x-harpoon-route"].startswith("simulator/hashed-words-256@")
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="auto", input="one")


def test_a_response(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="auto", input="What is a vGPU?", instructions="Be brief.")
    assert (answer.status, answer.error) == ("completed", None)
    assert "GPU" in answer.output_text
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert (answer._request_id or "").startswith("req_")
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="auto", input="And then?", previous_response_id=answer.id)
    assert refused.value.param == "previous_response_id"


def test_a_streamed_response(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="auto", input="What is a vGPU?", stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    with client.responses.stream(model="auto", input="What is a vGPU?") as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert deltas == final.output_text
    assert "GPU" in deltas


async def test_the_asynchronous_client_has_them_too(patient: openai.AsyncOpenAI) -> None:
    assert (await patient.embeddings.create(model="hashed-words-256", input=[[1, 2], [3]])).data[1].embedding
    stream = await patient.responses.create(model=MODEL, input="What is a vGPU?", stream=True)
    kinds = [event.type async for event in stream]
    assert kinds[-1] == "response.completed"
