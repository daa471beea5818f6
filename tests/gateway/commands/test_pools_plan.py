"""`harpoon pools plan` and `harpoon billing`: what they show, and what they say when they can't."""

from __future__ import annotations

import json
from pathlib import Path

from tests.gateway.commands.command_kit import invoke, told

BRIEF = "$2 budget, 30s timeout, high security"


def test_a_covenant_becomes_a_pool_with_reasons_and_the_exact_requests() -> None:
    result = invoke("pools", "plan", BRIEF, "--team", "7f1d", "--pool", "12")
    assert result.exit_code == 0
    assert "max_security" in result.stdout
    assert "fail closed" in result.stdout
    assert "POST /api/gpuaas/pool/create (admin panel)" in result.stdout
    assert '"attach_gpu_ids": [\n      "<GPU uuid>"\n    ]' in result.stdout
    subscribe = result.stdout.partition("POST /api/gpuaas/pool/subscribe (user panel)\n")[2]
    assert json.loads(subscribe)["pool_id"] == 12
    assert json.loads(subscribe)["team_id"] == "7f1d"


def test_the_briefs_report_goes_to_the_shared_pool() -> None:
    result = invoke(
        "pools", "plan", "Budget $1, Time 30 seconds, Quality high", "--json", "--gpuaas", "3", "--gpu", "GPU-1"
    )
    found = json.loads(result.stdout)
    assert (found["pool"], found["sharing_ratio"], found["scheduling"]) == ("shared-4x", 4, "spatial")
    assert found["guaranteed_gpu_share_percent"] == 25
    create, subscribe = found["requests"]
    assert create["missing"] == []
    assert create["body"]["pool"]["sharing_ratio"] == 4
    assert create["body"]["pool"]["time_quantum_in_sec"] == found["time_quantum_in_sec"]
    assert subscribe["missing"] == ["--team", "--pool"]
    assert all(reason["why"] for reason in found["reasons"])


def test_every_priority_has_its_pool() -> None:
    pools = {}
    for words in ("maximum security", "as fast as possible", "", "as cheap as possible"):
        found = json.loads(invoke("pools", "plan", words, "--json").stdout)
        pools[found["priority"]] = found["pool"]
    assert pools == {
        "max_security": "private-1x",
        "max_performance": "private-1x",
        "balanced": "shared-4x",
        "cost_optimized": "shared-8x",
    }


def test_a_covenant_that_nobody_can_read_is_refused() -> None:
    told(invoke("pools", "plan", "$5-ish or so, by tomorrow noon"), 2, "the covenant")


def test_bills_are_for_leases(tmp_path: Path) -> None:
    told(invoke("billing", "reconcile"), 2, "nothing is leased: HOSTED_AI_DIALECT is direct")
    settings = {"HOSTED_AI_DIALECT": "simulator", "HARPOON_STATE": str(tmp_path)}
    told(invoke("billing", "reconcile", **settings), 2, "there are no leases in")
