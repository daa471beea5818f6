"""The judgements without a network: events, percentiles and their intervals, cadence, pauses, bounds, shapes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.probe.cadence import Cadence, cadence_of, common_silences, pauses_of, pieces_of
from gateway.probe.compatibility import wait_us
from gateway.probe.endpoint import Endpoint
from gateway.probe.limits import LimitReached, Limits, Price, Spending
from gateway.probe.shapes import summed_up, usage_faults
from gateway.probe.sse import EventReader
from gateway.probe.statistics import mean, percentile, rate

STREAM = (
    b'\xef\xbb\xbf: hello\r\ndata: {"a":1}\r\n\r\n'
    b"event: x\rdata:two\rdata: lines\r\rid: 7\ndata: \xc3\xa9\n\ndata: [DONE]\n\n"
)
EVENTS = ['{"a":1}', "two\nlines", "é", "[DONE]"]


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_events_are_the_same_wherever_the_bytes_are_split(at: int) -> None:
    reader = EventReader()
    events = reader.feed(STREAM[:at], 1) + reader.feed(STREAM[at:], 2)
    assert [event.data for event in events] == EVENTS
    assert not reader.is_cut_off()


def test_events_are_the_same_byte_by_byte_and_bear_the_time_of_their_end() -> None:
    reader = EventReader()
    events = [event for at in range(len(STREAM)) for event in reader.feed(STREAM[at : at + 1], at)]
    assert [event.data for event in events] == EVENTS
    assert [event.at_us for event in events] == sorted(event.at_us for event in events)
    assert events[-1].at_us == len(STREAM) - 1


@pytest.mark.parametrize("rest", [b"data: x", b"data: x\n", b"dat"])
def test_a_stream_that_ends_within_an_event_is_cut_off(rest: bytes) -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\n\n" + rest, 0)[0].data == "a"
    assert reader.is_cut_off()


@pytest.mark.parametrize(
    ("n", "percent", "ranks"),
    # By hand from the binomial tails: 100 values' 95th percentile exceeds the 99th of them with a chance of 3.7 %.
    [
        (6, 50, (1, 6)),
        (10, 50, (2, 9)),
        (20, 50, (6, 15)),
        (25, 50, (8, 18)),
        (100, 50, (40, 61)),
        (100, 95, (90, 100)),
    ],
)
def test_intervals_of_percentiles_are_the_known_order_statistics(n: int, percent: int, ranks: tuple[int, int]) -> None:
    found = percentile(range(1, n + 1), percent)
    assert (found.low, found.high) == ranks


def test_where_n_is_too_small_a_side_has_no_bound() -> None:
    assert percentile([5, 6, 7], 50) == (found := percentile([7, 5, 6], 50))
    assert (found.n, found.value, found.low, found.high) == (3, 6, None, None)
    tail = percentile(range(1, 21), 95)
    assert (tail.value, tail.high) == (19, None)
    assert tail.low is not None
    assert percentile([], 50).value is None


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60), st.sampled_from([5, 50, 95, 99]))
def test_a_percentile_was_measured_and_lies_within_its_interval(values: list[int], percent: int) -> None:
    found = percentile(values, percent)
    assert found.value in values
    assert found.low is None or found.low <= found.value  # type: ignore[operator]  # it has a value
    assert found.high is None or found.high >= found.value  # type: ignore[operator]  # it has a value


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    chance = random.Random(7)
    covered = 0
    for _ in range(400):
        found = percentile([chance.randrange(1_000_000) for _ in range(40)], 50)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 500_000 <= found.high
    assert covered >= 375


def test_rates_have_the_exact_interval() -> None:
    # Clopper and Pearson: 0 of 10 -> [0, 30.85 %], 8 of 10 -> [44.39 %, 97.48 %].
    assert (rate(0, 10).low, rate(0, 10).high) == (0, 308_498)
    found = rate(8, 10)
    assert found.value == 800_000
    assert (found.low, found.high) == (443_904, 974_790)
    assert rate(1_000, 1_000).low == 996_317
    assert rate(0, 0).value is None


def test_means_are_rounded_up_and_their_interval_is_the_same_again() -> None:
    values = [*range(1, 101)]
    assert mean(values).value == 51
    assert mean(values) == mean(values)
    low, high = mean(values).low, mean(values).high
    assert low is not None
    assert high is not None
    assert 44 <= low < 51 < high <= 57
    assert mean([4]).low is None


@pytest.mark.parametrize(
    ("times", "total", "cadence"),
    [
        (range(50_000, 250_000, 20_000), 260_000, Cadence.streamed),
        ([2_000_000] * 10, 2_010_000, Cadence.buffered),
        ([2_000_000 + at // 5 * 3_000 for at in range(20)], 2_015_000, Cadence.buffered),
        ([at // 8 * 500_000 + 500_000 for at in range(24)], 1_600_000, Cadence.bursts),
        ([1_000, 1_000], 900_000, Cadence.unclear),
        ([500] * 30, 900, Cadence.unclear),
        ([], 900, Cadence.unclear),
        # Quick, but piece by piece.
        (range(1_000, 60_000, 1_500), 61_000, Cadence.streamed),
    ],
)
def test_how_an_answer_came(times: list[int], total: int, cadence: Cadence) -> None:
    assert cadence_of(list(times), total) is cadence


def test_a_pause_is_long_and_out_of_the_ordinary() -> None:
    steady = [at * 2_000_000 for at in range(6)]
    assert pauses_of(steady) == []
    assert pieces_of(steady).usual_gap_us == 2_000_000
    paused = [at * 20_000 + (10_000_000 if at > 10 else 0) for at in range(20)]
    assert pauses_of(paused) == [10_020_000]
    assert pauses_of([0, 5_000_000]) == [5_000_000]


def test_a_silence_is_shared_only_by_answers_that_were_under_way() -> None:
    one = [0, 100, 200, 10_000_200, 10_000_300]
    two = [50, 150, 10_000_210]
    ended, late, single = [10, 20], [11_000_000, 11_000_100], [5]
    found = common_silences([one, two, ended, late, single])
    assert [(silence.length_us, silence.streams) for silence in found] == [(10_000_000, 2)]
    # One that goes on speaks against a card that stopped.
    assert common_silences([one, two, [0, 3_000_000, 3_500_000]]) != []
    assert common_silences([one, two, [at * 500_000 for at in range(30)]]) == []


def test_no_bound_is_passed_even_by_requests_under_way_together() -> None:
    limits = Limits(requests=3, tokens=1_000, seconds=10, cost_usd_micros=1_000)
    spending = Spending(limits, Price(1_000_000, 1_000_000, "as given"), {}, 10_000_000)
    first = spending.hold("m", 100, 200, 0)
    assert (first.tokens_in, first.cost_usd_micros) == (132, 332)
    spending.hold("m", 100, 200, 0)
    with pytest.raises(LimitReached, match="--total-tokens"):
        spending.hold("m", 100, 300, 0)
    assert spending.settle(first, (10, 20), is_free=False) == 30
    spending.hold("m", 100, 300, 0)
    with pytest.raises(LimitReached, match="--requests"):
        spending.hold("m", 1, 1, 0)
    with pytest.raises(LimitReached, match="--seconds"):
        Spending(limits, Price(0, 0, ""), {}, 5).hold("m", 1, 1, 5)
    dear = Spending(limits, Price(0, 0, ""), {"dear": Price(10_000_000, 0, "listed")}, 10)
    dear.hold("cheap", 100, 100, 0)
    with pytest.raises(LimitReached, match="--max-cost"):
        dear.hold("dear", 100, 100, 0)


def test_what_nobody_told_counts_as_the_worst_case_and_what_is_refused_as_nothing() -> None:
    spending = Spending(Limits(), Price(1_000_000, 1_000_000, "as given"), {}, 10)
    assert spending.settle(spending.hold("m", 68, 50, 0), None, is_free=False) == 150
    assert spending.settle(spending.hold("m", 68, 50, 0), None, is_free=True) == 0
    assert spending.settle(spending.hold("m", 68, 50, 0), (4, 5), is_free=True) == 0
    assert (spending.tokens_in, spending.tokens_out, spending.cost_usd_micros) == (104, 55, 150)
    assert (spending.held_tokens, spending.held_usd_micros) == (0, 0)


@pytest.mark.parametrize(
    ("told", "us"),
    [
        ("3", 3_000_000),
        ("", 1_000_000),
        ("Fri, 20 Nov 2026 10:00:00 GMT", 1_000_000),
        ("9999", 10_000_000),
        ("-1", 1_000_000),
        ("٣", 1_000_000),
    ],
)
def test_a_wait_is_as_told_and_never_long(told: str, us: int) -> None:
    assert wait_us(told) == us


def test_equal_faults_are_told_once() -> None:
    assert summed_up([f"choices[{at}].index is missing" for at in range(3)]) == (
        "choices[n].index is missing (3 times)",
    )
    assert summed_up([]) == ()
    assert summed_up([*"abcdef"])[-1] == "and 2 more"
    assert usage_faults({"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 4}}) == [
        "usage.total_tokens is not the sum of the other two"
    ]


def test_the_key_is_in_no_repr_and_in_no_text_that_is_shown() -> None:
    endpoint = Endpoint("http://x/v1", "sk-secret", None, None, 1)  # type: ignore[arg-type]  # neither is used
    assert "sk-secret" not in repr(endpoint)
    assert endpoint.shown("bad key sk-secret\x1b[2J\nagain") == "bad key [key] [2J again"
    assert len(endpoint.shown("x" * 999)) == 160
