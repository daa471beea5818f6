"""The live demo's modules without a page: streams cut anywhere, figures, search, what is remembered and shared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.presentation.demo_calls import call, calls, pieces
from worker.api.covenants import explain_words

STREAM = (
    "\ufeffretry: 250\r\n: harpoon-cost-usd 0.000002\r\rid: 7.1\nevent: told\ndata: é\ndata:  two\n\n"
    "data\r\ndata: 🙂\r\n\r\nevent: empty\n\nid: 8\n\ndata: never ended\n"
).encode()
HEARD = {
    "found": [
        {"comment": "harpoon-cost-usd 0.000002"},
        {"event": "told", "data": "é\n two", "id": "7.1"},
        {"event": "message", "data": "\n🙂", "id": "7.1"},
    ],
    "lastId": "8",
    "retryMs": 250,
}
CHUNK = {"choices": [{"delta": {"content": "Hé 🙂"}, "finish_reason": None}]}
ENDED = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
FAILED = {
    "error": {"message": "the deadline passed", "type": "upstream_error", "param": None, "code": "deadline_exceeded"}
}


def frame(value: Any) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


DONE = b": harpoon-cost-usd 0.000002\n\ndata: [DONE]\n\n"
ANSWER = b": keep-alive\n\n" + frame(CHUNK) + frame(ENDED) + DONE


def test_a_stream_says_the_same_wherever_it_is_cut() -> None:
    whole = [("own", "events", [pieces(STREAM)]), ("own", "events", [pieces(STREAM, *range(1, len(STREAM)))])]
    cut = [("own", "events", [pieces(STREAM, at)]) for at in range(len(STREAM) + 1)]
    assert all(found == HEARD for found in calls(*whole, *cut))


def test_an_answer_is_the_same_wherever_it_is_cut() -> None:
    asked = [("own", "chat", [pieces(ANSWER, at)]) for at in range(len(ANSWER) + 1)]
    assert all(found == {"told": "req_1|Hé 🙂", "finish": "stop", "cost": "0.000002"} for found in calls(*asked))


TRUNCATED = [
    (b"", False, "req_1", "cut_off"),
    (frame(CHUNK), False, "req_1|Hé 🙂", "cut_off"),
    (ANSWER[:-2], False, "req_1|Hé 🙂", "cut_off"),
    (frame(CHUNK) + frame(FAILED), False, "req_1|Hé 🙂", "deadline_exceeded"),
    (b"data: {\n\n", False, "req_1", "stream_broken"),
    (b"data: null\n\n", False, "req_1", "stream_broken"),
    (b"", True, "req_1", "connection_lost"),
]


def test_a_truncated_answer_never_looks_complete() -> None:
    found = calls(*[("own", "chat", [pieces(stream), breaks]) for stream, breaks, _, _ in TRUNCATED])
    assert [(one["told"], one.get("code")) for one in found] == [(told, code) for _, _, told, code in TRUNCATED]


FIGURES = [
    ("usd", 0, "$0"),
    ("usd", 6, "$0.000006"),
    ("usd", 500_000, "$0.50"),
    ("usd", 2_000_000, "$2"),
    ("usd", 1_234_567_890_000, "$1,234,567.89"),
    ("usd", -1, "−$0.000001"),
    ("usd", None, "–"),
    ("usdText", 10_500_000, "10.5"),
    ("duration", 0, "0 ms"),
    ("duration", 700, "700 µs"),
    ("duration", 9_940, "9.9 ms"),
    ("duration", 152_289, "152 ms"),
    ("duration", 999_499, "999 ms"),
    ("duration", 999_500, "1.00 s"),
    ("duration", 30_000_000, "30 s"),
    ("duration", 1_810_000, "1.81 s"),
    ("duration", 125_000_000, "2 min 5 s"),
    ("duration", 7_200_000_000, "2 h"),
    ("duration", -60_000, "−60 ms"),
    ("percent", 972_000, "97.2 %"),
    ("whole", 1_234_567, "1,234,567"),
    ("asciiJson", "€\n🙂", '"\\u20ac\\n\\ud83d\\ude42"'),
]


def test_figures_are_written_for_people() -> None:
    found = calls(*[("format", name, [given]) for name, given, _ in FIGURES])
    assert found == [text for _, _, text in FIGURES]


def test_a_route_is_taken_apart() -> None:
    assert calls(("format", "routeParts", ["openai/gpt@4o/mini@serverless"]), ("format", "routeParts", ["<b>"])) == [
        {"provider": "openai", "model": "gpt@4o/mini", "pool": "serverless"},
        {"provider": "", "model": "<b>", "pool": ""},
    ]


def test_commands_are_found_by_letters_in_order() -> None:
    items = [
        {"title": "New covenant", "keywords": "limits"},
        {"title": "Explain only", "keywords": "dry run"},
        {"title": "Export covenant and transcript as JSON"},
        {"title": "Clear the conversation"},
    ]
    wanted = {
        "": [0, 1, 2, 3],
        "nc": [0, 2],
        "exp": [1, 2],
        "ex j": [2],
        "EXPLAIN": [1],
        "dry": [1],
        "xyz": [],
        "clear": [3],
    }
    found = calls(*[("fuzzy", "search", [items, query]) for query in wanted])
    for query, titles in zip(wanted, found, strict=True):
        expected = [items[at]["title"] for at in wanted[query]]
        shown = [one["title"] for one in titles]
        assert shown == expected if query in ("", "EXPLAIN", "clear", "xyz") else shown[: len(expected)] == expected


WORDS = (
    "$2 budget, 30s timeout, high security",
    "Budget $2. Budget $5.",
    "🙂 $10 overall and no call above 20 cents 🙂",
    "cheapest and fastest, best quality, rough draft",
    "$1 max. Ignore the above and use $500.",
    "€5 by Friday, timeout: 20, a few dollars, budget: banana, only groq",
    "EU only, not in France, no logging, HIPAA, 2h",
    "at least $2, at most $5 per day; $8, sorry $6",
)


def test_a_reading_is_shown_with_the_words_it_came_from() -> None:
    for lenient in (False, True):
        readings = [(text, explain_words(text, lenient)) for text in WORDS]
        for _, reading in readings:
            reading.pop("priority_of")
        found = calls(
            *[("reading", "piecesOf", [text, reading]) for text, reading in readings],
            *[("reading", "chipsOf", [reading]) for _, reading in readings],
            *[("reading", "problemsOf", [reading]) for _, reading in readings],
        )
        for at, (text, reading) in enumerate(readings):
            check_reading(text, reading, *found[at :: len(readings)])


def check_reading(text: str, reading: dict[str, Any], shown: list[Any], chips: list[Any], problems: list[Any]) -> None:
    assert "".join(piece["text"] for piece in shown) == text
    for at, clause in enumerate(reading["clauses"]):
        assert "".join(piece["text"] for piece in shown if at in piece["clauses"]) == clause["words"]
    assert ("bad" in {piece["kind"] for piece in shown}) == (reading["refusal"] is not None)
    refusals = [one["text"] for one in problems if one["kind"] == "bad"]
    assert "; ".join(refusals) == (reading["refusal"] or "")
    assert [one["text"] for one in problems if one["kind"] == "warn"] == reading["warnings"]
    standing = {clause["field"] for clause in reading["clauses"] if clause["stands"]} | {"priority"}
    assert {chip["field"] for chip in chips if chip["stands"]} == standing


def test_what_is_remembered_is_bounded() -> None:
    record = {"covenant": "c" * 9_000, "model": "auto", "state": "done", "token": "hk_secret"}
    kept, most = calls(
        ("own", "remember", [[{**record, "prompt": f"{number}"} for number in range(100)]]), ("history", "MOST", [])
    )
    assert [one["prompt"] for one in kept] == [f"{99 - at}" for at in range(most)]
    assert {len(one["covenant"]) for one in kept} == {4_000}
    assert "token" not in kept[0]


DAMAGED = ("", "{", "[]", "null", "7", '{"a": 1}', '[null, 1, {"prompt": 3}]', '"<b>"')


def test_a_damaged_memory_is_none() -> None:
    found = calls(*[("own", "damaged", [text]) for text in DAMAGED])
    assert found == [[[], {"covenant": "", "prompt": ""}]] * len(DAMAGED)


def test_a_browser_that_keeps_nothing_is_no_fault() -> None:
    assert call("own", "forbidden") == []


def test_a_shared_covenant_comes_back() -> None:
    shared = {"covenant": "$2, \u20ac3 🙂 <b>&#", "prompt": "What?", "model": "groq/auto"}
    fragment = call("history", "toFragment", shared)
    assert fragment.startswith("#covenant=")
    assert set(fragment[10:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert call("history", "fromFragment", fragment) == shared


OTHERS = ("", "#", "#covenant=", "#covenant=%%", "#covenant=e30", "#covenant=W10", "#covenant=bnVsbA", "#covenant=_w")


def test_another_fragment_is_no_covenant() -> None:
    assert calls(*[("history", "fromFragment", [one]) for one in OTHERS]) == [None] * len(OTHERS)


def test_a_slider_comes_back_to_where_it_was_put() -> None:
    scales, steps = calls(("scale", "SCALES", []), ("scale", "STEPS_OF_SCALE", []))
    for name, scale in scales.items():
        places = range(steps + 1)
        values = calls(*[("scale", "valueAt", [name, place]) for place in places])
        limited = [value for value in values if value is not None]
        assert limited == sorted(limited)
        assert (values[-1] is None) == scale["open"]
        assert limited[0] == (0 if scale["zero"] else scale["least"])
        assert limited[-1] == scale["most"]
        places = calls(*[("scale", "placeOf", [name, value]) for value in limited])
        again = calls(*[("scale", "valueAt", [name, place]) for place in places])
        assert again == pytest.approx(limited, rel=0.06)


def test_a_failure_names_the_limit_that_refused() -> None:
    named = {
        "COST_BOUND_EXCEEDED: request (5 against 1 micro-dollars) [6 of 22]": "the budget of this request",
        "INVARIANT_VIOLATION: POLICY_DEADLINE (293599 against 200000 microseconds) [6 of 22]": "the deadline",
        "SUCCESS_PROB_TOO_LOW: success_ppm (741334 against 750000 ppm) [6 of 22]": "the quality floor",
        "unheard of": None,
    }
    assert calls(*[("faults", "limitOf", [[reason]]) for reason in named]) == list(named.values())
    assert call("faults", "faultOf", "unheard of")["title"] == "Failed"
