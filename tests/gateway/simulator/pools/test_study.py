"""Traffic over pool configurations: percentiles, refusals, cost, the orderings to expect, and a recommendation."""

from __future__ import annotations

import json

import pytest

from gateway.simulator.pools.cluster import Server
from gateway.simulator.pools.parameters import TEMPORAL, Parameters
from gateway.simulator.pools.study import Configuration, Outcome, Wish, recommend, spread_of, study
from gateway.simulator.pools.traffic import Arrival, Poisson, TraceError, read_trace
from tests.gateway.simulator.pools.pool_kit import SECOND

HOUR = 3_600 * SECOND
#: Eight of them fit on a card together, so only a pool's own rule makes them take turns.
SERVER = Server(allocated_mb=11_000, working_set_mb=11_000, batch=8)


def outcome(
    ratio: int, *, quantum_s: int = 30, gpus: int = 1, per_hour: int = 360, tenants: int = 8, **how: str
) -> Outcome:
    traffic = Poisson(per_hour, 4 * HOUR, tenants, work_us=SECOND, first_us=200_000)
    configuration = Configuration(gpus, ratio, quantum_s * SECOND, **how)
    return study(traffic, configuration, SERVER, Parameters(), hourly_usd_micros=660_000)


def test_requests_are_served_refused_or_failed_and_none_is_lost() -> None:
    came = len(list(Poisson(360, 4 * HOUR, 8, work_us=SECOND)))
    for ratio in (1, 4, 8):
        found = outcome(ratio)
        assert found.served + found.refused + found.failed == came
    assert outcome(8).refused == 0
    assert outcome(1).refused > came * 3 // 4


def test_equal_seeds_give_equal_outcomes_and_another_seed_does_not() -> None:
    assert outcome(8) == outcome(8)
    other = study(
        Poisson(360, 4 * HOUR, 8, work_us=SECOND, first_us=200_000, seed=2),
        Configuration(1, 8, 30 * SECOND),
        SERVER,
        Parameters(),
        hourly_usd_micros=660_000,
    )
    assert other != outcome(8)


def test_more_sharing_is_slower_and_cheaper() -> None:
    # Eight tenants with the same traffic: a card each, a card for two, four, all on one.
    found = [outcome(ratio, gpus=8 // ratio, per_hour=3_600) for ratio in (1, 2, 4, 8)]
    latencies = [one.latency.percentiles_us[2] for one in found]
    costs = [one.cost_per_request_usd_micros for one in found]
    assert latencies == sorted(latencies)
    assert latencies[0] < latencies[-1]
    assert costs == sorted(costs, reverse=True)


def test_turns_wait_longer_than_sharing_in_space_and_longer_turns_wait_longer() -> None:
    space = outcome(4, tenants=4, share_mode="spatial")
    turns = [outcome(4, tenants=4, quantum_s=seconds, share_mode=TEMPORAL, per_hour=3_600) for seconds in (2, 10, 30)]
    assert space.wait.percentiles_us[2] < turns[0].wait.percentiles_us[2]
    waits = [one.wait.percentiles_us[2] for one in turns]
    assert waits == sorted(waits)


def test_the_first_token_comes_before_the_answer_ends() -> None:
    found = outcome(4, tenants=4)
    assert found.first_token.mean_us < found.latency.mean_us
    assert found.first_token.percentiles_us[0] >= 200_000


def test_percentiles_are_nearest_rank() -> None:
    assert spread_of(range(1, 101)) == (50, (50, 90, 95, 99), 100)
    assert spread_of([7]) == (7, (7, 7, 7, 7), 7)
    assert spread_of([]) == (0, (0, 0, 0, 0), 0)


def test_the_cheapest_that_keeps_the_wish_is_recommended_with_reasons_for_the_rest() -> None:
    found = [outcome(ratio, gpus=8 // ratio, per_hour=3_600) for ratio in (1, 2, 4, 8)] + [outcome(4, gpus=1)]
    best, reasons = recommend(found, Wish())
    assert best is found[3]
    assert reasons[found[4].configuration].endswith("found no slot")
    assert len(reasons) == 4
    assert recommend(found, Wish(alone=True))[0] is found[0]
    tight = found[1].latency.percentiles_us[2]
    assert recommend(found, Wish(deadline_us=tight))[0] is found[1]
    nothing, reasons = recommend(found, Wish(deadline_us=1))
    assert nothing is None
    assert "over the deadline" in reasons[found[0].configuration]
    assert "micro-dollars" in recommend(found[:1], Wish(budget_usd_micros=0))[1][found[0].configuration]


def test_a_trace_is_read_in_the_order_of_time() -> None:
    lines = [
        json.dumps({"at_ms": 5, "tenant": "a", "work_ms": 10, "first_ms": 3}),
        "",
        json.dumps({"at_ms": 1, "tenant": "b", "work_ms": 2}),
    ]
    assert read_trace(lines) == [Arrival(1_000, "b", 2_000), Arrival(5_000, "a", 10_000, 3_000)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "must be an object"),
        ('{"at_ms": 1, "tenant": "a"}', "work_ms"),
        ('{"at_ms": -1, "tenant": "a", "work_ms": 1}', "at_ms"),
        ('{"at_ms": 1.5, "tenant": "a", "work_ms": 1}', "at_ms"),
        ('{"at_ms": true, "tenant": "a", "work_ms": 1}', "at_ms"),
        ('{"at_ms": 1, "tenant": "", "work_ms": 1}', "tenant"),
        ('{"at_ms": 1, "tenant": "a", "work_ms": 0}', "work_ms"),
        ('{"at_ms": 1, "tenant": "a", "work_ms": 1, "first_ms": 2}', "first_ms"),
        ('{"at_ms": 1, "tenant": "a", "work_ms": 1, "size": 2}', "unknown member 'size'"),
        ('{"at_ms": 1, "at_ms": 2, "tenant": "a", "work_ms": 1}', "not JSON"),
        ("\ud800", "not JSON"),
        ("  ", "holds no request"),
    ],
)
def test_a_bad_trace_names_its_line(line: str, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        read_trace([line])


@pytest.mark.parametrize(
    "bad", [{"per_hour": 0}, {"tenants": 0}, {"work_us": 0}, {"duration_us": 0}, {"first_us": 2}, {"first_us": -1}]
)
def test_traffic_that_cannot_be_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"traffic|first token"):
        Poisson(**{"per_hour": 1, "duration_us": 1, "tenants": 1, "work_us": 1, **bad})
