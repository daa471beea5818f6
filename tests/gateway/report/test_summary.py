"""A report's figures, added up by hand from ten invented decisions, and what targets say with how much data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.failure import CommandFailed
from gateway.report.facts import RequestFact, read_facts, read_lines
from gateway.report.source import baseline_route, default_prices, since_us
from gateway.report.summary import MET, NOT_MET, TOO_FEW, Figures, latency_of, nearest_rank
from tests.gateway.report.invented import (
    GROQ,
    MINUTE_US,
    POOLED,
    START_US,
    decision,
    summary_of,
    ten_decisions,
    ten_facts,
)

# gpt-4o: 2.5 micro-dollars a token in, 10 out.
BASELINE = {0: 250 + 1_000, 1: 500 + 1_000, 2: 2_500 + 5_000, 4: 250 + 100}


def real() -> Figures:
    return summary_of(ten_facts()).groups[0]


def test_facts_come_oldest_first_and_say_what_was_recorded() -> None:
    facts = ten_facts()
    assert [fact.at_us for fact in facts] == [START_US + at * MINUTE_US for at in range(10)]
    assert (facts[0].route, facts[0].provider, facts[0].model) == (GROQ, "groq", "llama-3.1-8b-instruct")
    assert [fact.is_simulated for fact in facts] == [False] * 8 + [True] * 2
    assert facts[7].denials == ("COST_BOUND_EXCEEDED", "RISK_BOUND_EXCEEDED")
    assert (facts[7].route, facts[7].outcome) == ("", "")


def test_simulated_requests_have_figures_of_their_own() -> None:
    first, second = summary_of(ten_facts()).groups
    assert (first.is_simulated, first.ends.requests) == (False, 8)
    assert (second.is_simulated, second.ends.requests, second.cost.total_usd_micros) == (True, 2, 14)
    only = summary_of([fact for fact in ten_facts() if fact.is_simulated or not fact.route]).groups
    assert [(group.is_simulated, group.ends.requests, group.ends.refused) for group in only] == [(True, 3, 1)]
    refused = summary_of([fact for fact in ten_facts() if not fact.route]).groups
    assert [(group.is_simulated, group.ends.requests) for group in refused] == [(False, 1)]


def test_every_request_ended_one_way() -> None:
    ends = real().ends
    assert (ends.succeeded, ends.failed, ends.left, ends.refused, ends.still_open, ends.unsettled) == (3, 2, 1, 1, 1, 1)
    assert ends.requests == ends.succeeded + ends.failed + ends.left + ends.refused + ends.still_open
    assert (ends.judged, ends.success_ppm) == (5, 600_000)


def test_the_counterfactual_is_the_same_tokens_at_the_baselines_price() -> None:
    cost = real().cost
    assert cost.total_usd_micros == 13 + 18 + 144 + 6 + 5_000
    assert (cost.compared, cost.charged_usd_micros) == (4, 13 + 18 + 144 + 6)
    assert cost.baseline_usd_micros == sum(BASELINE.values()) == 10_600
    assert cost.saved_usd_micros == 10_600 - 181
    assert cost.saving_ppm == 982_924  # 10,419 of 10,600, rounded down
    assert (cost.unknown, cost.unknown_usd_micros) == (1, 5_000)
    assert cost.other_catalogue == 1


def test_a_baseline_that_is_cheaper_shows_a_loss() -> None:
    cost = summary_of(ten_facts(), GROQ).groups[0].cost
    assert cost.baseline_usd_micros == 13 + 18 + 90 + 6
    assert cost.saved_usd_micros == 127 - 181
    assert cost.saving_ppm == -425_197  # -54 of 127, rounded down


def test_times_are_of_what_succeeded() -> None:
    figures = real()
    # 600,001, 700,000 and 2,000,000 microseconds: the mean is 1,100,000.33, and never shown as less.
    assert figures.latency == latency_of([2_000_000, 600_001, 700_000])
    assert (figures.latency.n, figures.latency.mean_us, figures.latency.p50_us) == (3, 1_100_001, 700_000)
    assert (figures.latency.p95_us, figures.latency.p99_us) == (2_000_000, 2_000_000)
    assert (figures.first_byte.n, figures.first_byte.mean_us) == (3, 200_000)


@pytest.mark.parametrize(
    ("percent", "value"), [(1, 1), (50, 50), (51, 51), (95, 95), (99, 99), (100, 100)], ids=lambda value: str(value)
)
def test_a_percentile_is_a_value_that_was_measured(percent: int, value: int) -> None:
    assert nearest_rank(range(1, 101), percent) == value
    assert nearest_rank([7], percent) == 7
    assert latency_of([]).mean_us is None


def test_quality_is_the_mean_estimate_of_what_was_selected() -> None:
    figures = real()
    assert (figures.quality_n, figures.quality_ppm) == (7, (6 * 900_000 + 700_000) // 7)


def test_budgets_of_requests_and_accounts() -> None:
    request, tenant = real().budgets
    assert (request.name, request.n, request.used_ppm, request.most_ppm) == ("request", 2, 300_000, 500_000)
    assert (tenant.name, tenant.n, tenant.used_ppm, tenant.most_ppm) == ("tenant", 2, 200_000, 400_000)


def test_refusals_count_under_each_code_but_a_missing_provider() -> None:
    assert real().refusals == (("COST_BOUND_EXCEEDED", 1), ("RISK_BOUND_EXCEEDED", 1))
    (alone,) = read_facts([decision(0, GROQ, state="denied")], frozenset())
    assert alone.denials == ("INVARIANT_VIOLATION",)


def test_the_tables_add_up_to_the_whole() -> None:
    figures = real()
    for shares in (figures.routes, figures.models, figures.complexities):
        assert sum(share.requests for share in shares) == 7
        assert sum(share.succeeded for share in shares) == 3
        assert sum(share.cost_usd_micros for share in shares) == figures.cost.total_usd_micros
    assert [(share.name, share.requests) for share in figures.routes] == [(GROQ, 4), (POOLED, 3)]
    assert [(share.name, share.requests, share.mean_us) for share in figures.complexities] == [
        ("simple", 6, 650_001),
        ("complex", 1, 2_000_000),
    ]


def verdicts(facts: list[RequestFact]) -> dict[str, tuple[str, int | None, int]]:
    (figures,) = summary_of(facts).groups
    return {target.name.split()[0]: (target.verdict, target.figure, target.n) for target in figures.targets}


def many(n: int, failures: int, apart_us: int = 1_000_000, elapsed_us: int = 999_999) -> list[RequestFact]:
    """`n` requests of which the first so many failed."""
    (one,) = read_facts([decision(0, GROQ, tokens=(100, 100), cost=875, elapsed_us=elapsed_us)], frozenset())
    return [
        replace(one, at_us=START_US + at * apart_us, outcome="error" if at < failures else "success") for at in range(n)
    ]


def test_ten_requests_are_not_enough_to_judge_by() -> None:
    assert {verdict for verdict, _, _ in verdicts(ten_facts()[:8]).values()} == {TOO_FEW}


def test_a_target_is_met_at_its_bound_and_missed_beyond() -> None:
    # Of 1,000 one may fail; the saving is exactly 30 % of 1,250.
    found = verdicts(many(1_000, 1))
    assert found["success"] == (MET, 999_000, 1_000)
    assert found["average"] == (MET, 999_999, 999)
    assert found["saving"] == (MET, 300_000, 1_000)
    assert verdicts(many(1_000, 2))["success"] == (NOT_MET, 998_000, 1_000)
    assert verdicts(many(999, 0))["success"] == (TOO_FEW, 1_000_000, 999)
    assert verdicts(many(1_000, 0, elapsed_us=1_000_000))["average"][0] == NOT_MET
    dearer = [replace(fact, cost_usd_micros=876) for fact in many(1_000, 0)]
    assert verdicts(dearer)["saving"] == (NOT_MET, 299_200, 1_000)


def test_ten_thousand_requests_are_counted_over_thirty_days() -> None:
    assert verdicts(many(10_000, 0))["requests"] == (MET, 10_000, 10_000)
    assert verdicts(many(9_999, 0))["requests"] == (TOO_FEW, 9_999, 9_999)
    day = 86_400_000_000
    assert verdicts(many(31, 0, apart_us=day))["requests"] == (NOT_MET, 30, 31)


def test_nothing_gives_no_figures() -> None:
    assert summary_of([]).groups == ()


def test_a_baseline_is_a_route_or_the_cheapest_of_a_name() -> None:
    prices = default_prices()
    assert baseline_route(prices, "openai/gpt-4o").id == "openai/gpt-4o@serverless"
    assert baseline_route(prices, "hosted-ai/qwen3-30b-a3b").pool == "shared-8x"
    assert baseline_route(prices, POOLED).id == POOLED
    for name in ("gpt-99", "auto", ""):
        with pytest.raises(CommandFailed, match="openai/gpt-4o"):
            baseline_route(prices, name)


BAD_DECISIONS = [
    {},
    {"object": "decision"},
    {**ten_decisions()[0], "inputs": None},
    {**ten_decisions()[0], "at_us": "yesterday"},
    {**ten_decisions()[0], "candidates": 3},
]


@pytest.mark.parametrize("bad", BAD_DECISIONS)
def test_what_is_no_decision_is_told_by_its_number(bad: dict[str, object]) -> None:
    with pytest.raises(CommandFailed, match="decision 2 is not"):
        read_facts([ten_decisions()[1], bad], frozenset())


@pytest.mark.parametrize("line", [b"nope", b"[]", b'{"object":"list"}', b"\xff"])
def test_a_line_that_is_no_decision_is_told_by_its_number(line: bytes) -> None:
    with pytest.raises(CommandFailed, match="file:2"):
        list(read_lines([b"\n", line], "file"))


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", 0),
        ("90m", START_US - 90 * MINUTE_US),
        ("24h", START_US - 1_440 * MINUTE_US),
        ("7d", START_US - 7 * 1_440 * MINUTE_US),
        ("1w", START_US - 7 * 1_440 * MINUTE_US),
        ("2026-11-20", START_US),
        ("2026-11-20T01:00:00+01:00", START_US),
        ("2026-11-20T00:00:00Z", START_US),
    ],
)
def test_since_takes_an_age_or_a_time(text: str, start: int) -> None:
    assert since_us(text, START_US) == start


@pytest.mark.parametrize("text", ["yesterday", "7", "7y", "-1d", "9999999d", "2026-13-01"])
def test_since_says_what_it_takes(text: str) -> None:
    with pytest.raises(CommandFailed, match="--since"):
        since_us(text, START_US)


@pytest.mark.parametrize("text", ["999999w", "999999d"])
def test_an_age_beyond_all_time_is_everything(text: str) -> None:
    assert since_us(text, START_US) < 0
