"""Text in, an object out: POST /classify, /run, /v2/process and /v2/strike, for callers without an OpenAI client.

Whatever reaches a model goes through the chat endpoint (`worker.api.in_process`). Nothing is made up: what the service
can't do yet is null, named in a warning, or a 501 that says so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from worker.api.answers import Receive, Scope, Send, header_of, send_error, send_json
from worker.api.auth import authenticate
from worker.api.chat import ChatCompletions
from worker.api.covenant_headers import COVENANT_HEADER
from worker.api.in_process import ask_chat, chat_body
from worker.api.plain_text_fields import (
    CLASSIFY_FIELDS,
    DEPLOYMENT_NAMES,
    PROCESS_FIELDS,
    RUN_FIELDS,
    STRIKE_FIELDS,
    TextBody,
    read_object,
    strike_body,
    text_body,
)
from worker.api.reasoning import confidence_ppm, hundredths, reasoning
from worker.classification import Classification, prompt_text
from worker.errors import HarpoonError, NotBuilt, NothingAdmissible, UnknownCovenant
from worker.routing.candidates import BYTES_PER_TOKEN, MILLION
from worker.routing.deployments import HOSTED_AI, NATIVE, SIMULATOR
from worker.services import Services
from worker.strict_json import JsonObject
from worker.upstream.wire import generated_bytes, usage_of

NO_FUSION = "fragment_context was checked and not used: fragments are not fused yet"
#: What connects the provider behind a deployment.
_SETTINGS = {NATIVE: "NATIVE_BASE_URL", HOSTED_AI: "HOSTED_AI_BASE_URL", SIMULATOR: "HARPOON_SIMULATOR=on"}
_WARNINGS_HEADER = "x-harpoon-covenant-warnings"


class _Endpoint(ABC):
    """What the four share: who asks, a body of known fields, errors in the one shape."""

    fields: frozenset[str]

    def __init__(self, services: Services, chat: ChatCompletions) -> None:
        self._services = services
        self._chat = chat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        try:
            tenant = await authenticate(services, scope)
            given = await read_object(scope, receive, services.limits.json, self.fields)
            if given is not None:
                await self._answer(given, tenant, scope, receive, send)
        except HarpoonError as problem:
            await send_error(send, problem, [(b"x-request-id", services.ids.new("req").encode())])

    @abstractmethod
    async def _answer(self, given: JsonObject, tenant: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a body of known fields. Raises: HarpoonError, with nothing sent."""

    def _classify(self, text: str) -> tuple[Classification, bytes]:
        """A text as the chat endpoint classifies it, and the bytes that were judged."""
        judged = prompt_text([{"role": "user", "content": text}])
        return self._services.scorer.score(judged), judged


