"""A reading as a header, a record and a settlement tell it: read strictly, and the same after a round trip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.decision_kit import SECOND_US, settlement
from worker.admission import settlement_from_json, to_json
from worker.routing.pool_readings import (
    HEADER,
    UNTOLD_SWITCH_US,
    cells_of,
    parse_told,
    reading_of_cells,
    told_by,
    told_text,
)
from worker.routing.pool_waits import MILLION, SPATIAL, TEMPORAL, PoolReading

GOOD: dict[str, PoolReading] = {
    "mode=temporal;quantum_ms=30000;neighbours=3;busy_ppm=420000": PoolReading(
        TEMPORAL, 30 * SECOND_US, UNTOLD_SWITCH_US, 30 * SECOND_US, 3, 420_000
    ),
    "mode=temporal;quantum_ms=2000;switch_ms=50;turn_ms=860;neighbours=4;busy_ppm=1": PoolReading(
        TEMPORAL, 2 * SECOND_US, 50_000, 860_000, 4, 1
    ),
    "busy_ppm=0; ratio=4; mode=spatial": PoolReading(SPATIAL, 0, 0, 0, 3, 0),
    "mode=spatial;neighbours=0;busy_ppm=0;card=7;note=": PoolReading(SPATIAL, 0, 0, 0, 0, 0),
    "mode=temporal;quantum_ms=10;turn_ms=999;ratio=1;neighbours=2;busy_ppm=5": PoolReading(
        TEMPORAL, 10_000, UNTOLD_SWITCH_US, 10_000, 2, 5
    ),
}


@pytest.mark.parametrize("text", GOOD)
def test_a_told_state_is_read(text: str) -> None:
    assert parse_told(text) == GOOD[text]
    headers = [(b"content-type", b"x"), (b"X-Harpoon-Pool-State", text.encode()), (b"x-harpoon-pool-rules", b"y")]
    assert told_by(headers) == GOOD[text]
    assert told_by(headers[:1]) is None


BAD = (
    "",
    "temporal",
    "mode=temporal",
    "mode=temporal;neighbours=3;busy_ppm=1",  # turns of unknown length
    "mode=temporal;quantum_ms=30000;neighbours=3",
    "mode=spatial;busy_ppm=1",
    "mode=both;quantum_ms=30000;neighbours=3;busy_ppm=1",
    "mode=spatial;neighbours=65;busy_ppm=1",
    "mode=spatial;neighbours=-1;busy_ppm=1",
    "mode=spatial;neighbours=+1;busy_ppm=1",
    "mode=spatial;neighbours=\u0663;busy_ppm=1",
    "mode=spatial;neighbours=1;busy_ppm=1000001",
    "mode=spatial;neighbours=1;busy_ppm=99999999",
    "mode=spatial;neighbours=1;neighbours=2;busy_ppm=1",
    "mode=spatial;neighbours=1;busy_ppm=",
    "mode=temporal;quantum_ms=0;neighbours=1;busy_ppm=1",
    "mode=temporal;quantum_ms=3600001;neighbours=1;busy_ppm=1",
    "mode=spatial;neighbours=1;busy_ppm=1;" + "x=1;" * 60,
)


@pytest.mark.parametrize("text", BAD)
def test_what_says_too_little_or_nonsense_is_passed_over(text: str) -> None:
    assert parse_told(text) is None
    assert told_by([(HEADER.encode(), text.encode("utf-8"))]) is None


READINGS = st.builds(
    lambda mode, quantum, switch, turn, neighbours, busy: PoolReading(
        mode, quantum * 1_000, switch * 1_000, min(turn, quantum) * 1_000, neighbours, busy
    ),
    st.sampled_from([SPATIAL, TEMPORAL]),
    st.integers(1, 3_600_000),
    st.integers(0, 3_600_000),
    st.integers(0, 3_600_000),
    st.integers(0, 64),
    st.integers(0, MILLION),
)


@given(READINGS)
def test_headers_records_and_settlements_keep_a_reading(reading: PoolReading) -> None:
    assert parse_told(told_text(reading)) == reading
    assert reading_of_cells(cells_of(reading)) == reading
    said = settlement(1, pool=reading)
    assert settlement_from_json(to_json(said)) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "temporal",
        "temporal 1000 0 0 1",
        "temporal 1000 0 0 1 0 0",
        "turns 1000 0 0 1 0",
        "temporal 01000 0 0 1 0",
        "temporal 1000 -1 0 1 0",
        "temporal 0 0 0 1 0",
        "temporal 1000 0 1001 1 0",
        "temporal 1000 0 0 65 0",
        "temporal 1000 0 0 1 1000001",
        "temporal 1_000 0 0 1 0",
        "temporal 1000 0 0 1 x",
    ],
)
def test_a_record_holds_nothing_else(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the one exception of this function
        reading_of_cells(text)
