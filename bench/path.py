"""Times the parts of the request path one by one, in this process, so that a regression can be located.

    python -m bench.path [--batches 30] [--write docs/performance.md]

Each part gets the benchmark's own request (bench/run.py) and the default catalogue. A figure is the median over batches
of the mean per call, told in microseconds and as a multiple of `json.loads` of the same body, which moves with the
machine as the parts do. The transactions run on a database file of their own, first one request a commit, then sixteen
that arrive together, as they do under load. No network, no event stream of a server: bench/run.py measures the whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from bench.report import describe_machine, write_section
from bench.run import PLAIN
from gateway.adapters.host import PySha3Hasher
from gateway.adapters.sqlite_database import SqliteDatabase
from worker.admission import Attempt, Facts, Settlement
from worker.api.asked import request_digest
from worker.budget import account_names, funds_of, read_accounts
from worker.canon.decide import decide
from worker.canon.gates import bounds_of
from worker.classification import ReferenceScorer, prompt_text
from worker.configuration import Configuration, read_configuration
from worker.ledger.canonical import canonical_json
from worker.mediator import Mediator
from worker.routing.candidates import build_candidates
from worker.strict_json import parse_json
from worker.upstream.http_request import build_request
from worker.upstream.relay import Relay
from worker.upstream.wire import conform_answer, parse_chat, upstream_body, usage_of

CALLS = 100
TOGETHER = 16
NOW_US = 1_750_000_000_000_000
URL = "http://127.0.0.1:9/v1/chat/completions"
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-bench",
    "object": "chat.completion",
    "created": 1750000000,
    "model": "bench-model",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Four workloads take turns on one GPU.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 31, "completion_tokens": 20, "total_tokens": 51},
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the path and what one request spends in it, in microseconds."""

    name: str
    us: float


def time_calls(batches: int, call: Callable[[], object]) -> float:
    """Microseconds of one call: the median over batches."""
    took = []
    for _ in range(batches + 1):
        began = time.perf_counter_ns()
        for _ in range(CALLS):
            call()
        took.append((time.perf_counter_ns() - began) / CALLS / 1000)
    return median(took[1:])


def build_facts(configuration: Configuration, body: bytes) -> Facts:
    """The benchmark's request as admission sees it."""
    request = parse_chat(body, None, configuration.limits.json)
    return Facts(
        tenant="bench",
        decision_id="dec_0",
        request_id="req_0",
        at_us=NOW_US,
        request_digest=request_digest(body, None),
        model=request.model,
        policy=request.policy,
        classification=ReferenceScorer().score(prompt_text(request.messages)),
        input_bytes=len(body),
        images=request.images,
        choices=request.choices,
        max_output_tokens=request.max_output_tokens,
        needs=request.needs,
        time_limit_us=configuration.limits.request_us,
        session_id="",
        user_id="",
    )


def stream_bytes() -> bytes:
    """A provider's stream of twenty content events, the finish, the usage and [DONE]."""
    base = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1750000000, "model": "bench-model"}

    def event(choices: list[dict[str, Any]], usage: dict[str, int] | None) -> bytes:
        return b"data: " + json.dumps({**base, "choices": choices, "usage": usage}, separators=(",", ":")).encode()

    def choice(delta: dict[str, str], reason: str | None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]

    events = [event(choice({"content": f"word{number} "}, None), None) for number in range(20)]
    events += [event(choice({}, "stop"), None), event([], ANSWER["usage"]), b"data: [DONE]"]
    return b"\n\n".join(events) + b"\n\n"


def time_wire(configuration: Configuration, batches: int, body: bytes) -> list[Part]:
    """Everything outside the transactions."""
    limits, scorer = configuration.limits.json, ReferenceScorer()
    request = parse_chat(body, None, limits)
    route = next(route for route in configuration.catalogue.routes if route.provider == "hosted-ai")
    url, headers = httpx.URL(URL), [(b"content-type", b"application/json")]
    answer, stream = json.dumps(ANSWER).encode(), stream_bytes()

    def read_answer() -> None:
        plain: Any = parse_json(answer)
        conform_answer(plain)
        usage_of(plain)

    def relay(include_usage: bool) -> Relay:
        one = Relay(include_usage, lambda _: b"")
        one.feed(stream)
        return one

    parts: list[tuple[str, Callable[[], object]]] = [
        ("parse the request (parse_chat)", lambda: parse_chat(body, None, limits)),
        ("digest of the request", lambda: request_digest(body, None)),
        ("classify (prompt_text, score)", lambda: scorer.score(prompt_text(request.messages))),
        ("body for the route (upstream_body)", lambda: upstream_body(request, route, 128)),
        (
            "outbound request (build_request)",
            lambda: build_request("POST", url, headers, body, connect_timeout_s=10, read_timeout_s=120),
        ),
        ("read a plain answer (parse, conform, usage)", read_answer),
        ("relay a stream, usage chunk asked for", lambda: relay(True)),
        ("relay a stream, usage chunk not asked for", lambda: relay(False)),
        ("relay a stream and count its tokens", lambda: relay(True).counted_tokens()),
    ]
    return [Part(name, time_calls(batches, call)) for name, call in parts]


