"""session.completed: its shape (spec of the session runtime), its exact amount, and what never gets into it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.host import SystemClock, SystemIds
from tests.worker.decision_kit import ALPHA, NOW_US, SECOND_US, World, config, facts, hasher, settlement, world
from worker.admission import Attempt
from worker.sessions.completed import to_text
from worker.sessions.event import CORRECTION_SUFFIX, Session, event_id, is_own_id, rfc3339, session_completed
from worker.sessions.reading import CaptureContext, new_event_id, read_event

DECISION = f"{1:032x}"


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world(config(default_cap=10**9)) as found:
        yield found


async def emitted(state: World, **changes: Any) -> dict[str, Any]:
    await state.mediator.admit(facts(**changes))
    await state.mediator.settle(settlement())
    (event,) = await state.events()
    return event


def test_the_ids_of_our_own_sessions_are_known_from_those_that_others_mint() -> None:
    own = event_id(SystemIds().new("dec"), 3)
    assert is_own_id(own)
    assert is_own_id(own + CORRECTION_SUFFIX)
    others = (new_event_id(CaptureContext("acme", SystemIds(), SystemClock())), "evt_1", f"{own}_", f"x{own}", own[:-2])
    assert not any(map(is_own_id, others))


async def test_the_event_of_a_settled_session(state: World) -> None:
    event = await emitted(state, session_id="chat-7", user_id="ada")
    assert event == {
        "event_type": "session.completed",
        "event_id": f"evt_{DECISION}_1",
        "schema_version": 1,
        "timestamp": "2026-01-01T00:00:01.000000Z",
        "session": {
            "session_id": "chat-7",
            "session_type": "api",
            "start_time": "2026-01-01T00:00:00.000000Z",
            "end_time": "2026-01-01T00:00:01.000000Z",
            "duration_ms": 1_000,
        },
        "user": {"user_id": "ada", "organization_id": "acme"},
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "model": ALPHA,
            "estimated_cost_usd": 0.00002,
        },
        "outcome": {"status": "success"},
        "metadata": {
            "attempts": [["alpha/m@solo", "ok", 200, 1_000_000]],
            "decision_id": f"dec_{DECISION}",
            "elapsed_us": 1_000_000,
            "first_byte_us": 200_000,
            "usage_source": "reported",
        },
    }


async def test_a_client_that_names_nobody_is_anonymous(state: World) -> None:
    event = await emitted(state)
    assert event["session"]["session_id"] == f"req_{DECISION}"
    assert event["user"] == {"user_id": "anonymous", "organization_id": "acme"}


async def test_one_session_is_one_event_and_the_ledger_pins_it(state: World) -> None:
    await emitted(state)
    await state.mediator.settle(settlement())
    ((stored,),) = await state.rows("SELECT event FROM outbox")
    entry = (await state.entries())[-1]
    assert entry["kind"] == "SESSION_COMPLETION"
    assert entry["payload"] == {
        "cost_usd_micros": 20,
        "decision": (await state.entries())[-2]["payload"]["decision"],
        "decision_id": f"dec_{DECISION}",
        "event": hasher().sha3_256(str(stored).encode()).hex(),
        "input_tokens": 10,
        "outcome": "success",
        "output_tokens": 5,
        "route": ALPHA,
        "state": "settled",
        "usage": "reported",
    }


async def test_a_denied_request_is_no_session(state: World) -> None:
    assert (await state.mediator.admit(facts(needs=("vision",)))).refusal is not None
    await state.mediator.settle(settlement())
    assert await state.events() == []


#: What a client may write into its ids to meddle with the text around them.
MEDDLING = ["0-usd", '"0-usd"', '","estimated_cost_usd":0,"x":"', "\\", '\\"0-usd\\"', "\x00", "\n"]


@pytest.mark.parametrize("name", MEDDLING)
def test_an_id_stays_an_id(name: str) -> None:
    session = Session("acme", name, name, NOW_US)
    event = json.loads(session_completed(session, settlement(), 1_230_000)[1])
    assert event["session"]["session_id"] == name
    assert event["user"]["user_id"] == name
    assert event["usage"]["estimated_cost_usd"] == 1.23


@given(st.integers(0, 2**53 - 1), st.text(max_size=6), st.text(max_size=6), st.integers(0, 10**12))
def test_the_amount_is_an_exact_decimal_number(cost: int, session_id: str, user_id: str, elapsed_us: int) -> None:
    session = Session("acme", session_id, user_id, NOW_US)
    _, text = session_completed(session, settlement(elapsed_us=elapsed_us), cost)
    event = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert event["usage"]["estimated_cost_usd"] * 1_000_000 == cost
    assert event["session"]["duration_ms"] == elapsed_us // 1_000
    assert event["timestamp"] == event["session"]["end_time"] >= event["session"]["start_time"]


@given(
    st.sampled_from(["reported", "counted", "none", "unknown"]),
    st.booleans(),
    st.sampled_from(["", "0af7651916cd43dd8448eb211c80319c"]),
    st.integers(0, 2**53 - 1),
    st.none() | st.just("evt_1_1"),
)
def test_the_text_is_the_one_that_every_event_has(
    usage: str, cached: bool, trace_id: str, intent_at_us: int, corrects: str | None
) -> None:
    told = settlement(usage=usage, cached=cached, trace_id=trace_id, intent_at_us=intent_at_us)
    _, text = session_completed(Session("acme", "s", "", NOW_US), told, 1_234_567, corrects)
    context = CaptureContext("acme", SystemIds(), SystemClock())
    assert to_text(read_event(json.loads(text), context)) == text


def test_the_id_is_of_the_decision_and_its_attempts() -> None:
    session = Session("acme", "", "", NOW_US)
    attempts = (Attempt(ALPHA, "connect", 0, 1), Attempt(ALPHA, "ok", 200, 1))
    assert session_completed(session, settlement(attempts=attempts), 0)[0] == f"evt_{DECISION}_2"
    assert event_id("dec_abc", 0) == "evt_abc_0"


@pytest.mark.parametrize(
    ("at_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
        (NOW_US - 1, "2025-12-31T23:59:59.999999Z"),
        (4_102_444_799 * SECOND_US, "2099-12-31T23:59:59.000000Z"),
    ],
)
def test_golden_times(at_us: int, text: str) -> None:
    assert rfc3339(at_us) == text


@given(st.integers(0, 4_102_444_800 * SECOND_US))
def test_times_are_read_back(at_us: int) -> None:
    read = datetime.fromisoformat(rfc3339(at_us))
    assert (read - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == at_us
