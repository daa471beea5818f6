"""TensorZero's embedded gateway with Harpoon as its provider; prints one JSON object with what each act saw.

Runs in its own environment, in a folder of its own, where it writes its configuration.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
from tensorzero import TensorZeroError, TensorZeroGateway, patch_openai_client

CONFIG_FILE = "tensorzero.toml"
#: Four names for the same provider: as it is, with a model it lacks, with a token it doesn't know, as responses.
CONFIG = """
[gateway]
observability.enabled = false

[models.harpoon]
routing = ["harpoon"]
[models.harpoon.providers.harpoon]
type = "openai"
model_name = "gpt-4o-mini"
api_base = "{base}/"
api_key_location = "env::HARPOON_CLIENT_TOKEN"

[models.unknown]
routing = ["harpoon"]
[models.unknown.providers.harpoon]
type = "openai"
model_name = "gpt-99"
api_base = "{base}/"
api_key_location = "env::HARPOON_CLIENT_TOKEN"

[models.stranger]
routing = ["harpoon"]
[models.stranger.providers.harpoon]
type = "openai"
model_name = "gpt-4o-mini"
api_base = "{base}/"
api_key_location = "env::WRONG_TOKEN"

[models.responses]
routing = ["harpoon"]
[models.responses.providers.harpoon]
type = "openai"
model_name = "gpt-4o-mini"
api_type = "responses"
api_base = "{base}/"
api_key_location = "env::HARPOON_CLIENT_TOKEN"

[embedding_models.harpoon]
routing = ["harpoon"]
[embedding_models.harpoon.providers.harpoon]
type = "openai"
model_name = "text-embedding-3-small"
api_base = "{base}/"
api_key_location = "env::HARPOON_CLIENT_TOKEN"

[functions.patient]
type = "chat"
[functions.patient.variants.harpoon]
type = "chat_completion"
model = "harpoon"
retries = {{ num_retries = 2, max_delay_s = 1 }}

[functions.weather]
type = "chat"
tools = ["get_weather"]
[functions.weather.variants.harpoon]
type = "chat_completion"
model = "harpoon"

[tools.get_weather]
description = "The weather of a city"
parameters = "get_weather.json"
"""
PARAMETERS = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
ASKED = {"role": "user", "content": "How is the weather?"}


def says(content: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


class Acts:
    """What is tried, one method each."""

    def __init__(self, gateway: TensorZeroGateway) -> None:
        self._gateway = gateway

    def _ask(self, content: str = "Where are you?", model: str = "harpoon", **fields: Any) -> Any:
        return self._gateway.inference(model_name=model, input=says(content), **fields)

    def chat(self) -> Any:
        answer = self._ask(include_raw_response=True)
        usage = answer.usage.input_tokens, answer.usage.output_tokens
        return {"text": answer.content[0].text, "finish": answer.finish_reason.value, "usage": usage}

    def covenant(self) -> Any:
        """Harpoon's own member of the body, by TensorZero's way of adding members."""
        added = [{"pointer": "/covenant", "value": {"budget_usd": 0.5}}]
        return self._ask("With a covenant", extra_body=added).content[0].text

    def stream(self) -> Any:
        return gathered(self._ask(stream=True))

    def tools(self) -> Any:
        answer = self._gateway.inference(function_name="weather", input={"messages": [ASKED]})
        (call,) = answer.content
        asked = {"type": "tool_call", "id": call.id, "name": call.raw_name, "arguments": call.raw_arguments}
        told = {"type": "tool_result", "id": call.id, "name": call.raw_name, "result": "snowing"}
        history = [ASKED, {"role": "assistant", "content": [asked]}, {"role": "user", "content": [told]}]
        end = self._gateway.inference(function_name="weather", input={"messages": history})
        said = {"name": call.name, "arguments": call.arguments}
        return {"finish": answer.finish_reason.value, "call": said, "id": call.id, "end": end.content[0].text}

    def streamed_tools(self) -> Any:
        stream = self._gateway.inference(function_name="weather", input={"messages": [ASKED]}, stream=True)
        chunks = list(stream)
        parts = [block for chunk in chunks for block in chunk.content or [] if block.type == "tool_call"]
        return {
            "arguments": "".join(part.raw_arguments or "" for part in parts),
            "name": "".join(part.raw_name or "" for part in parts),
            "id": parts[0].id,
        }

    def errors(self) -> Any:
        no_money = [{"pointer": "/covenant", "value": {"budget_usd": 0}}]
        no_dollars = [{"pointer": "/covenant", "value": {"budget_eur": 1}}]
        return {
            "model": refusal(lambda: self._ask(model="unknown")),
            "token": refusal(lambda: self._ask(model="stranger")),
            "body": refusal(lambda: self._ask(params={"chat_completion": {"temperature": 3.0}})),
            "covenant": refusal(lambda: self._ask(extra_body=no_dollars)),
            "budget": refusal(lambda: self._ask(extra_body=no_money)),
            "stream": refusal(lambda: gathered(self._ask(extra_body=no_money, stream=True))),
        }

    def retries(self) -> Any:
        plain = self._gateway.inference(function_name="patient", input=says("#503 tensorzero"))
        stream = self._gateway.inference(function_name="patient", input=says("#429 tensorzero"), stream=True)
        return {"text": plain.content[0].text, "streamed": gathered(stream)["text"]}

    def impatience(self) -> Any:
        return refusal(lambda: self._ask("#502 tensorzero"))

    def embeddings(self) -> Any:
        """TensorZero has them behind OpenAI's SDK alone, which it patches into its own process."""
        client = patch_openai_client(openai.OpenAI(api_key="none"), config_file=CONFIG_FILE, async_setup=False)
        named = "tensorzero::embedding_model_name::harpoon"
        answer = client.embeddings.create(model=named, input=["one", "two"], encoding_format="float")
        return {"vectors": [item.embedding for item in answer.data], "usage": answer.usage.total_tokens}

    def responses(self) -> Any:
        answer = self._ask(model="responses")
        usage = answer.usage.input_tokens, answer.usage.output_tokens
        return {"text": answer.content[0].text, "usage": usage}

    def streamed_responses(self) -> Any:
        return gathered(self._ask(model="responses", stream=True))


def gathered(stream: Any) -> dict[str, Any]:
    chunks = list(stream)
    text = "".join(block.text for chunk in chunks for block in chunk.content or [] if block.type == "text")
    finish = [chunk.finish_reason.value for chunk in chunks if chunk.finish_reason]
    usage = [chunk.usage for chunk in chunks if chunk.usage]
    return {"text": text, "finish": finish, "usage": [(one.input_tokens, one.output_tokens) for one in usage]}


def refusal(act: Callable[[], Any]) -> Any:
    try:
        act()
    except TensorZeroError as problem:
        return {"status": problem.status_code, "words": str(problem)}
    return "nothing was refused"


def main() -> None:
    os.environ["WRONG_TOKEN"] = "hk_tensorzero_wrong"
    Path("get_weather.json").write_text(json.dumps(PARAMETERS))
    Path(CONFIG_FILE).write_text(CONFIG.format(base=os.environ["HARPOON_V1"]))
    seen = {}
    with TensorZeroGateway.build_embedded(config_file=CONFIG_FILE) as gateway:
        acts = Acts(gateway)
        for name in [name for name in vars(Acts) if not name.startswith("_")]:
            try:
                seen[name] = getattr(acts, name)()
            except Exception as problem:
                seen[name] = f"it failed: {type(problem).__name__}: {problem}"
    sys.stdout.write("\n" + json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