async def time_decision(
    configuration: Configuration, mediator: Mediator, database: SqliteDatabase, hasher: PySha3Hasher, batches: int
) -> list[Part]:
    """What the admitting transaction computes: candidates, the decision over all of them, its digest."""
    facts = build_facts(configuration, json.dumps(PLAIN, separators=(",", ":")).encode())
    catalogue, load, policy = configuration.catalogue, facts.load, facts.policy
    names = account_names(policy, configuration.default_cap, NOW_US)
    accounts = await database.transact(lambda sql: read_accounts(sql, facts.tenant, names))
    bounds = bounds_of(catalogue, policy, funds_of(policy, accounts), configuration.configured, None, True)
    candidates = build_candidates(catalogue, facts.model, load, {})
    horizon_us = catalogue.source.horizon_us
    await mediator.admit(facts)
    recorded = await mediator.read(facts.tenant, facts.decision_id)
    assert recorded is not None
    snapshot = recorded["decision"]
    count = len(candidates)
    return [
        Part(
            f"candidates ({count})",
            time_calls(batches, lambda: build_candidates(catalogue, facts.model, load, {})),
        ),
        Part(f"decide ({count})", time_calls(batches, lambda: decide(candidates, load, bounds, horizon_us))),
        Part(
            "digest of the decision (canonical JSON, SHA3)",
            time_calls(batches, lambda: hasher.sha3_256(canonical_json(snapshot))),
        ),
    ]


def build_settlement(configuration: Configuration, facts: Facts) -> Settlement:
    """A plain success on the first pool of hosted.ai."""
    route = next(route.id for route in configuration.catalogue.routes if route.provider == "hosted-ai")
    return Settlement(
        tenant=facts.tenant,
        decision_id=facts.decision_id,
        at_us=NOW_US + 1_000,
        route=route,
        usage="reported",
        input_tokens=31,
        output_tokens=20,
        outcome="success",
        first_byte_us=500,
        elapsed_us=1_000,
        attempts=(Attempt(route, "ok", 200, 500),),
    )


async def time_transactions(configuration: Configuration, mediator: Mediator, batches: int) -> list[Part]:
    """admit and settle as whole transactions, each request with ids of its own."""
    first = build_facts(configuration, json.dumps(PLAIN, separators=(",", ":")).encode())
    took: dict[str, list[float]] = {}

    async def timed(name: str, calls: Sequence[Callable[[], Awaitable[object]]], together: int) -> None:
        began = time.perf_counter_ns()
        for at in range(0, len(calls), together):
            if together == 1:
                await calls[at]()
            else:
                await asyncio.gather(*(call() for call in calls[at : at + together]))
        took.setdefault(name, []).append((time.perf_counter_ns() - began) / len(calls) / 1000)

    for _ in range(batches + 1):
        for together, words in ((1, "one a commit"), (TOGETHER, f"{TOGETHER} a commit")):
            facts = [first._replace(decision_id=f"dec_{secrets.token_hex(16)}") for _ in range(TOGETHER * 4)]
            settlements = [build_settlement(configuration, one) for one in facts]
            admits = [partial(mediator.admit, one) for one in facts]
            settles = [partial(mediator.settle, one) for one in settlements]
            await timed(f"admit transaction, {words}", admits, together)
            await timed(f"settle transaction, {words}, with its 2 ms of patience", settles, together)
    return [Part(name, median(times[1:])) for name, times in took.items()]


async def measure(batches: int) -> tuple[float, list[Part]]:
    """Microseconds of `json.loads` of the body, and every part."""
    body = json.dumps(PLAIN, separators=(",", ":")).encode()
    configuration = read_configuration({"HOSTED_AI_BASE_URL": URL, "HARPOON_BUDGET_USD": "1000000"})
    hasher = PySha3Hasher()
    await hasher.load()
    unit = time_calls(batches, lambda: json.loads(body))
    parts = time_wire(configuration, batches, body)
    with tempfile.TemporaryDirectory(prefix="bench-path-") as folder:
        database = SqliteDatabase(str(Path(folder) / "path.db"))
        await database.open()
        try:
            mediator = Mediator(database, hasher, configuration.mediator_config(hasher))
            await mediator.open()
            parts += await time_decision(configuration, mediator, database, hasher, batches)
            parts += await time_transactions(configuration, mediator, batches)
        finally:
            await database.close()
    return unit, parts


def table(unit: float, parts: list[Part]) -> str:
    lines = ["| part of the path | us | times json.loads |", "| --- | ---: | ---: |"]
    lines.append(f"| json.loads of the body | {unit:.1f} | 1.0 |")
    return "\n".join(lines + [f"| {part.name} | {part.us:.1f} | {part.us / unit:.1f} |" for part in parts])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.path", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--write", type=Path, default=None, help="page to write the table into, beside printing it")
    options = parser.parse_args()
    text = table(*asyncio.run(measure(max(1, options.batches))))
    print(text)
    if options.write is not None:
        head = f"{describe_machine()}. One process, no network: `python -m bench.path`."
        write_section(options.write, "path", f"## The parts of the request path\n\n{head}\n\n{text}")


if __name__ == "__main__":
    main()
