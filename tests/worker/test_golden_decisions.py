"""Decisions that must not change by accident: every row of the table against the file that keeps its digest."""

from __future__ import annotations

import json

from tests.decision_table import LANES, MODELS, TEXTS, WINDOWS, decision_table
from tests.golden_digests import GOLDEN_FILE, compute

REMEDY = "if this is meant, run `python -m tests.golden_digests`"


def test_the_table_is_large_and_of_many_kinds() -> None:
    rows = decision_table()
    assert len(rows) >= 200
    assert len({(row.body, row.covenant) for row in rows}) == len(rows)
    assert rows == decision_table()
    assert len(rows) > LANES * len(WINDOWS) + len(MODELS) * len(TEXTS) // LANES
    assert 20 <= sum(row.covenant is not None for row in rows) <= 150
    for lane in range(LANES):
        for window in WINDOWS:
            named = [row for row in rows if row.lane == lane and window in row.body.decode() + (row.covenant or "")]
            assert len(named) == 1


async def test_every_decision_is_the_one_that_was_recorded() -> None:
    golden, found = json.loads(GOLDEN_FILE.read_text()), await compute()
    assert golden.keys() == found.keys(), REMEDY
    changed = [f"{name}: {golden[name]} is now {found[name]}" for name in golden if golden[name] != found[name]]
    assert not changed, f"{len(changed)} of {len(golden)} decisions changed; {REMEDY}:\n" + "\n".join(changed[:10])
    outcomes = {value.partition(" ")[0] for value in golden.values()}
    assert {"200", "402", "403"} <= outcomes
    assert len({value.rpartition(" ")[2] for value in golden.values()}) == len(golden)
