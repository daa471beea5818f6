"""Commands that need no server: covenant, classify, and route --offline, one text at a time."""

from __future__ import annotations

import json

import pytest

from gateway.commands import covenant as covenant_command
from gateway.commands.options import covenant_value
from gateway.failure import CommandFailed
from tests.gateway.commands.command_kit import invoke, run, told
from wasm_classifier.reference import COMPLEX_FROM_PPM, MODERATE_FROM_PPM, classify
from worker.covenant.policy import Policy
from worker.covenant.reading import Clause, Reading

HARD = "Prove that there are infinitely many primes, then compare three proofs and explain their trade-offs."


def test_covenant_shows_where_each_limit_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    text = "$2 budget, in a few minutes"
    reading = Reading(
        text,
        Policy(budget_usd_micros=2_000_000, flags=("ambiguous_time",)),
        clauses=(
            Clause("budget.limit", "budget_usd", "2", 0, 9),
            Clause("time.vague", "flags", "ambiguous_time", 14, 27),
            Clause("time.old", "deadline_s", "60", 14, 19, stands=False),
        ),
    )
    pool = {
        "pool": "shared-4x",
        "scheduling": "spatial",
        "optimisation": "balanced",
        "guaranteed_share_percent": 25,
        "alternatives": [{"pool": "private-1x"}],
    }
    covenant_command.show({"served": True, "pool": pool, "warnings": ["left out: a few minutes"]}, reading)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [text, " " * 14 + "^" * 13]
    assert "budget_usd  2               $2 budget" in lines[4:]
    assert any(line.split() == ["deadline_s", "60", "(replaced)", "a", "few"] for line in lines)
    assert "pool  shared-4x: spatial scheduling, optimised for balanced, 25 % guaranteed; then private-1x" in lines
    assert "note  left out: a few minutes" in lines
    covenant_command.show({"served": True, "pool": None, "warnings": []}, Reading("x", Policy()))
    assert "no pool" in capsys.readouterr().out


def test_covenant_answers_as_the_endpoint_does() -> None:
    result = invoke("covenant", "--json", "$2 budget, 30s timeout, high security")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert set(answer) == {"policy", "clauses", "flags", "served", "refusal", "warnings", "pool"}
    assert answer["served"] is True
    assert answer["policy"]["budget_usd"] == 2
    assert answer["pool"]["pool"] == "private-1x"
    assert answer["pool"]["scheduling"] == "temporal"
    assert {clause["words"] for clause in answer["clauses"]} >= {"high security"}


def test_covenant_in_words_becomes_a_table() -> None:
    result = invoke("covenant", "$2 budget, 30s timeout, high security")
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    for field, value in (("budget_usd", "2"), ("deadline_s", "30"), ("priority", "max_security")):
        assert value in rows[field]
    assert "pool  private-1x: temporal scheduling" in result.stdout


def test_covenant_says_which_words_it_refuses_to_guess_at() -> None:
    told(invoke("covenant", "answer in a few minutes"), 1, "refused:", "few minutes")
    lenient = invoke("covenant", "--lenient", "answer in a few minutes")
    assert lenient.exit_code == 0
    assert "note  left out" in lenient.stdout
    result = invoke("covenant", "--json", "answer in a few minutes")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["refusal"]
    told(invoke("covenant", " "), 1, "empty")
    told(invoke("covenant", "x" * 3_000), 1, "2000")


def test_a_text_comes_from_arguments_or_standard_input() -> None:
    quoted = invoke("classify", "--json", "What is a vGPU?").stdout
    assert invoke("classify", "--json", "What", "is", "a", "vGPU?").stdout == quoted
    assert invoke("classify", "--json", stdin="What is a vGPU?\n").stdout == quoted
    assert invoke("classify", "--json", "-", stdin="What is a vGPU?\n").stdout == quoted
    for command in ("classify", "covenant", "ask", "route"):
        told(invoke(command), 2, "what text?", f"harpoon {command}")


def test_classify_gives_what_the_gateway_decides_with() -> None:
    score = classify(HARD.encode())
    assert json.loads(invoke("classify", "--json", HARD).stdout) == {
        "score": score.p_small_fails_ppm / 1_000_000,
        "complexity": score.complexity,
        "task": score.task,
        "expected_output_tokens": score.expected_output_tokens,
        "domain": score.domain,
        "personal_data": False,
        "engine": score.model_version,
    }
    assert json.loads(invoke("classify", "--json", "Write to ann@example.org").stdout)["personal_data"] is True
    text = invoke("classify", HARD).stdout
    assert f"moderate from {MODERATE_FROM_PPM / 1_000_000}, complex from {COMPLEX_FROM_PPM / 1_000_000}" in text
    assert "reasoning" in text
    assert f"{len(HARD)} bytes" in text


def test_route_offline_decides_without_a_server() -> None:
    result = invoke("route", "--offline", "--json", "What is a vGPU?")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["object"] == "route_explanation"
    assert found["selected"].startswith("simulator/")
    table = invoke("route", "--offline", "What is a vGPU?").stdout
    for words in (
        "selected",
        "admitted",
        "RISK_BOUND_EXCEEDED",
        "choice",
        "why",
        "where it would turn",
        found["selected"],
    ):
        assert words in table


def test_route_offline_reads_the_settings_of_this_machine() -> None:
    settings = {"GROQ_API_KEY": "k"}
    assert json.loads(invoke("route", "--offline", "--json", "hi", **settings).stdout)["selected"].startswith("groq/")
    told(invoke("route", "--offline", "hi", HARPOON_BUDGET_USD="much"), 2, "HARPOON_BUDGET_USD")
    no_money = invoke("route", "--offline", "hi", HARPOON_BUDGET_USD="0")
    told(no_money, 1, "COST_BOUND_EXCEEDED: tenant")


def test_route_offline_says_no() -> None:
    refused = invoke("route", "--offline", "hi", "--covenant", '{"budget_usd": 0}')
    told(refused, 1, "no route fits the budget", "COST_BOUND_EXCEEDED: request")
    assert "none: every candidate is denied" in refused.stdout
    assert "budget from $" in refused.stdout
    told(invoke("route", "--offline", "hi", "--model", "gpt-99"), 2, "not in the catalogue")
    told(invoke("route", "--offline", "hi", "--covenant", '{"budget": 1'), 2, "looks like JSON but is not")
    told(invoke("route", "--offline", "hi", "--covenant", "[]"), 1, "covenant")
    told(invoke("route", "--offline", "hi", "--covenant", "cov-01234567"), 2, "known to its server only")


def test_offline_the_same_request_gets_the_same_decision() -> None:
    digests = {json.loads(run("route", "--offline", "--json", "hi").stdout)["decision_digest"] for _ in range(2)}
    assert len(digests) == 1


def test_a_covenant_option_is_words_or_json() -> None:
    assert covenant_value("under 2 cents") == "under 2 cents"
    assert covenant_value(' {"budget_usd": 2}') == {"budget_usd": 2}
    for bad in ("{", "[1", "{'a': 1}"):
        with pytest.raises(CommandFailed, match="in words"):
            covenant_value(bad)