class Classify(_Endpoint):
    """POST /classify. `complexity` is the score as a string, because callers read it as one."""

    fields = CLASSIFY_FIELDS

    async def _answer(self, given: JsonObject, tenant: str, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        text = text_body(given).text
        began_us = services.clock.monotonic_us()
        found, _ = self._classify(text)
        elapsed_us = services.clock.monotonic_us() - began_us
        services.metrics.saw_text(found.complexity)
        value = {
            "category": "complex" if found.complexity == "complex" else "simple",
            "complexity": hundredths(found.p_small_fails_ppm),
            "latency_ms": elapsed_us // 1_000,
            "class": found.complexity,
            "score": found.p_small_fails_ppm / MILLION,
            "task": found.task,
            "expected_output_tokens": found.expected_output_tokens,
            "domain": found.domain,
            "personal_data": found.personal_data,
            "engine": {"model_version": found.model_version, "scorer": type(services.scorer).__name__},
        }
        await send_json(send, value, [(b"x-request-id", services.ids.new("req").encode())])


class Run(_Endpoint):
    """POST /run: a text in, a text out."""

    fields = RUN_FIELDS

    async def _answer(self, given: JsonObject, tenant: str, scope: Scope, receive: Receive, send: Send) -> None:
        body = text_body(given)

        def present(headers: Mapping[str, str], answer: dict[str, Any]) -> dict[str, Any]:
            return {"output": _text_of(answer), **_account(headers, answer)}

        await ask_chat(self._chat, scope, receive, send, chat_body(body.text, body.members), present)


class Process(_Endpoint):
    """POST /v2/process: classification and answer in one, on the deployment that is named."""

    fields = PROCESS_FIELDS

    async def _answer(self, given: JsonObject, tenant: str, scope: Scope, receive: Receive, send: Send) -> None:
        clock = self._services.clock
        began_us = clock.monotonic_us()
        body = text_body(given)
        members, warnings = self._placed(body)
        if "covenant" not in members and "covenant_id" not in members and header_of(scope, COVENANT_HEADER) is None:
            members["covenant"] = '"from_prompt"'

        def present(headers: Mapping[str, str], answer: dict[str, Any]) -> dict[str, Any]:
            elapsed_ms = (clock.monotonic_us() - began_us) // 1_000
            return self._processed(body.text, headers, answer, warnings, elapsed_ms)

        await ask_chat(self._chat, scope, receive, send, chat_body(body.text, members), present)

    def _placed(self, body: TextBody) -> tuple[dict[str, str], list[str]]:
        """The members of the chat request for the deployment named, and what the caller should be warned of.

        Raises: NothingAdmissible for a deployment whose provider is not in the catalogue at all.
        """
        services, provider = self._services, body.provider
        warnings = [NO_FUSION] if body.has_fragment else []
        if not provider:
            return dict(body.members), warnings
        name, setting = DEPLOYMENT_NAMES[provider], _SETTINGS[provider]
        is_simulated = {one.id: one.simulated for one in services.catalogue.source.providers}
        if provider not in services.configured and all(is_simulated[one] for one in services.configured):
            provider = min(services.configured, default=provider)
            warnings.append(
                f"deployment {name} is not configured here, so the simulator answered: no model is behind the text. "
                f"To connect it, set {setting}"
            )
        if provider not in is_simulated:
            raise NothingAdmissible(f"deployment {name} is not served here: set {setting}", param="deployment")
        return {**body.members, "model": f'"{provider}/auto"'}, warnings

    def _processed(
        self, text: str, headers: Mapping[str, str], answer: dict[str, Any], warnings: list[str], elapsed_ms: int
    ) -> dict[str, Any]:
        found, judged = self._classify(text)
        route = self._services.catalogue.by_id[headers["x-harpoon-route"]]
        used = DEPLOYMENT_NAMES.get(route.provider, route.provider)
        told = headers.get(_WARNINGS_HEADER)
        account = _account(headers, answer)
        return {
            "classification": {
                "is_complex": found.complexity == "complex",
                "reasoning": reasoning(found, judged),
                "confidence": confidence_ppm(found) / MILLION,
            },
            "fusion_result": None,
            "inference_result": {
                "text": _text_of(answer),
                "model_used": account.pop("model_used"),
                "tokens_generated": _tokens_of(answer),
                "generation_time_ms": int(headers["openai-processing-ms"]),
            },
            "deployment_used": "lightweight" if route.simulated else used,
            **account,
            "latency_ms": elapsed_ms,
            "quality_estimate": (MILLION - found.p_small_fails_ppm * route.failure_factor_ppm // MILLION) / MILLION,
            "warnings": [*warnings, told] if told else warnings,
        }


class Strike(_Endpoint):
    """POST /v2/strike: understood and checked, and not built yet."""

    fields = STRIKE_FIELDS

    async def _answer(self, given: JsonObject, tenant: str, scope: Scope, receive: Receive, send: Send) -> None:
        body = strike_body(given)
        if await self._services.mediator.read_covenant(tenant, body.covenant_id, self._services.clock.now_us()) is None:
            raise UnknownCovenant("no covenant of yours has this id", param="covenant_id")
        raise NotBuilt(
            "strikes are not built yet: one will review the covenant against each target repository and open a pull "
            f"request in it. Nothing was done: none of the {len(body.target_repos)} repositories was read or changed"
        )


def _text_of(answer: Mapping[str, Any]) -> str:
    """The text of a plain answer: what its first choice says, or why it refuses to."""
    message = answer["choices"][0]["message"]
    text = message.get("content") or message.get("refusal")
    return text if isinstance(text, str) else ""


def _tokens_of(answer: Mapping[str, Any]) -> int:
    """Output tokens as reported, or estimated from the text where the provider reports none."""
    usage = usage_of(answer)
    if usage is not None:
        return usage[1]
    return -(-generated_bytes(answer["choices"][0]["message"]) // BYTES_PER_TOKEN)


def _account(headers: Mapping[str, str], answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the chat endpoint's headers tell of a request; the model as its provider names it."""
    route = headers["x-harpoon-route"]
    model = answer.get("model")
    return {
        "model_used": model if isinstance(model, str) and model else route.partition("/")[2].partition("@")[0],
        "route": route,
        "decision_id": headers["x-harpoon-decision-id"],
        "cost_usd": headers["x-harpoon-cost-usd"],
        "simulated": "x-harpoon-simulated" in headers,
    }
