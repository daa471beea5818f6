"""POST /v1/responses: OpenAI's newer form of a chat, plain and streamed, under the same policy, budget and record."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.contracts.misbehaving_server import Server
from tests.worker.api.application_kit import (
    EVENT_STREAM,
    Application,
    Provider,
    application,
    causes,
    framed,
    http_answer,
    refuses,
    says,
    two_providers,
)

QUESTION = "What is a vGPU?"
USAGE = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}


async def respond(harpoon: Application, **fields: Any) -> httpx.Response:
    return await harpoon.client.post("/responses", json={"model": "auto", "input": QUESTION, **fields})


def text_of(response: dict[str, Any]) -> str:
    return "".join(part["text"] for item in response["output"] for part in item.get("content", []))


def events_of(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    """Names and payloads of a stream's events; every payload has its event's type."""
    assert answer.status_code == 200, answer.text
    found = []
    for block in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
            assert found[-1][1]["type"] == found[-1][0]
    return found


async def test_a_plain_answer_is_the_chat_answer_in_the_other_form(harpoon: Application) -> None:
    answer = await respond(harpoon, instructions="Be brief.", covenant={"budget_usd": 0.5})
    assert answer.status_code == 200, answer.text
    value = answer.json()
    assert (value["object"], value["status"], value["error"]) == ("response", "completed", None)
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    other = await harpoon.client.post("/chat/completions", json={"model": "auto", "messages": chat})
    assert text_of(value) == other.json()["choices"][0]["message"]["content"]
    assert answer.headers["x-harpoon-simulated"] == "1"
    assert answer.headers["x-harpoon-policy"] == "priority=balanced; budget_usd=0.5"
    assert answer.headers["x-harpoon-complexity"] == other.headers["x-harpoon-complexity"]
    assert float(answer.headers["x-harpoon-cost-usd"]) > 0


async def test_what_is_reported_is_charged_and_recorded(harpoon: Application) -> None:
    usage = (await respond(harpoon)).json()["usage"]
    outcome = (await harpoon.settled())["outcome"]
    assert (outcome["input_tokens"], outcome["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
    assert (outcome["usage"], outcome["outcome"]) == ("reported", "success")


async def test_a_stream_is_of_typed_events_and_ends_with_the_whole_response(harpoon: Application) -> None:
    answer = await respond(harpoon, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer)
    names = [name for name, _ in events]
    assert names[:2] == ["response.created", "response.in_progress"]
    assert (names[-1], "[DONE]" in answer.text) == ("response.completed", False)
    assert [payload["sequence_number"] for _, payload in events] == list(range(len(events)))
    deltas = "".join(payload["delta"] for name, payload in events if name == "response.output_text.delta")
    whole = events[-1][1]["response"]
    assert deltas == text_of(whole)
    record = await harpoon.settled()
    assert record["outcome"]["output_tokens"] == whole["usage"]["output_tokens"]
    assert record["outcome"]["usage"] == "reported"
    assert ": harpoon-cost-usd 0.0000" in answer.text


async def test_the_output_bound_is_obeyed_and_an_incomplete_answer_is_still_one(harpoon: Application) -> None:
    value = (await respond(harpoon, max_output_tokens=3)).json()
    assert (value["status"], value["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert value["usage"]["output_tokens"] == 3
    streamed = events_of(await respond(harpoon, max_output_tokens=3, stream=True))
    assert streamed[-1][0] == "response.incomplete"


async def test_a_tool_is_called_and_its_result_is_read(harpoon: Application) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "name": "weather", "parameters": parameters}
    asked: dict[str, Any] = {"tools": [tool], "tool_choice": "required", "input": "The weather in Oslo?"}
    (call,) = (await respond(harpoon, **asked)).json()["output"]
    assert (call["type"], call["name"], "city" in json.loads(call["arguments"])) == ("function_call", "weather", True)
    names = [name for name, _ in events_of(await respond(harpoon, **asked, stream=True))]
    assert {"response.function_call_arguments.delta", "response.function_call_arguments.done"} <= set(names)
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "It is 4 degrees in Oslo."}
    said = [{"role": "user", "content": "The weather in Oslo?"}, call, result]
    assert "4 degrees" in text_of((await respond(harpoon, input=said)).json())


MALFORMED = [
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": 7}, "input"),
    ({"input": ["text"]}, "input[0]"),
    ({"input": [{"role": "wizard", "content": "a"}]}, "input[0].role"),
    ({"input": [{"role": "user", "content": 7}]}, "input[0]"),
    ({"input": [{"role": "user", "content": [{"text": "a"}]}]}, "input[0]"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0]"),
    ({"model": ""}, "model"),
    ({"background": True}, "background"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"temperature": 3}, "temperature"),
    ({"store": "yes"}, "store"),
    ({"text": "plain"}, "text"),
    ({"tools": ["search"]}, "tools"),
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"store": True}, "store"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
    ({"tools": [{"type": "web_search"}], "covenant": {"budget_usd": 1}}, "tools"),
    ({"model": "openai/gpt-4o", "previous_response_id": "r", "covenant": {"budget_usd": 1}}, "previous_response_id"),
]


@pytest.mark.parametrize(("fields", "param"), MALFORMED)
async def test_what_cannot_be_served_is_a_400_that_names_the_member(
    harpoon: Application, fields: dict[str, Any], param: str
) -> None:
    answer = await respond(harpoon, **fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert await harpoon.rows("SELECT 1 FROM decision") == []


async def test_providers_without_the_endpoint_are_no_candidates(harpoon: Application) -> None:
    answer = await respond(harpoon, model="native/qwen3-30b-a3b")
    assert answer.status_code == 403
    async with application(NATIVE_BASE_URL="http://127.0.0.1:9") as local:
        answer = await respond(local, model="native/qwen3-30b-a3b")
        assert "MODEL_CAPABILITY" in answer.text


def whole(**members: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": "A share of a GPU.", "annotations": []}
    item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [part]}
    return {"id": "r1", "created_at": 7, "model": "m", "output": [item], "usage": USAGE, **members}


def answers_response(**members: Any) -> Provider:
    return says(http_answer(200, json.dumps(whole(**members)).encode()))


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


CREATED = event("response.created", response=whole(status="in_progress", output=[], usage=None, error=None))
DELTAS = [event("response.output_text.delta", delta=piece) for piece in ("A share ", "of a ", "GPU. ", "Grüße")]
COMPLETED = event("response.completed", response=whole(status="completed"))
END = b"0\r\n\r\n"


async def at_openai(provider: Provider, **fields: Any) -> tuple[httpx.Response, dict[str, Any]]:
    """The answer with OpenAI played by `provider`, and how it was settled."""
    async with (
        Server(provider) as server,
        application(OPENAI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon,
    ):
        answer = await respond(harpoon, model="openai/gpt-4o-mini", **fields)
        return answer, await harpoon.settled()


async def test_a_provider_gets_its_model_id_an_output_limit_and_is_told_to_keep_nothing() -> None:
    provider = answers_response()
    await at_openai(provider, covenant={"budget_usd": 1}, reasoning={"effort": "low"})
    sent = provider.calls[0]
    assert sent.pop("max_output_tokens") > 16
    assert sent == {"model": "gpt-4o-mini", "input": QUESTION, "reasoning": {"effort": "low"}, "store": False}


async def test_pinned_to_one_provider_its_memory_may_be_used() -> None:
    provider = answers_response()
    answer, _ = await at_openai(provider, previous_response_id="resp_1", store=True, max_output_tokens=20)
    assert answer.status_code == 200
    said = {"model": "gpt-4o-mini", "input": QUESTION, "previous_response_id": "resp_1", "store": True}
    assert provider.calls == [{**said, "max_output_tokens": 20}]


async def test_what_openais_schema_requires_is_added() -> None:
    answer, record = await at_openai(answers_response(usage=None))
    value = answer.json()
    assert (value["object"], value["status"], value["error"]) == ("response", "completed", None)
    assert (record["outcome"]["usage"], record["outcome"]["output_tokens"]) == ("counted", 5)


@pytest.mark.parametrize("output", [None, "text", [7]])
async def test_an_answer_without_output_is_malformed(output: Any) -> None:
    answer, record = await at_openai(answers_response(output=output))
    assert (answer.status_code, causes(record)) == (503, ["malformed"])


@pytest.mark.parametrize("at", range(1, len(CREATED + DELTAS[3] + COMPLETED), 17))
async def test_a_stream_cut_anywhere_into_pieces_is_the_same_stream(at: int) -> None:
    data = CREATED + DELTAS[3] + COMPLETED
    answer, record = await at_openai(says(EVENT_STREAM, framed(data[:at]), framed(data[at:]), END), stream=True)
    assert [name for name, _ in events_of(answer)] == [
        "response.created",
        "response.output_text.delta",
        "response.completed",
    ]
    assert (record["outcome"]["input_tokens"], record["outcome"]["output_tokens"]) == (9, 4)


async def test_a_truncated_stream_is_told_from_a_finished_one_and_charged_as_counted() -> None:
    pieces = [framed(piece) for piece in (CREATED, *DELTAS)]
    answer, record = await at_openai(says(EVENT_STREAM, *pieces, END), stream=True)
    name, last = events_of(answer)[-1]
    assert (name, last["code"]) == ("error", "stream_broken")
    assert (record["outcome"]["outcome"], record["outcome"]["usage"]) == ("error", "counted")
    assert record["outcome"]["output_tokens"] == 7  # 25 bytes


async def test_an_error_event_inside_a_stream_becomes_ours_and_ends_it() -> None:
    broken = event("error", code="server_error", message="secret words", param=None)
    provider = says(EVENT_STREAM, framed(CREATED + DELTAS[0] + broken + DELTAS[1]), END)
    answer, record = await at_openai(provider, stream=True)
    names = [name for name, _ in events_of(answer)]
    assert names == ["response.created", "response.output_text.delta", "error"]
    assert "secret words" not in answer.text
    assert record["outcome"]["outcome"] == "error"


async def test_a_stream_that_opens_with_an_error_falls_back() -> None:
    broken = says(EVENT_STREAM, framed(event("error", code="overloaded", message="later", param=None)), END)
    good = says(EVENT_STREAM, framed(CREATED + COMPLETED), END)
    async with two_providers(broken, good, HARPOON_MAX_FALLBACKS="16") as harpoon:
        answer = await respond(harpoon, stream=True)
        assert events_of(answer)[-1][0] == "response.completed"
        assert answer.headers["x-harpoon-route"].startswith("openai/")
        assert set(causes(await harpoon.settled())[:-1]) == {"status"}


async def test_a_failing_provider_is_followed_by_the_next() -> None:
    async with two_providers(refuses(500), answers_response(), HARPOON_MAX_FALLBACKS="16") as harpoon:
        answer = await respond(harpoon, covenant={"budget_usd": 1})
        assert answer.status_code == 200
        tried = causes(await harpoon.settled())
        assert (set(tried[:-1]), tried[-1]) == ({"status"}, "ok")
        assert answer.headers["x-harpoon-attempts"] == str(len(tried))


async def test_a_failed_response_ends_the_stream_as_the_provider_told_it() -> None:
    failed = event("response.failed", response=whole(status="failed", output=[], error={"code": "server_error"}))
    answer, record = await at_openai(says(EVENT_STREAM, framed(CREATED + DELTAS[0] + failed), END), stream=True)
    assert events_of(answer)[-1][0] == "response.failed"
    assert record["outcome"]["output_tokens"] == 4
