"""The feed without a connection: each event exactly once, wherever a reader breaks off, whoever tells it first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.event_stream import Event, events_of
from tests.worker.decision_kit import ALPHA, BETA, NOW_US, SECOND_US, World, config, facts, fallback, settlement, world
from worker.admission import Attempt
from worker.api.live_feed import MAX_OPEN, MAX_TOLD, Feed, Position, position_from_text
from worker.covenant.policy import Policy
from worker.errors import MalformedRequest
from worker.live import FIRST_TOKEN, NOTES, LiveNotes, Note

ADMITTED = ["classification", "candidates", "decision", "attempt"]
SETTLED = [FIRST_TOKEN, "cost", "settled"]


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world(config()) as found:
        yield found


def note(number: int) -> Note:
    return Note(f"dec_{number:032x}", FIRST_TOKEN, NOW_US + 200_000)


async def read_on(state: World, feed: Feed) -> list[Event]:
    found = await state.mediator.follow("acme", feed.position.after_id, 100)
    return events_of(feed.read(found["rows"], found["cursor"]).decode())


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


async def test_the_story_of_a_request(state: World) -> None:
    feed = Feed(Position(0))
    admission = await state.mediator.admit(facts())
    classification, candidates, decision, attempt = await read_on(state, feed)
    admitted = classification.data["entry"]
    about = {"request_id": facts().request_id, "decision_id": facts().decision_id, "at_us": NOW_US, "entry": admitted}
    assert classification.data == {
        **about,
        "complexity": "simple",
        "task": "other",
        "p_small_fails_ppm": 100_000,
        "expected_output_tokens": 10,
        "model_version": "test-1",
    }
    assert [(one["route"], one["denials"]) for one in candidates.data["candidates"]] == [(ALPHA, []), (BETA, [])]
    assert (decision.data["selected"], decision.data["ranking"]) == (ALPHA, [ALPHA, BETA])
    assert decision.data["decision_digest"] == admission.digest
    assert attempt.data == {**about, "route": ALPHA, "reserved_usd_micros": 60}
    await state.mediator.advance(fallback())
    other, attempt = await read_on(state, feed)
    later = {**about, "at_us": NOW_US + SECOND_US, "entry": admitted + 1}
    assert (other.name, attempt.name) == ("fallback", "attempt")
    assert other.data == attempt.data == {**later, "route": BETA, "reserved_usd_micros": 120}
    tried = (Attempt(ALPHA, "status", 500, 9), Attempt(BETA, "ok", 200, 20))
    await state.mediator.settle(settlement(route=BETA, attempts=tried))
    first, cost, settled = await read_on(state, feed)
    later["entry"] = admitted + 2
    assert first.data == {**later, "at_us": NOW_US + 200_000}
    assert cost.data == {
        **later,
        "cost_usd_micros": 40,
        "cost_usd": "0.00004",
        "usage": "reported",
        "input_tokens": 10,
        "output_tokens": 5,
    }
    assert settled.data == {
        **later,
        "state": "settled",
        "outcome": "success",
        "route": BETA,
        "elapsed_us": SECOND_US,
        "attempts": [
            {"route": ALPHA, "cause": "status", "status": 500, "elapsed_us": 9},
            {"route": BETA, "cause": "ok", "status": 200, "elapsed_us": 20},
        ],
        "corrects": None,
    }
    assert await read_on(state, feed) == []


async def test_a_denial_says_why(state: World) -> None:
    feed = Feed(Position(0))
    refusal = (await state.mediator.admit(facts(policy=Policy(residency=("US",), budget_usd_micros=5)))).refusal
    assert refusal is not None
    events = await read_on(state, feed)
    assert names(events) == ["classification", "candidates", "denied"]
    assert (events[2].data["kind"], events[2].data["reasons"]) == (refusal.kind, list(refusal.reasons))


async def test_a_first_token_is_told_once_and_as_soon_as_it_is_known(state: World) -> None:
    feed = Feed(Position(0))
    for number in (1, 2, 3):
        await state.mediator.admit(facts(number))
    assert feed.tell([note(1)]) == b""  # its admission has not been told
    assert names(await read_on(state, feed)) == ADMITTED * 3
    told = events_of(feed.tell([note(2), note(2), note(7)]).decode())
    assert [(event.name, event.data["decision_id"], event.data["at_us"]) for event in told] == [
        (FIRST_TOKEN, facts(2).decision_id, NOW_US + 200_000)
    ]
    for number in (1, 2):
        await state.mediator.settle(settlement(number))
    assert names(await read_on(state, feed)) == [*SETTLED, "cost", "settled"]
    assert feed.tell([note(1), note(2)]) == b""
    # An answer that never came has no first token.
    await state.mediator.settle(settlement(3, usage="none", attempts=(Attempt(ALPHA, "status", 500, 9),)))
    assert names(await read_on(state, feed)) == ["cost", "settled"]


@pytest.mark.parametrize("is_noted", [False, True])
async def test_a_late_settlement_corrects_and_repeats_nothing(state: World, is_noted: bool) -> None:
    """A sweep told the worst case; then the process that had been given up tells what it really was."""
    feed = Feed(Position(0))
    await state.mediator.admit(facts())
    events = await read_on(state, feed)
    if is_noted:
        events += events_of(feed.tell([note(1)]).decode())
    await state.mediator.sweep(NOW_US, everything=True)
    events += await read_on(state, feed)
    assert feed.tell([note(1)]) == b""
    assert (events[-2].data["cost_usd_micros"], events[-1].data["state"]) == (60, "unsettled")
    resumed = Feed(position_from_text(events[-1].id))
    await state.mediator.settle(settlement())
    correction = await read_on(state, feed)
    assert names(correction) == (["cost", "settled"] if is_noted else SETTLED)
    assert (correction[-2].data["cost_usd_micros"], correction[-1].data["state"]) == (20, "settled")
    assert correction[-1].data["corrects"].startswith("evt_")
    assert await read_on(state, resumed) == correction
    assert feed.position.told == ()


async def test_a_reader_may_break_off_after_any_event(state: World) -> None:
    """Every id leads on exactly where it was: whatever was told early stays told."""
    rows: list[dict[str, Any]] = []
    steps: list[tuple[list[dict[str, Any]], list[Note]]] = []

    async def step(*noted: int) -> None:
        found = await state.mediator.follow("acme", rows[-1]["id"] if rows else 0, 100)
        rows.extend(found["rows"])
        steps.append((found["rows"], [note(number) for number in noted]))

    for number in (1, 2, 3):
        await state.mediator.admit(facts(number))
    await step(2)
    await state.mediator.advance(fallback(3))
    await step(3, 1)
    await state.mediator.settle(settlement(2))
    await state.mediator.admit(facts(4, policy=Policy(residency=("US",))))
    await state.mediator.settle(settlement(1))
    await step()
    await state.mediator.settle(settlement(3, route=BETA))
    await step()

    def run(feed: Feed, start: int = 0) -> list[Event]:
        text = b""
        for found, noted in steps:
            fresh = [row for row in found if row["id"] > start]
            text += feed.read(fresh, fresh[-1]["id"] if fresh else 0) + feed.tell(noted)
        return events_of(text.decode())

    whole = run(Feed(Position(0)))
    assert len({event.id for event in whole}) == len(whole)
    assert names(whole).count(FIRST_TOKEN) == 3
    for cut, event in enumerate(whole):
        position = position_from_text(event.id)
        rest = run(Feed(position), position.after_id)
        # What another process noted comes with its settlement instead, so only the order may differ, and the ids.
        expected = sorted((one.name, one.data["decision_id"]) for one in whole[cut + 1 :])
        assert sorted((one.name, one.data["decision_id"]) for one in rest) == expected, cut


async def test_what_is_remembered_is_bounded(state: World) -> None:
    feed = Feed(Position(0))
    for number in range(1, MAX_TOLD + 3):
        await state.mediator.admit(facts(number))
    await read_on(state, feed)
    told = events_of(feed.tell([note(number) for number in range(1, MAX_TOLD + 3)]).decode())
    assert len(told) == MAX_TOLD
    assert position_from_text(told[-1].id).told == feed.position.told
    for number in range(1, MAX_TOLD + 3):
        await state.mediator.settle(settlement(number))
    assert names(await read_on(state, feed)).count(FIRST_TOKEN) == 2
    assert MAX_OPEN > MAX_TOLD


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1.", "1.0", "1.10", "+3", "1+", "1.2+x", "٣", "1 ", "9" * 16, "9" * 17, "1+1" * 40],
)
def test_an_id_that_is_none(text: str) -> None:
    with pytest.raises(MalformedRequest):
        position_from_text(text)


@pytest.mark.parametrize("position", [Position(0), Position(2**52, 3), Position(4_294_967_300, 9, (4, 2**32 - 1))])
def test_a_position_reads_back(position: Position) -> None:
    assert position_from_text(position.to_text()) == position


def test_the_ring_keeps_the_latest() -> None:
    ring = LiveNotes()
    for number in range(NOTES + 10):
        assert ring.end == number
        ring.append(note(number))
    assert ring.between(0, ring.end) == [note(number) for number in range(10, NOTES + 10)]
    assert ring.between(ring.end - 2, ring.end - 1) == [note(NOTES + 8)]
    assert ring.between(ring.end, ring.end) == []
