"""The Worker and the gateway as the tests run them: settings, tenants, and a client for either."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from tests.decision_table import LANES
from tests.openai_shapes import error_findings
from worker.money import usd_text

TESTS = Path(__file__).resolve().parents[1]
#: What proof_entry.py imports besides the product.
PROOF_MODULES = (
    TESTS / "contracts" / "database_contract.py",
    TESTS / "contracts" / "spool_contract.py",
    TESTS / "edge" / "kernel_routes.py",
    TESTS / "edge" / "decide_routes.py",
    TESTS / "edge" / "pool_routes.py",
    TESTS / "worker" / "canon" / "random_problems.py",
    TESTS / "worker" / "canon" / "problem_proof.py",
    TESTS / "worker" / "routing" / "readings_proof.py",
)
#: Bounds a failure; nothing is measured.
FAILURE_BOUND_S = 40
#: Only this route is asked for where money is counted: dollars 0.15 and 0.60 per million tokens.
PAID_MODEL = "openai/gpt-4o-mini"
PAID_ROUTE = "openai/gpt-4o-mini@serverless"
#: Costs at most its bytes as tokens in, and 1,000 tokens out.
PAID_BODY = (
    b'{"model":"openai/gpt-4o-mini","max_tokens":1000,'
    b'"messages":[{"role":"user","content":"How many whales are there?"}]}'
)
PAID_WORST_MICROS = -(-len(PAID_BODY) * 150_000 // 1_000_000) + 600
AFFORDABLE = 10

LANE_BUDGETS_USD = {"lane-1": "0.01", "lane-2": "0.0004", "lane-3": "5"}


def token(tenant: str) -> str:
    """The token of one of the tests' tenants."""
    return f"hk_{tenant}_0123456789abcdef"


def settings(tenants: list[str], budgets_usd: dict[str, str]) -> dict[str, str]:
    """What the gateway and the Worker are both told."""
    return {
        "HARPOON_TOKENS": ",".join(map(token, tenants)),
        "HARPOON_BUDGET_USD": ",".join(f"{tenant}={amount}" for tenant, amount in budgets_usd.items()),
        "HARPOON_ESTIMATES": "catalogue",
    }


def shared_settings(simulator_url: str) -> dict[str, str]:
    """For comparing both hosts: every provider's place is taken by the simulator."""
    tenants = ["chat", "refused", *(f"lane-{lane}" for lane in range(LANES))]
    return {
        **settings(tenants, LANE_BUDGETS_USD),
        "HARPOON_SIMULATOR": "on",
        "OPENAI_BASE_URL": simulator_url,
        "GROQ_BASE_URL": simulator_url,
    }


def held_settings(upstream_url: str) -> dict[str, str]:
    """For watching the Worker closely: one paid provider, which is the test itself."""
    budgets = {
        "crowd": usd_text(AFFORDABLE * PAID_WORST_MICROS),
        "lasting": usd_text(2 * PAID_WORST_MICROS),
    }
    kept = {"HARPOON_CACHE": "ask"}
    return {**settings(["crowd", "lasting", "stream"], budgets), **kept, "OPENAI_BASE_URL": upstream_url}


def client_of(url: str, tenant: str | None) -> httpx.AsyncClient:
    """A client that speaks for a tenant, or for nobody."""
    headers = {} if tenant is None else {"authorization": f"Bearer {token(tenant)}"}
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=FAILURE_BOUND_S, limits=limits)


async def read_settled(client: httpx.AsyncClient, decision_id: str) -> dict[str, Any]:
    """The decision once it is no longer open: the Worker settles after its last byte."""
    async with asyncio.timeout(FAILURE_BOUND_S):
        while True:
            answer = await client.get(f"/v1/decisions/{decision_id}")
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            if found["state"] != "open":
                return found
            await asyncio.sleep(0.02)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error object of an error answer, which is of OpenAI's shape."""
    plain = answer.json()
    assert error_findings(plain) == [], answer.text
    error: dict[str, Any] = plain["error"]
    return error


_HELD = {"id": "chatcmpl-held", "created": 1_763_596_800, "model": "gpt-4o-mini"}


def usage_of(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """A provider's usage object."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def chunk_event(content: str | None, finish_reason: str | None = None) -> bytes:
    """One event of a provider's stream; without content, the one that finishes it."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _event({**_HELD, "object": "chat.completion.chunk", "choices": [choice]})


def usage_event(prompt_tokens: int, completion_tokens: int) -> bytes:
    """The event in which a provider reports usage."""
    usage = usage_of(prompt_tokens, completion_tokens)
    return _event({**_HELD, "object": "chat.completion.chunk", "choices": [], "usage": usage})


def paid_answer(prompt_tokens: int, completion_tokens: int) -> bytes:
    """A provider's plain answer with this usage."""
    message = {"role": "assistant", "content": "Some.", "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = usage_of(prompt_tokens, completion_tokens)
    return json.dumps({**_HELD, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


async def audit(worker_url: str, tenant: str) -> dict[str, Any]:
    """The auditor's report on one tenant's object, whose every transaction was found in order."""
    async with client_of(worker_url, None) as client:
        report: dict[str, Any] = (await client.get(f"/audit/{tenant}")).json()
    assert report["checks"] > 0
    assert report["violations"] == 0
    return report
