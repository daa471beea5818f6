"""Ten invented decisions in the shape of GET /v1/decisions, with figures that can be added up by hand."""

from __future__ import annotations

from typing import Any

from gateway.report.facts import RequestFact, read_facts
from gateway.report.source import Prices, baseline_route, default_prices
from gateway.report.summary import Summary, summarise

#: 2026-11-20 00:00:00 UTC.
START_US = 1_795_132_800_000_000
MINUTE_US = 60_000_000
GROQ = "groq/llama-3.1-8b-instruct@serverless"
POOLED = "hosted-ai/qwen3-30b-a3b@shared-4x"
TWO_DENIALS = (("COST_BOUND_EXCEEDED", "request"), ("RISK_BOUND_EXCEEDED", "max_risk_ppm"))
SIMULATED = "simulator/llama-3.1-8b-instruct@shared-4x"


def decision(
    number: int,
    route: str,
    *,
    state: str = "settled",
    outcome: str = "success",
    usage: str = "reported",
    tokens: tuple[int, int] = (0, 0),
    cost: int = 0,
    elapsed_us: int = 0,
    first_byte_us: int = 0,
    complexity: str = "simple",
    success_ppm: int = 900_000,
    budget: int | None = None,
    scope: str | None = None,
    tenant_account: tuple[int | None, int, int] = (None, 0, 0),
    denials: tuple[tuple[str, str], ...] = (),
    catalogue: str = "",
) -> dict[str, Any]:
    """One decision; `number` is the minute at which it was made."""
    refused = state == "denied"
    plain: list[dict[str, Any]] = [
        {"reason_code": code, "subject": subject, "bound": 1, "value": 2} for code, subject in denials
    ]
    candidate = {"route": route, "success_ppm": success_ppm, "ttv_us": 1, "denials": plain}
    unconfigured = {
        "route": "openai/gpt-4o@serverless",
        "denials": [{"reason_code": "INVARIANT_VIOLATION", "subject": "PROVIDER_CONFIGURED", "bound": 0, "value": 0}],
    }
    ended = {
        "attempts": [[route, "ok", 200, elapsed_us]],
        "elapsed_us": elapsed_us,
        "first_byte_us": first_byte_us,
        "input_tokens": tokens[0],
        "outcome": outcome,
        "output_tokens": tokens[1],
        "route": route,
        "usage": usage,
    }
    return {
        "object": "decision",
        "id": f"dec_{number:032x}",
        "request_id": f"req_{number:032x}",
        "at_us": START_US + number * MINUTE_US,
        "state": state,
        "decision_digest": "00" * 32,
        "outcome": None if refused or state == "open" else ended,
        "cost_usd_micros": cost,
        "cost_usd": "0",
        "selected": None if refused else route,
        "ranking": [] if refused else [route],
        "candidates": [candidate, unconfigured],
        "inputs": {
            "accounts": [["tenant", *tenant_account]],
            "catalogue": catalogue or min(default_prices().hashes),
            "classification": ["reference-1", complexity, "other", 100_000, 64],
            "policy": {"priority": None, "budget_usd_micros": budget, "budget_scope": scope},
        },
    }


def ten_decisions() -> list[dict[str, Any]]:
    """Eight real requests, newest first as the server lists them, and two simulated ones."""
    return [
        decision(9, SIMULATED, tokens=(50, 50), cost=7, elapsed_us=5_000, first_byte_us=1_000),
        decision(8, SIMULATED, tokens=(50, 50), cost=7, elapsed_us=7_000, first_byte_us=2_000),
        decision(7, POOLED, state="denied", denials=TWO_DENIALS),
        decision(6, POOLED, state="open", cost=0),
        decision(5, POOLED, state="unsettled", outcome="error", usage="unknown", cost=5_000, elapsed_us=9_000_000),
        decision(4, GROQ, outcome="user_terminated", usage="counted", tokens=(100, 10), cost=6, elapsed_us=400_000),
        decision(3, GROQ, outcome="error", usage="none", elapsed_us=2_000_000),
        decision(
            2,
            POOLED,
            tokens=(1_000, 500),
            cost=144,
            elapsed_us=2_000_000,
            first_byte_us=300_000,
            complexity="complex",
            success_ppm=700_000,
            tenant_account=(1_000_000, 150_000, 50_000),
        ),
        decision(
            1,
            GROQ,
            tokens=(200, 100),
            cost=18,
            elapsed_us=700_000,
            first_byte_us=200_000,
            budget=180,
            tenant_account=(1_000_000, 400_000, 0),
            catalogue="ab" * 32,
        ),
        decision(
            0,
            GROQ,
            tokens=(100, 100),
            cost=13,
            elapsed_us=600_001,
            first_byte_us=100_000,
            budget=26,
            scope="total",
        ),
    ]


def ten_facts() -> list[RequestFact]:
    return read_facts(ten_decisions(), default_prices().simulated)


def summary_of(facts: list[RequestFact], baseline: str = "openai/gpt-4o", prices: Prices | None = None) -> Summary:
    prices = prices or default_prices()
    return summarise(facts, baseline_route(prices, baseline), prices.hashes, prices.source)
