"""LiteLLM, used as its users use it; prints one JSON object with what each act saw. Runs in its own environment."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

# It would ask the network for prices otherwise, and wait for it.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

litellm.suppress_debug_info = True
litellm.telemetry = False
TOKEN = os.environ["HARPOON_CLIENT_TOKEN"]
TO = {"api_base": os.environ["HARPOON_V1"], "api_key": TOKEN, "timeout": 60}
MODEL = "openai/gpt-4o-mini"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}


def says(content: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def complete(content: str = "Where are you?", **fields: Any) -> Any:
    return litellm.completion(**{**TO, "model": MODEL, "messages": says(content), **fields})


def request_id(answer: Any) -> Any:
    """Where LiteLLM keeps the headers of whoever answered."""
    return answer._hidden_params["additional_headers"]["llm_provider-x-request-id"]


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def refusal(act: Callable[[], Any]) -> Any:
    try:
        act()
    except Exception as problem:
        headers = getattr(getattr(problem, "response", None), "headers", None) or {}
        told = getattr(problem, "litellm_response_headers", None) or headers
        return {
            "name": type(problem).__name__,
            "status": getattr(problem, "status_code", None),
            "words": str(problem),
            "request_id": told.get("x-request-id"),
        }
    return "nothing was refused"


def chat() -> Any:
    answer = complete()
    choice = answer.choices[0]
    usage = answer.usage.prompt_tokens, answer.usage.completion_tokens
    return {
        "text": choice.message.content,
        "finish": choice.finish_reason,
        "usage": usage,
        "request_id": request_id(answer),
        "policy": answer._hidden_params["additional_headers"]["llm_provider-x-harpoon-policy"],
    }


def covenant() -> Any:
    answer = complete(extra_body={"covenant": {"budget_usd": 0.5}})
    return answer._hidden_params["additional_headers"]["llm_provider-x-harpoon-policy"]


def stream() -> Any:
    chunks = list(complete(stream=True, stream_options={"include_usage": True}))
    finish = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    usage = [chunk.usage.total_tokens for chunk in chunks if getattr(chunk, "usage", None)]
    return {"text": text_of(chunks), "finish": finish, "usage": usage}


def asynchronous() -> Any:
    async def ask() -> Any:
        asked = {**TO, "model": MODEL, "messages": says("Where are you?")}
        plain = await litellm.acompletion(**asked)
        streamed = await litellm.acompletion(**asked, stream=True)
        chunks = [chunk async for chunk in streamed]
        return {"text": plain.choices[0].message.content, "streamed": text_of(chunks)}

    return asyncio.run(ask())


def tools() -> Any:
    asked = says("How is the weather?")
    answer = complete(messages=asked, tools=[WEATHER])
    message = answer.choices[0].message
    (call,) = message.tool_calls
    told = {"role": "tool", "tool_call_id": call.id, "content": "snowing"}
    end = complete(messages=[*asked, message.model_dump(), told], tools=[WEATHER])
    said = {"name": call.function.name, "arguments": call.function.arguments}
    ended = end.choices[0].message.content
    return {"finish": answer.choices[0].finish_reason, "call": said, "id": call.id, "end": ended}


def streamed_tools() -> Any:
    asked = says("How is the weather?")
    chunks = list(complete(messages=asked, tools=[WEATHER], stream=True))
    whole = litellm.stream_chunk_builder(chunks, messages=asked)
    (call,) = whole.choices[0].message.tool_calls
    said = {"name": call.function.name, "arguments": call.function.arguments}
    return {"finish": whole.choices[0].finish_reason, "call": said, "id": call.id}


def errors() -> Any:
    once = {"max_retries": 0}
    return {
        "model": refusal(lambda: complete(model="openai/gpt-99", **once)),
        "body": refusal(lambda: complete(temperature=3, **once)),
        "covenant": refusal(lambda: complete(extra_body={"covenant": {"budget_eur": 1}}, **once)),
        "token": refusal(lambda: complete(api_key="hk_litellm_wrong", **once)),
        # Two retries are allowed; that none is made is seen in the decisions.
        "budget": refusal(lambda: complete("Hi", extra_body={"covenant": {"budget_usd": 0}}, max_retries=2)),
    }


def retries() -> Any:
    plain = complete("#503 litellm", max_retries=2)
    streamed = list(complete("#429 litellm", max_retries=2, stream=True))
    return {"text": plain.choices[0].message.content, "streamed": text_of(streamed)}


def own_retries() -> Any:
    """LiteLLM's own retries, above those of the SDK in it."""
    return complete("#500 litellm", num_retries=2, max_retries=0).choices[0].message.content


def impatience() -> Any:
    return refusal(lambda: complete("#502 litellm", max_retries=0, num_retries=0))


def embeddings() -> Any:
    answer = litellm.embedding(model="openai/text-embedding-3-small", input=["one", "two"], **TO)
    return {"vectors": [item["embedding"] for item in answer.data], "usage": answer.usage.total_tokens}


def responses() -> Any:
    answer = litellm.responses(model=MODEL, input="Where are you?", **TO)
    return {"text": answer.output[0].content[0].text, "usage": answer.usage.total_tokens}


def streamed_responses() -> Any:
    events = list(litellm.responses(model=MODEL, input="Where are you?", stream=True, **TO))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    return {"text": "".join(deltas), "last": events[-1].type}


ACTS = (
    chat,
    covenant,
    stream,
    asynchronous,
    tools,
    streamed_tools,
    errors,
    retries,
    own_retries,
    impatience,
    embeddings,
    responses,
    streamed_responses,
)


def main() -> None:
    seen = {}
    for act in ACTS:
        try:
            seen[act.__name__] = act()
        except Exception as problem:
            seen[act.__name__] = f"it failed: {type(problem).__name__}: {problem}"
    sys.stdout.write("\n" + json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
