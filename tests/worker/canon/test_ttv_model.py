"""A model of a route's time takes part in decisions once it is CANON, and in no other way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.worker.canon.store_kit import TRIALS, Desk, new_item, waiting_for
from tests.worker.decision_kit import ALPHA, BETA, config, facts, fallback, hasher, settlement, world
from worker.canon.certificate import verify_certificate
from worker.canon.items import item_from_plain
from worker.canon.ttv_model import ModelError, model_in, models_of, models_text, with_models
from worker.routing.candidates import NOTHING_OBSERVED, Observation


def model(name: str = "ttv:alpha", route: str = ALPHA, ratio_ppm: int = 5_000_000, **changes: Any) -> dict[str, Any]:
    said = {"route": route, "samples": 40, "ratio_ppm": ratio_ppm}
    return new_item(name, kind="model", applies_to=["route"], content={"ttv": said}, **changes)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with world(config(frozen_estimates=True)) as state:
        yield Desk(state)


async def routes(desk: Desk, number: int) -> tuple[str, ...]:
    return (await desk.state.mediator.admit(facts(number))).routes


async def record(desk: Desk, number: int) -> Any:
    found = await desk.state.mediator.read("acme", f"dec_{number:032x}")
    assert found is not None
    return found["decision"]


async def test_below_canon_it_changes_nothing_and_at_canon_the_order(desk: Desk) -> None:
    assert await routes(desk, 1) == (ALPHA, BETA)
    await desk.change(**model())
    assert await routes(desk, 2) == (ALPHA, BETA)
    await desk.promote("ttv:alpha", evidenceRefs=["entry:0"])
    assert await routes(desk, 3) == (ALPHA, BETA)
    rows = [(await record(desk, number))["candidates"] for number in (1, 2, 3)]
    assert rows[0] == rows[1] == rows[2]
    other = model("ttv:other", BETA, 1_000_000)
    await desk.raise_to_canon(other)
    await desk.change(**model())
    await desk.raise_to_canon(model("ttv:alpha-2"))
    assert await routes(desk, 4) == (BETA, ALPHA)
    assert [row.split()[:2] for row in (await record(desk, 4))["candidates"]] == [[ALPHA, "550000"], [BETA, "110000"]]
    certificate = await desk.state.mediator.certificate("acme", f"dec_{4:032x}")
    assert certificate is not None
    verify_certificate(certificate["certificate"], hasher())
    await desk.change(act="demote", id="ttv:alpha-2", reason="it was a bad week")
    assert await routes(desk, 5) == (ALPHA, BETA)
    assert await desk.replayed() == await desk.table()


async def test_a_fallback_is_judged_by_it_too(desk: Desk) -> None:
    await desk.raise_to_canon(model("ttv:beta", BETA, 10_000_000))
    deadline = replace(facts(1).policy, deadline_us=1_050_000)
    await desk.state.mediator.admit(facts(1, policy=deadline))
    assert not (await desk.state.mediator.advance(fallback(1))).granted


async def test_what_was_learnt_gives_way_to_it_but_health_stays() -> None:
    async with world() as state:
        desk = Desk(state)
        await state.mediator.admit(facts(1))
        await state.mediator.settle(settlement(1))
        await desk.raise_to_canon(model(ratio_ppm=2_000_000))
        await state.mediator.admit(facts(2))
        found = await state.mediator.read("acme", f"dec_{2:032x}")
        assert found is not None
        assert found["decision"]["candidates"][0].split()[1] == "220000"
    observed = {ALPHA: Observation(3, 700_000, 2, True)}
    text = models_text([item_from_plain({**model(), "level": "CANON", "at_us": 1}, hasher())])
    assert with_models(observed, text)[ALPHA] == Observation(40, 5_000_000, 2, True)
    assert with_models({}, text) == {ALPHA: NOTHING_OBSERVED._replace(samples=40, ratio_ppm=5_000_000)}
    assert with_models(observed, "") is observed


def test_of_several_the_last_that_became_canon_is_in_force() -> None:
    items = [
        item_from_plain({**model(f"ttv:{at}", ratio_ppm=at * 1_000_000), "level": level, "at_us": at}, hasher())
        for at, level in ((3, "CANON"), (2, "CANON"), (4, "PROPOSED"))
    ]
    assert models_of(models_text(items)) == {ALPHA: (40, 3_000_000)}
    assert models_text([]) == models_text(items[2:]) == ""


@pytest.mark.parametrize(
    ("said", "param"),
    [
        (7, "content.ttv"),
        ({"samples": 1, "ratio_ppm": 1_000_000}, "content.ttv.route"),
        ({"route": "", "samples": 1, "ratio_ppm": 1_000_000}, "content.ttv.route"),
        ({"route": ALPHA, "samples": 0, "ratio_ppm": 1_000_000}, "content.ttv.samples"),
        ({"route": ALPHA, "samples": True, "ratio_ppm": 1_000_000}, "content.ttv.samples"),
        ({"route": ALPHA, "samples": 1, "ratio_ppm": 99_999}, "content.ttv.ratio_ppm"),
        ({"route": ALPHA, "samples": 1, "ratio_ppm": 10_000_001}, "content.ttv.ratio_ppm"),
    ],
)
async def test_a_model_that_nothing_could_use_is_no_item(desk: Desk, said: Any, param: str) -> None:
    plain = {**model(), "content": {"ttv": said}}
    with pytest.raises(ModelError) as caught:
        model_in(item_from_plain({**plain, "level": "CANON", "at_us": 1}, hasher()))
    assert caught.value.param == param
    assert await desk.refused("change", plain) == "bad_ttv_model"
    assert models_text([item_from_plain({**plain, "level": "CANON", "at_us": 1}, hasher())]) == ""


async def test_a_model_that_no_longer_hashes_to_what_became_canon_never_comes_in_force(desk: Desk) -> None:
    """Edited in its table: the next model that rises reads it again, and nothing is done rather than a wrong thing."""
    await desk.raise_to_canon(model(ratio_ppm=2_000_000))
    before = await desk.state.rows("SELECT ttv_models FROM tenant WHERE tenant = 'acme'")
    await desk.change(**model("ttv:beta", BETA))
    await desk.promote("ttv:beta", evidenceRefs=["entry:0"])
    edited = "UPDATE canon_item SET item = replace(item, '2000000', '9000000') WHERE item_id = 'ttv:alpha'"
    await desk.state.rows(edited)
    refused = await desk.order(
        "promote", {"itemId": "ttv:beta", "trials": TRIALS, "scenarios": [waiting_for("ttv:beta")]}
    )
    assert refused["problem"]["code"] == "bad_canon_item"
    assert await desk.state.rows("SELECT ttv_models FROM tenant WHERE tenant = 'acme'") == before


async def test_a_model_of_a_route_that_is_not_there_says_nothing_of_any_other(desk: Desk) -> None:
    await desk.raise_to_canon(model("ttv:gone", "gone/m@solo", 10_000_000))
    assert await routes(desk, 1) == (ALPHA, BETA)
    certificate = await desk.state.mediator.certificate("acme", f"dec_{1:032x}")
    assert certificate is not None
    verify_certificate(certificate["certificate"], hasher())


async def test_a_model_is_its_tenants_own(desk: Desk) -> None:
    await desk.raise_to_canon(model(ratio_ppm=10_000_000))
    assert (await desk.state.mediator.admit(facts(1))).routes == (BETA, ALPHA)
    assert (await desk.state.mediator.admit(facts(2, tenant="other"))).routes == (ALPHA, BETA)
