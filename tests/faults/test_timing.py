"""How long things take, on virtual time: waits, limits, comments; and that no wait goes beyond a deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.faults.upstream import event, whole_stream
from tests.faults.virtual import Answer, Play, World, answers, fails, play, raises, streams
from tests.openai_shapes import data_of, stream_findings
from tests.worker.api.application_kit import causes
from worker.ports import NotSent, NotSentInTime

KEEP_ALIVE = b": keep-alive\n\n"
DATE = "Thu, 01 Jan 2026 00:00:03 GMT"  # three seconds after virtual time begins


def ask(**fields: Any) -> Callable[[World], Any]:
    async def story(world: World) -> tuple[Answer, list[tuple[float, str]], dict[str, Any]]:
        answer = await world.ask(**fields)
        (record,) = await world.records()
        return answer, world.transport.calls, record

    return story


WAITS: list[tuple[str, list[Play], list[tuple[float, str]]]] = [
    ("never sent: half of 0.1 s", [raises(NotSent), answers()], [(0, "first"), (0.05, "first")]),
    ("no connection in time", [raises(NotSentInTime), answers()], [(0, "first"), (0.05, "first")]),
    (
        "then the next route, at once",
        [raises(NotSent)] * 2 + [answers()],
        [(0, "first"), (0.05, "first"), (0.05, "second")],
    ),
    ("refused: the next route, at once", [fails(503), answers()], [(0, "first"), (0, "second")]),
    ("the last route once more", [fails(500)] * 2 + [answers()], [(0, "first"), (0, "second"), (0.05, "second")]),
    (
        "as long as it wants",
        [fails(500), fails(429, retry_after="4"), answers()],
        [(0, "first"), (0, "second"), (4, "second")],
    ),
    ("by date", [fails(500), fails(503, retry_after=DATE), answers()], [(0, "first"), (0, "second"), (3, "second")]),
    ("not if it wants longer", [fails(500), fails(503, retry_after="6")], [(0, "first"), (0, "second")]),
    ("not what may have been sent", [raises(httpx.ConnectTimeout)], [(0, "first"), (0, "second")]),
]


@pytest.mark.parametrize(("script", "calls"), [wait[1:] for wait in WAITS], ids=[wait[0] for wait in WAITS])
def test_when_a_route_is_asked(script: list[Play], calls: list[tuple[float, str]]) -> None:
    _, seen, record = play(script, ask())
    assert seen == calls
    assert len(causes(record)) == len(calls)


def test_the_waits_grow_and_are_capped() -> None:
    _, calls, _ = play([raises(NotSent)], ask(), HARPOON_MAX_RETRIES="5", HARPOON_MAX_FALLBACKS="0")
    assert [at for at, _ in calls] == [0, 0.05, 0.15, 0.35, 0.75, 1.55]


def test_no_wait_goes_beyond_the_deadline() -> None:
    script = [fails(500), fails(429, retry_after="4"), answers()]
    answer, calls, record = play(script, ask(covenant={"deadline_s": 4}))
    assert (answer.status, answer.ended_s, len(calls)) == (503, 0, 2)
    assert record["charged_usd_micros"] == 0


def test_a_hop_that_cannot_make_the_deadline_any_more_is_not_made() -> None:
    """The first route takes 0.9 of one second for a refusal; the second is expected to take 0.2."""

    async def slowly(request: httpx.Request) -> httpx.Response:
        await answers(0.9)(request)
        return await fails(503)(request)

    answer, calls, _ = play([slowly, answers()], ask(covenant={"deadline_s": 1}, max_tokens=100))
    assert [step for _, step in calls] in (["first"], ["first", "first"])
    assert answer.status in (503, 504)


@pytest.mark.parametrize("stream", [False, True])
def test_the_limit_to_the_first_byte_leads_to_the_next_route(stream: bool) -> None:
    settings = {"HARPOON_FIRST_BYTE_TIMEOUT_S": "3", "HARPOON_KEEP_ALIVE_S": "0"}
    answer, calls, record = play([answers(after_s=100), answers()], ask(stream=stream), **settings)
    assert (answer.status, calls) == (200, [(0, "first"), (3, "second")])
    assert causes(record) == ["timeout", "ok"]


def test_comments_for_ever_are_not_a_first_byte() -> None:
    comments = streams(*[piece for _ in range(50) for piece in (b": wait\n\n", 1.0)])
    _, calls, record = play([comments, answers()], ask(stream=True), HARPOON_FIRST_BYTE_TIMEOUT_S="3")
    assert calls == [(0, "first"), (3, "second")]
    assert causes(record) == ["timeout", "ok"]


def test_a_silent_stream_gets_comments() -> None:
    script = [streams(event("one"), 40.0, *whole_stream("two"))]
    answer, _, record = play(script, ask(stream=True), HARPOON_KEEP_ALIVE_S="10")
    assert [at for at, piece in answer.pieces if piece == KEEP_ALIVE] == [20, 30]
    assert stream_findings(answer.text, include_usage=False) == []
    assert record["outcome"]["outcome"] == "success"


def test_a_busy_stream_gets_none() -> None:
    pieces = [piece for _ in range(30) for piece in (event("word "), 4.0)]
    answer, *_ = play([streams(*pieces, *whole_stream("end"))], ask(stream=True), HARPOON_KEEP_ALIVE_S="5")
    assert KEEP_ALIVE.decode() not in answer.text
    assert answer.ended_s == 120


def test_comments_can_be_switched_off_and_plain_answers_get_none() -> None:
    for fields, seconds in (({"stream": True}, "0"), ({"stream": False}, "1")):
        answer, *_ = play([answers(after_s=60)], ask(**fields), HARPOON_KEEP_ALIVE_S=seconds)
        assert ": keep-alive" not in answer.text
        assert (answer.status, answer.ended_s) == (200, 60)


def test_a_comment_before_the_first_byte_begins_the_answer() -> None:
    answer, _, record = play([answers(after_s=25)], ask(stream=True), HARPOON_KEEP_ALIVE_S="10")
    assert [at for at, piece in answer.pieces if piece == KEEP_ALIVE] == [10, 20]
    assert "x-harpoon-route" not in answer.headers  # nobody knew yet
    assert answer.headers["x-harpoon-decision-id"] == record["id"]
    assert stream_findings(answer.text, include_usage=False) == []


def test_fallback_goes_on_behind_the_comments() -> None:
    async def slowly(request: httpx.Request) -> httpx.Response:
        await answers(15)(request)
        return await fails(500)(request)

    answer, calls, record = play([slowly, answers()], ask(stream=True), HARPOON_KEEP_ALIVE_S="10")
    assert [step for _, step in calls] == ["first", "second"]
    assert stream_findings(answer.text, include_usage=False) == []
    assert causes(record) == ["status", "ok"]


@pytest.mark.parametrize(
    ("script", "fields", "code"),
    [
        ([fails(500)], {}, "all_routes_down"),
        ([answers(after_s=1_000)], {"covenant": {"deadline_s": 30}}, "deadline_exceeded"),
    ],
)
def test_an_answer_that_began_with_comments_ends_with_an_error_event(
    script: list[Play], fields: dict[str, Any], code: str
) -> None:
    async def slowly(request: httpx.Request) -> httpx.Response:
        await answers(12)(request)
        return await script[0](request)

    answer, _, record = play([slowly], ask(stream=True, **fields), HARPOON_KEEP_ALIVE_S="10")
    assert answer.status == 200
    assert answer.error["code"] == code
    assert "[DONE]" not in data_of(answer.text)
    assert record["outcome"]["outcome"] in ("error", "timeout")


def test_a_client_that_leaves_while_it_waits_is_not_sent_on() -> None:
    script = [fails(500), fails(429, retry_after="4"), answers()]
    _, calls, record = play(script, ask(stream=True, leaves_s=2), HARPOON_KEEP_ALIVE_S="1")
    assert len(calls) == 2
    assert (record["charged_usd_micros"], record["outcome"]["outcome"]) == (0, "user_terminated")
