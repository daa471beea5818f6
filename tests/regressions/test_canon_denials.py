"""Denials that were silent: errors swallowed while they were stored, stub ids, lists that were always empty.

Here a denial has an id that finds it, every kind of denial is in the one list, the log has it before the caller does,
and where the log can't be written there is no answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.worker.canon.store_kit import Desk, candidate, new_item, problem
from tests.worker.decision_kit import facts, world
from worker.canon.why_not import PREFIX
from worker.covenant.policy import Policy
from worker.errors import StateError

DENIED: dict[str, Any] = problem(candidate("a", prerequisites=["nobody"]), candidate("b", prerequisites=["nobody"]))


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with world() as state:
        yield Desk(state)


async def test_a_denial_has_an_id_of_its_own_that_finds_it(desk: Desk) -> None:
    told = [await desk.decide(**DENIED) for _ in range(3)]
    ids = [one["whyNotId"] for found in told for one in found["denied"]]
    assert len(set(ids)) == 6
    assert all(name.startswith(PREFIX) for name in ids)
    listed = await desk.why_not()
    assert {trace["id"] for trace in listed} == set(ids)
    for found in told:
        assert await desk.evidence(found["ledger"]["seq"]) == found["certificate"]


async def test_a_denied_candidate_beside_a_selected_one_is_told_too(desk: Desk) -> None:
    found = await desk.decide(**problem(candidate("a", prerequisites=["nobody"]), candidate("b")))
    assert found["selected"] == "b"
    (trace,) = await desk.why_not("a")
    assert (trace["reasonCodes"], trace["missingCanonIds"]) == (["MISSING_CANON_PREREQS"], ["nobody"])


async def test_every_kind_of_denial_is_in_the_one_list(desk: Desk) -> None:
    await desk.decide(**DENIED)
    await desk.change(**new_item())
    await desk.promote("review-first", to="CANON")
    await desk.state.mediator.admit(facts(at_us=desk.now_us, policy=Policy(residency=("US",))))
    listed = await desk.why_not()
    assert [trace["kind"] for trace in listed] == ["REQUEST", "PROMOTE", "DECIDE", "DECIDE"]
    kinds = [kind for (kind,) in await desk.state.rows("SELECT kind FROM ledger ORDER BY seq")]
    assert kinds.count("DENY") == 3
    for trace in listed:
        assert trace["reasonCodes"]
        assert trace["message"]
        (row,) = await desk.state.rows("SELECT kind FROM ledger WHERE seq = ?", trace["seq"])
        assert row == ("DENY",)


async def test_all_reasons_are_told_not_the_first_alone(desk: Desk) -> None:
    bad = candidate("a", prerequisites=["nobody"], cost_usd_micros=9, risk_ppm=9, success_ppm=0)
    found = await desk.decide(**problem(bad, bounds={"max_cost_usd_micros": 1, "max_risk_ppm": 1}))
    codes = ["COST_BOUND_EXCEEDED", "MISSING_CANON_PREREQS", "RISK_BOUND_EXCEEDED", "SUCCESS_PROB_TOO_LOW"]
    assert found["denied"][0]["reason_codes"] == codes
    (trace,) = await desk.why_not("a")
    assert trace["reasonCodes"] == codes
    assert all(code in trace["message"] for code in codes)


@pytest.mark.parametrize("table", ["ledger", "canon_denial"])
async def test_a_denial_that_can_not_be_kept_is_no_answer(desk: Desk, table: str) -> None:
    await desk.decide(**DENIED)
    before = await desk.state.rows("SELECT COUNT(*) FROM ledger")
    await desk.state.rows(f"CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(StateError):
        await desk.order("decide", DENIED)
    assert await desk.state.rows("SELECT COUNT(*) FROM ledger") == before


async def test_a_commit_that_fails_takes_the_decision_with_it(desk: Desk) -> None:
    await desk.decide(**DENIED)
    before = await desk.why_not()
    desk.state.books.refuse = True
    with pytest.raises(StateError):
        await desk.order("decide", DENIED)
    desk.state.books.refuse = False
    assert await desk.why_not() == before
