"""Sends what the description allows, and what it forbids, and holds every answer against it: for both hosts."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import httpx
import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

#: Method, URL, headers as bytes (what is not ASCII in them goes as Latin-1), body.
Send = Callable[[str, str, dict[bytes, bytes], bytes], httpx.Response]

CONFORMANCE = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
#: An endless stream, which has tests of its own.
NOT_SENT = {"/api/live"}
#: Says by a 5xx that it is not built yet.
NOT_BUILT = {"/v2/strike"}
#: Where another value exists than elsewhere.
KNOWN_THERE = {"/v1/embeddings": {"model": "hashed-words-256"}}
#: What is asked for where a chance combination of parameters asks for nothing that is there.
ASKED_THERE = {"/api/ledger/proof": {"entry": 0}, "/api/why-not": {"actionId": "act"}}
BASE = "http://localhost"


def fuzz(document: dict[str, Any], send: Send, examples: int, known: dict[str, str]) -> dict[str, set[int]]:
    """Send `examples` good and as many bad requests to every operation; the statuses that came, by operation.

    Args: known: names of parameters and members with a value that exists, which every other good request is given.
    Raises: schemathesis' failures, with the request that shows one.
    """
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=BASE)
    seen: dict[str, set[int]] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path not in NOT_SENT:
            statuses = seen.setdefault(f"{operation.method.upper()} {operation.path}", set())
            there = known | KNOWN_THERE.get(operation.path, {})
            _fuzz_one(operation, GenerationMode.POSITIVE, send, examples, statuses, there)
            # To some operations there is nothing wrong to send.
            with contextlib.suppress(Unsatisfiable):
                _fuzz_one(operation, GenerationMode.NEGATIVE, send, examples, statuses, {})
    return seen


def _fuzz_one(
    operation: Any, mode: GenerationMode, send: Send, examples: int, statuses: set[int], known: dict[str, str]
) -> None:
    turn = itertools.cycle((known, {}))
    checks = CONFORMANCE + ([] if operation.path in NOT_BUILT else [not_a_server_error])

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        existing = next(turn)
        for given in (case.path_parameters, case.body):
            if isinstance(given, dict):
                given.update({name: value for name, value in existing.items() if name in given})
        if existing and operation.path in ASKED_THERE:
            case.query = dict(ASKED_THERE[operation.path])
        prepared = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
        body, sent = prepared.body or b"", prepared.headers
        content = body.encode() if isinstance(body, str) else body
        headers = {
            key.encode("latin-1"): text if isinstance(text, bytes) else text.encode("latin-1")
            for key, text in sent.items()
        }
        answer = send(str(prepared.method), str(prepared.url), headers, content)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=checks)

    check()
