"""The plain-text surface: classify, run, process, strike."""

from __future__ import annotations

from wasm_classifier.domain import DOMAINS
from worker.api.openapi.parts import (
    ANY_OBJECT,
    BOOLEAN,
    COUNT,
    OF_A_CHAT,
    OF_AN_ANSWER,
    PROBABILITY,
    STRING,
    USD,
    Plain,
    answer,
    body,
    chat_parameters,
    errors,
    list_of,
    one_of,
    operation,
    record,
    ref,
    text,
)

_NAME: Plain = {"type": "string", "minLength": 1, "maxLength": 512}
_COVENANT_ID: Plain = {"type": "string", "pattern": "^cov-[0-9a-f]{8}$"}


def paths() -> Plain:
    classify = operation(
        "classify",
        "How hard a text is",
        {"200": answer("Its class.", ref("Classified")), **errors(400, 401, 403, 413, 500)},
        requestBody=body(record({"text": STRING}), {"text": "Explain why the sky is blue."}),
    )
    run = operation(
        "run",
        "A text in, a text out",
        {"200": answer("The text.", ref("RunAnswer"), OF_AN_ANSWER), **errors(*OF_A_CHAT)},
        parameters=chat_parameters(),
        requestBody=body(ref("RunRequest"), {"text": "What is a vGPU?"}),
    )
    process = operation(
        "process",
        "Classify a text and answer it, on a deployment of your choice",
        {"200": answer("Both.", ref("Processed"), OF_AN_ANSWER), **errors(*OF_A_CHAT)},
        parameters=chat_parameters(),
        requestBody=body(ref("ProcessRequest"), {"text": "What is a vGPU?", "deployment": "HostedAI"}),
    )
    strike = operation(
        "strike",
        "Carry a covenant into repositories (not built yet)",
        errors(400, 401, 403, 404, 413, 500, 501),
        requestBody=body(ref("StrikeRequest"), {"covenant_id": "cov-0123abcd", "target_repos": ["org/service"]}),
    )
    return {
        "/classify": {"post": classify},
        "/run": {"post": run},
        "/v2/process": {"post": process},
        "/v2/strike": {"post": strike},
    }


def schemas() -> Plain:
    complexity = one_of("simple", "moderate", "complex")
    classified: Plain = {
        "category": one_of("simple", "complex"),
        "complexity": text("^[01]\\.[0-9]{2}$", "the score as a string: the probability that the small model fails"),
        "latency_ms": COUNT,
        "class": complexity,
        "score": PROBABILITY,
        "task": one_of("code", "math", "classification", "extraction", "summarisation", "other"),
        "expected_output_tokens": COUNT,
        "domain": one_of(*DOMAINS),
        "personal_data": BOOLEAN,
        "engine": record({"model_version": STRING, "scorer": STRING}),
    }
    strike = record(
        {"covenant_id": _COVENANT_ID, "target_repos": list_of(_NAME, minItems=1, maxItems=100), "options": ANY_OBJECT},
        optional=("options",),
    )
    return {
        "Classified": record(classified),
        "RunRequest": _request({"model": {"type": "string", "minLength": 1, "maxLength": 256}}),
        "RunAnswer": record({"output": STRING, "model_used": STRING, **_account()}),
        "ProcessRequest": _process_request(),
        "Processed": _processed(),
        "StrikeRequest": strike,
    }


def _request(members: Plain) -> Plain:
    """A request with a text, these members, and what is passed on to the chat."""
    optional: Plain = {
        **members,
        "covenant": ref("Covenant"),
        "covenant_id": {"anyOf": [_COVENANT_ID, {"type": "null"}]},
        "max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 10_000_000},
    }
    return record({"text": STRING, **optional}, optional=optional)


def _process_request() -> Plain:
    fragment = record({"path": _NAME, "idx": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}, "lines": _NAME})
    deployment: Plain = {
        "type": ["string", "null"],
        "enum": ["Native", "HostedAI", "native", "hosted_ai", "hosted-ai", "lightweight", "auto", None],
        "description": "in any case, with or without separators; none = auto",
    }
    return _request({"deployment": deployment, "fragment_context": {"anyOf": [fragment, {"type": "null"}]}})


def _account() -> Plain:
    """What every answer of a model tells beside its text."""
    return {"route": STRING, "decision_id": STRING, "cost_usd": USD, "simulated": BOOLEAN}


def _processed() -> Plain:
    inference: Plain = {
        "text": STRING,
        "model_used": STRING,
        "tokens_generated": COUNT,
        "generation_time_ms": COUNT,
    }
    return record(
        {
            "classification": record({"is_complex": BOOLEAN, "reasoning": STRING, "confidence": PROBABILITY}),
            "fusion_result": {"type": "null", "description": "fragments are not fused yet"},
            "inference_result": record(inference),
            "deployment_used": {"type": "string", "description": "native, hosted_ai, lightweight, or a provider's id"},
            **_account(),
            "latency_ms": COUNT,
            "quality_estimate": PROBABILITY,
            "warnings": list_of(STRING),
        }
    )
