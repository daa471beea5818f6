"""Examples for the plain-text endpoints, and the fields each answer must have: the same table for both hosts.

Every example must be answered on a host that has just been started with nothing configured but the simulator.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import httpx

#: In a body: the id of the covenant that was created just before.
CREATED = "<the covenant created before>"
COVENANT_ID = re.compile("cov-[0-9a-f]{8}")


class Example(NamedTuple):
    """One request and what its answer must hold: dotted names of fields, each with its type or its value."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None
    status: int
    fields: dict[str, Any]


_TEXT = "Summarise why a GPU pool may be shared."
_PROCESSED: dict[str, Any] = {
    "classification.is_complex": bool,
    "classification.reasoning": str,
    "classification.confidence": float,
    "fusion_result": None,
    "inference_result.text": str,
    "inference_result.model_used": str,
    "inference_result.tokens_generated": int,
    "inference_result.generation_time_ms": int,
    "deployment_used": "lightweight",
    "decision_id": str,
    "route": str,
    "cost_usd": str,
    "latency_ms": int,
    "quality_estimate": float,
    "simulated": True,
    "warnings": list,
}
_COVENANT = {
    "title": "One login for every service",
    "description": "Bring the services under one way to log in",
    "reality_state": {
        "description": "Each service has its own",
        "key_aspects": ["three user tables", "no second factor"],
    },
    "target_state": {"description": "One login", "success_criteria": ["one user table", "second factor everywhere"]},
}


def _process(name: str, **members: Any) -> Example:
    return Example(name, "POST", "/v2/process", {"text": _TEXT, **members}, 200, _PROCESSED)


EXAMPLES = (
    Example(
        "health",
        "GET",
        "/health",
        None,
        200,
        {"status": "healthy", "deployment_modes": ["native", "hosted_ai", "lightweight"], "version": "0.1.0"},
    ),
    Example(
        "detailed health",
        "GET",
        "/health?detailed=true",
        None,
        200,
        {"status": "healthy", "details.simulator.reachable": True, "state.reachable": True, "uptime_s": int},
    ),
    Example(
        "classify",
        "POST",
        "/classify",
        {"text": "Hello!"},
        200,
        {"category": "simple", "complexity": str, "latency_ms": int, "class": "simple", "score": float},
    ),
    Example(
        "classify something hard",
        "POST",
        "/classify",
        {
            "text": "Analyse the trade-offs of three consensus protocols step by step, prove which invariants hold, "
            "and write the Python code of a test for each of them."
        },
        200,
        {"category": "complex", "complexity": str, "latency_ms": int, "class": "complex"},
    ),
    Example("run", "POST", "/run", {"text": _TEXT}, 200, {"output": str, "decision_id": str}),
    Example("run something simple", "POST", "/run", {"text": "Hi"}, 200, {"output": str}),
    Example("run nothing", "POST", "/run", {"text": ""}, 200, {"output": str}),
    _process("process"),
    _process("process natively", deployment="Native"),
    _process("process on pools", deployment="HostedAI"),
    _process("process with a fragment", fragment_context={"path": "src/main.rs", "idx": 0, "lines": "1-10"}),
    _process("process in lower case", deployment="hosted_ai"),
    _process("process with a hyphen", deployment="hosted-ai"),
    Example("create a covenant", "POST", "/v2/covenant", _COVENANT, 201, {"covenant_id": COVENANT_ID}),
    Example("get the covenant", "GET", f"/v2/covenant/{CREATED}", None, 200, {"covenant_id": COVENANT_ID}),
    _process("process under the covenant", covenant_id=CREATED),
    Example(
        "strike",
        "POST",
        "/v2/strike",
        {"covenant_id": CREATED, "target_repos": ["org/service-a", "org/service-b"]},
        501,
        {"error.code": "not_implemented", "error.message": str},
    ),
)


async def play(client: httpx.AsyncClient) -> list[str]:
    """Send every example in turn; what was wrong, in words. `client` has the host's root as its base URL."""
    found, created = [], ""
    for example in EXAMPLES:
        body = None if example.body is None else {k: created if v == CREATED else v for k, v in example.body.items()}
        answer = await client.request(example.method, example.path.replace(CREATED, created), json=body)
        if answer.status_code != example.status:
            found.append(f"{example.name}: {answer.status_code} {answer.text[:300]}")
            continue
        value = answer.json()
        found += [f"{example.name}: {finding}" for finding in _findings(value, example.fields)]
        created = value.get("covenant_id", created) if example.path == "/v2/covenant" else created
    return found


def _findings(value: Any, fields: dict[str, Any]) -> list[str]:
    found = []
    for dotted, wanted in fields.items():
        given = value
        for name in dotted.split("."):
            given = given.get(name, "<absent>") if isinstance(given, dict) else "<absent>"
        if isinstance(wanted, type):
            good = isinstance(given, wanted) and given != "<absent>" and (wanted is bool or not isinstance(given, bool))
        elif isinstance(wanted, re.Pattern):
            good = isinstance(given, str) and wanted.fullmatch(given) is not None
        else:
            good = given == wanted
        if not good:
            found.append(f"{dotted} is {given!r}")
    return found
