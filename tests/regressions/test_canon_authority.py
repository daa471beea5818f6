"""Authority that was relevance-free: once, four literal id strings were enough to be allowed anything.

Citations were the run's and not the action's, no store was asked, and what was cited had nothing to do with what was
done. Here each action cites for itself, the tenant's store is asked, and an item holds only where it is CANON, in
scope, and says what was read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.worker.canon.store_kit import Desk, candidate, new_item, problem
from tests.worker.decision_kit import world
from worker.canon.order import DECIDE

ACTION: dict[str, Any] = {"actionId": "deploy-42", "intent": {"objective": "ship it", "proposedAction": "deploy"}}
FOUR = ["CANON_ROOT", "CANON_SAFETY", "CANON_AUTHORITY", "CANON_TTV"]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with world() as state:
        found = Desk(state)
        await found.raise_to_canon(new_item())
        yield found


async def denial(desk: Desk, **given: Any) -> dict[str, Any]:
    found = await desk.decide(**{**ACTION, **given})
    assert found["outcome"] == "DENY", found
    trace: dict[str, Any] = found["denialTrace"]
    assert trace["codes"] == ["AUTHORITY_BOUNDARY_FAIL"]
    return trace


async def test_literal_ids_are_no_authority(desk: Desk) -> None:
    trace = await denial(desk, canonRefs=FOUR)
    for name in FOUR:
        assert f"unknown:{name}" in trace["reason"]
    (why,) = await desk.why_not("deploy-42")
    assert why["requiredCanonRefs"] == sorted(FOUR)


async def test_no_citation_is_no_authority(desk: Desk) -> None:
    await denial(desk)
    await denial(desk, canonRefs=[])


@pytest.mark.parametrize("wrong", ["0" * 64, "f" * 64])
async def test_the_right_id_with_other_words_is_no_authority(desk: Desk, wrong: str) -> None:
    trace = await denial(desk, canonRefs=[{"id": "review-first", "hash": wrong}])
    assert "hash:review-first" in trace["reason"]
    # An id alone does not say what was read.
    await denial(desk, canonRefs=["review-first"])


async def test_what_is_out_of_scope_is_no_authority(desk: Desk) -> None:
    catalogue = await desk.item("catalogue")
    trace = await denial(desk, canonRefs=[{"id": "catalogue", "hash": catalogue["item"]["content_hash"]}])
    assert "scope:catalogue" in trace["reason"]
    digest = await desk.raise_to_canon(new_item("rollback-first", applies_to=["rollback"]))
    await denial(desk, canonRefs=[f"rollback-first@{digest}"])


@pytest.mark.parametrize("level", ["EVIDENCE", "PROPOSED"])
async def test_what_is_below_canon_is_no_authority(desk: Desk, level: str) -> None:
    made = await desk.change(**new_item("weak"))
    if level == "PROPOSED":
        await desk.promote("weak", evidenceRefs=["review-first"])
    trace = await denial(desk, canonRefs=[f"weak@{made['item']['content_hash']}"])
    assert "level:weak" in trace["reason"]


async def test_one_good_citation_does_not_make_up_for_a_bad_one(desk: Desk) -> None:
    good = f"review-first@{desk.digest}"
    assert (await desk.decide(**ACTION, canonRefs=[good]))["outcome"] == "ALLOW"
    await denial(desk, canonRefs=[good, *FOUR[:1]])


async def test_each_action_cites_for_itself(desk: Desk) -> None:
    cite = {"id": "review-first", "hash": desk.digest}
    with_it, without = candidate("with", cites=[cite]), candidate("without")
    bounds = {"required_kinds": ["definition"]}
    found = await desk.decide(**problem(with_it, without, bounds=bounds))
    assert (found["selected"], found["denied"][0]["reason_codes"]) == ("with", ["AUTHORITY_BOUNDARY_FAIL"])
    both = {"id": "both", "actions": [*with_it["actions"], *without["actions"]], "features": with_it["features"]}
    found = await desk.decide(**problem(both, bounds=bounds))
    assert found["selected"] is None
    assert [one["action"] for one in found["denied"][0]["denials"]] == ["without"]


async def test_nobody_brings_a_canon_of_their_own(desk: Desk) -> None:
    own = [{**new_item("mine"), "level": "CANON", "at_us": 1}]
    assert await desk.refused(DECIDE, {**ACTION, "canon": own}) == "canon_is_stored"
    assert await desk.refused(DECIDE, {**problem(candidate("a")), "canon": own}) == "canon_is_stored"


async def test_authority_ends_with_the_item(desk: Desk) -> None:
    good = f"review-first@{desk.digest}"
    assert (await desk.decide(**ACTION, canonRefs=[good]))["outcome"] == "ALLOW"
    await desk.change(act="demote", id="review-first", reason="it let one through")
    await denial(desk, canonRefs=[good])
