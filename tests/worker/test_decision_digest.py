"""decision_digest: the same decision has the same digest anywhere, any other decision another one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.adapters.host import PureHasher
from tests.worker.decision_kit import (
    ALPHA,
    CATALOGUE,
    CLASSIFICATION,
    NOW_US,
    config,
    facts,
    settlement,
    world,
)
from worker.admission import Attempt, Facts
from worker.admitting import MediatorConfig
from worker.classification import Classification
from worker.covenant.policy import Policy
from worker.mediator import Mediator
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

#: Changes whenever the catalogue, the record of a decision or an estimate does; then SNAPSHOT_VERSION may have to.
GOLDEN_CATALOGUE = "89cc63ce53dc4542c5a4e705f436f211c817faf378ce9577c14d7e937e614416"
GOLDEN_DIGEST = "ed3b111a9b3ddf4ac6ffa9b5918d262b3eaaf9890d115fefdf4efccedbd1f52f"
GOLDEN_ROWS = [
    "simulator/llama-3.1-8b-instruct@shared-4x 4050000 36 40000 750000 619 8192 0 1000000 0 0 12003640 -",
    "simulator/qwen3-30b-a3b@shared-8x 8950000 46 90000 900000 1602 16384 0 1000000 0 0 - "
    "RISK_BOUND_EXCEEDED:max_risk_ppm:60000:90000",
]
ASKED = facts(
    policy=Policy(budget_usd_micros=2_000_000, deadline_us=30_000_000, quality="medium", priority="balanced"),
    classification=Classification("moderate", 250_000, "math", 400, "reference-1"),
    input_bytes=1_200,
    max_output_tokens=0,
)


async def digest(asked: Facts, settings: MediatorConfig | None = None) -> str:
    async with world(settings or config()) as state:
        return (await state.mediator.admit(asked)).digest


async def test_the_golden_digest_of_the_default_catalogue() -> None:
    settings = config(DEFAULT_CATALOGUE, configured=frozenset({"simulator"}))
    assert settings.catalogue_hash == GOLDEN_CATALOGUE
    assert await digest(ASKED, settings) == GOLDEN_DIGEST
    pure = PureHasher()
    await pure.load()
    async with world(settings) as state:
        await Mediator(state.database, pure, settings).admit(ASKED)
        ((stored, snapshot),) = await state.rows(
            "SELECT d.digest, l.evidence FROM decision d JOIN ledger l ON l.id = d.entry_id"
        )
    assert stored == GOLDEN_DIGEST  # the same by another hasher
    assert pure.sha3_256(str(snapshot).encode()).hex() == GOLDEN_DIGEST
    record = json.loads(str(snapshot))
    best, denied = record["candidates"][record["ranking"][0]], record["candidates"][5]
    assert [best, denied] == GOLDEN_ROWS


SAME: dict[str, dict[str, Any]] = {
    "ids": {"decision_id": "dec_" + "f" * 32, "request_id": "req_x", "session_id": "s", "user_id": "u"},
    "time": {"at_us": NOW_US + 86_400_000_000 * 365},
    "tenant": {"tenant": "other"},
    "time limit": {"time_limit_us": 1},
    "order of needs": {"needs": ("json", "chat")},
}


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
@pytest.mark.parametrize("scope", ["total", "per_hour", "per_day", "per_month", "per_1m_tokens"])
@pytest.mark.parametrize("budget", [10**7, 1])
async def test_no_id_no_time_and_no_host_is_in_it(changes: dict[str, Any], scope: str, budget: int) -> None:
    asked = facts(needs=("chat", "json"), policy=Policy(budget_usd_micros=budget, budget_scope=scope))
    assert await digest(asked._replace(**changes)) == await digest(asked)


OTHER_FACTS: dict[str, dict[str, Any]] = {
    "request": {"request_digest": "sha256:" + "1" * 64},
    "model": {"model": "m"},
    "bytes": {"input_bytes": 41},
    "images": {"images": 1},
    "choices": {"choices": 2},
    "output": {"max_output_tokens": 11},
    "no output limit": {"max_output_tokens": 0},
    "needs": {"needs": ("json",)},
    **{
        f"classification {field}": {"classification": replace(CLASSIFICATION, **{field: value})}
        for field, value in {
            "complexity": "complex",
            "p_small_fails_ppm": 100_001,
            "task": "code",
            "expected_output_tokens": 11,
            "model_version": "test-2",
        }.items()
    },
    **{
        f"policy {field}": {"policy": Policy(**{field: value})}
        for field, value in {
            "budget_usd_micros": 10**6,
            "deadline_us": 10**7,
            "quality": "low",
            "priority": "balanced",
            "residency": ("DE",),
            "residency_exclude": ("US",),
            "requirements": ("gdpr",),
            "flags": ("injection",),
        }.items()
    },
    "policy scope": {"policy": Policy(budget_usd_micros=10**6, budget_scope="total")},
    "policy window": {"policy": Policy(budget_usd_micros=10**6, budget_scope="per_day")},
}
OTHER_CONFIGS: dict[str, MediatorConfig] = {
    "catalogue": config(replace(CATALOGUE, version="test-2")),
    "horizon": config(replace(CATALOGUE, horizon_us=1)),
    "configured": config(configured=frozenset({"alpha"})),
    "configured besides": config(configured=frozenset({"alpha", "beta", "gamma"})),
    "allowed": config(allowed={"acme": frozenset({"alpha"})}),
    "cap": config(default_cap=10**6),
}


async def test_every_input_is_in_it() -> None:
    seen = {"usual": await digest(facts())}
    for name, changes in OTHER_FACTS.items():
        seen[name] = await digest(facts()._replace(**changes))
    for name, settings in OTHER_CONFIGS.items():
        seen[name] = await digest(facts(), settings)
    assert len(set(seen.values())) == len(seen)


async def test_the_state_it_was_decided_in_is_in_it() -> None:
    async with world(config(default_cap=10**6)) as state:
        digests = [(await state.mediator.admit(facts(1))).digest]
        digests.append((await state.mediator.admit(facts(2))).digest)  # money is held
        await state.mediator.settle(settlement(1))
        digests.append((await state.mediator.admit(facts(3))).digest)  # money is spent, and a time was seen
        await state.mediator.settle(settlement(2, usage="none", attempts=(Attempt(ALPHA, "connect", 0, 1),)))
        digests.append((await state.mediator.admit(facts(4))).digest)
        assert len(set(digests)) == 4


async def test_frozen_estimates_give_equal_decisions_for_equal_requests() -> None:
    async with world(config(frozen_estimates=True)) as state:
        first = (await state.mediator.admit(facts(1))).digest
        await state.mediator.settle(settlement(1, usage="none"))
        assert (await state.mediator.admit(facts(2))).digest == first
