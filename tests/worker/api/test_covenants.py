"""/v2/covenant: created, read, listed, and told how one is read; each tenant sees its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.openai_shapes import error_findings
from tests.worker.api.application_kit import Application, application, ask
from worker.api.covenants import new_covenant_ids
from worker.covenant.document import MAX_DOCUMENT_BYTES, MAX_TITLE_CHARACTERS, parse_document
from worker.errors import CallerError, MalformedRequest, UnreadableCovenant
from worker.strict_json import JsonLimits

#: A whole covenant, as the docs show it.
WHOLE: dict[str, Any] = {
    "title": "Add streaming",
    "description": "Stream answers to the browser",
    "reality_state": {"description": "Answers come whole", "key_aspects": ["slow first token", "no cancel"]},
    "target_state": {"description": "Answers stream", "success_criteria": ["first token in a second"]},
}
#: Its predecessor's form.
RICH: dict[str, Any] = {
    "title": "Unify clients",
    "reality_state": {
        "repositories": [{"full_name": "acme/web", "topics": [], "analysis": {"intent_signal": 0.8}}],
        "function_references": [],
        "complexity_assessment": {"overall_complexity": "high"},
    },
    "target_state": {"objectives": ["one client"], "success_criteria": [], "constraints": ["no downtime"]},
    "metadata": {"ticket": 7},
}
URL = "http://localhost/v2/covenant"


async def created(harpoon: Application, status: int = 201, **fields: Any) -> dict[str, Any]:
    answer = await harpoon.client.post(URL, json=fields)
    assert answer.status_code == status, answer.text
    value: dict[str, Any] = answer.json()
    return value


async def test_the_briefs_covenant_is_created_and_read_back(harpoon: Application) -> None:
    answer = await harpoon.client.post(URL, json=WHOLE)
    value = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v2/covenant/{value['covenant_id']}"
    assert answer.headers["x-request-id"].startswith("req_")
    prefix, _, digits = value["covenant_id"].partition("-")
    assert (prefix, len(digits), set(digits) <= set("0123456789abcdef")) == ("cov", 8, True)
    assert {name: value[name] for name in WHOLE} == WHOLE
    assert (value["object"], value["status"], value["budget"], value["warnings"]) == ("covenant", "active", None, [])
    assert [name for name, limit in value["policy"].items() if limit not in (None, [])] == []
    read = (await harpoon.client.get(f"{URL}/{value['covenant_id']}")).json()
    assert {**read, "warnings": []} == value


async def test_other_forms_are_kept_as_they_are(harpoon: Application) -> None:
    value = await created(harpoon, **RICH)
    assert {name: value[name] for name in RICH} == RICH
    assert (value["description"], value["intent"]) == (None, None)


@pytest.mark.parametrize("name", ["intent", "user_intent", "query", "prompt"])
async def test_four_names_for_the_intent(harpoon: Application, name: str) -> None:
    value = await created(harpoon, **{name: "Plan a trip"})
    assert (value["intent"], value["title"]) == ("Plan a trip", None)


@pytest.mark.parametrize(
    "limits",
    [
        {"covenant": {"budget_usd": 0.5, "deadline_s": 5, "quality": "high"}},
        {"covenant": {"cost": 0.5, "latency": 5000, "quality": 8.0}},
        {"constraints": {"cost": 0.5, "latency": 5000, "quality": 8.0}},
        {"constraints": {"maxCost": 0.50, "maxLatency": 5000, "requiredQuality": "quality"}},
        {"constraints": {"max_cost": 5e-1, "max_latency": 5000, "min_quality": 0.8}},
    ],
)
async def test_its_limits_come_in_every_spelling(harpoon: Application, limits: dict[str, Any]) -> None:
    value = await created(harpoon, title="x", **limits)
    assert (value["policy"]["budget_usd"], value["policy"]["deadline_s"]) == (0.5, 5)
    assert value["policy"]["quality"] == "high"
    assert {name: value[name] for name in limits} == limits
    assert value["budget"] == {
        **{f"{name}_usd_micros": amount for name, amount in (("cap", 500_000), ("left", 500_000))},
        **{f"{name}_usd_micros": 0 for name in ("spent", "reserved")},
        **{"cap_usd": "0.5", "left_usd": "0.5", "spent_usd": "0", "reserved_usd": "0"},
    }


@pytest.mark.parametrize("name", ["text", "covenant"])
async def test_its_words_are_enough(harpoon: Application, name: str) -> None:
    value = await created(harpoon, **{name: "$2 budget, 30s timeout"})
    assert (value["title"], value["intent"], value["covenant"]) == (None, None, "$2 budget, 30s timeout")
    assert (value["policy"]["budget_usd"], value["policy"]["deadline_s"]) == (2, 30)
    assert value["warnings"] == []


async def test_an_intent_that_names_an_amount_sets_no_limit_and_that_is_said(harpoon: Application) -> None:
    value = await created(harpoon, intent="Translate the manual for under $0.00001")
    assert value["policy"]["budget_usd"] is None
    (warning,) = value["warnings"]
    assert "an intent sets no limit" in warning
    assert "$0.00001" in warning
    for quiet in ({"intent": "Plan a trip"}, {"intent": "under $2", "covenant": "$2"}, {"intent": "$2 " * 1_000}):
        assert (await created(harpoon, **quiet))["warnings"] == []


async def test_small_amounts_are_written_out(harpoon: Application) -> None:
    answer = await harpoon.client.post(URL, json={"covenant": "at most $0.00001"})
    assert '"budget_usd":0.00001,' in answer.text
    assert "e-0" not in answer.text


MALFORMED: list[tuple[str, Any, int]] = [
    ("no object", [], 400),
    ("nothing", {}, 400),
    ("no title and no intent", {"description": "x"}, 400),
    ("an empty title", {"title": ""}, 400),
    ("a title that is a number", {"title": 7}, 400),
    ("a long title", {"title": "x" * (MAX_TITLE_CHARACTERS + 1)}, 400),
    ("two intents", {"intent": "x", "prompt": "x"}, 400),
    ("a field that is mistyped", {"title": "x", "covenent": "$2"}, 400),
    ("a state that is a text", {"title": "x", "reality_state": "bad"}, 400),
    ("aspects that are no list", {"title": "x", "reality_state": {"key_aspects": "slow"}}, 400),
    ("aspects that are numbers", {"title": "x", "reality_state": {"key_aspects": [1]}}, 400),
    ("criteria that are no list", {"title": "x", "target_state": {"success_criteria": {}}}, 400),
    ("repositories that are no list", {"title": "x", "reality_state": {"repositories": {}}}, 400),
    ("metadata that is a list", {"title": "x", "metadata": []}, 400),
    ("too much", {"title": "x", "description": "x" * MAX_DOCUMENT_BYTES}, 400),
    ("a text that is a number", {"text": 2}, 400),
    ("a covenant that is nothing", {"covenant": None, "description": "x"}, 400),
    ("limits as text and as words", {"text": "$2", "covenant": "$2"}, 422),
    ("limits twice", {"title": "x", "covenant": {"cost": 1}, "constraints": {"cost": 1}}, 422),
    ("constraints that are words", {"title": "x", "constraints": "$2"}, 422),
    ("a limit nobody has", {"title": "x", "constraints": {"colour": 1}}, 422),
    ("a limit of nothing", {"title": "x", "constraints": {"latency": 0}}, 422),
    ("another's id", {"title": "x", "covenant": "cov-00000000"}, 422),
    ("no words", {"title": "x", "covenant": " "}, 422),
    ("a number", {"title": "x", "covenant": 2}, 422),
    ("euros", {"title": "x", "covenant": {"budget_other": {"amount": 2, "currency": "EUR"}}}, 422),
]


@pytest.mark.parametrize(("fields", "status"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
async def test_a_bad_covenant_is_refused_and_leaves_nothing(harpoon: Application, fields: Any, status: int) -> None:
    answer = await harpoon.client.post(URL, json=fields)
    assert answer.status_code == status, answer.text
    assert error_findings(answer.json()) == []
    assert answer.json()["error"]["code"] == ("invalid_request" if status == 400 else "unreadable_covenant")
    assert await harpoon.rows("SELECT * FROM covenant") == []
    assert await harpoon.rows("SELECT * FROM ledger") == []
    with pytest.raises(MalformedRequest if status == 400 else UnreadableCovenant):
        parse_document(json.dumps(fields).encode(), False, JsonLimits())


@pytest.mark.parametrize("body", [b"", b"{", b'{"title":"x","title":"y"}', b'{"title":NaN}', b"\xff"])
def test_what_is_no_json_is_no_covenant(body: bytes) -> None:
    with pytest.raises(CallerError):
        parse_document(body, False, JsonLimits())


def test_a_document_keeps_its_text_to_the_letter() -> None:
    body = b'{ "prompt" : "a\\u0301", "metadata" : { "n" : 1.50, "m":[ 1 ] }, "description":null }'
    document = parse_document(body, False, JsonLimits())
    assert document.text == '{"intent":"a\\u0301","metadata":{ "n" : 1.50, "m":[ 1 ] }}'


async def test_an_unknown_covenant_is_not_found(harpoon: Application) -> None:
    for name in ("cov-00000000", "nonsense", "parse"):
        answer = await harpoon.client.get(f"{URL}/{name}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "covenant_not_found")
    assert (await harpoon.client.delete(f"{URL}/cov-00000000")).status_code == 405


async def test_listed_newest_first_and_page_by_page(harpoon: Application) -> None:
    assert (await harpoon.client.get(URL)).json() == {"object": "list", "data": [], "has_more": False}
    ids = [(await created(harpoon, title=str(number)))["covenant_id"] for number in range(5)]
    pages, before = [], ""
    while True:
        page = (await harpoon.client.get(f"{URL}?limit=2{before}")).json()
        pages.append([one["covenant_id"] for one in page["data"]])
        if not page["has_more"]:
            break
        before = f"&before={pages[-1][-1]}"
    assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
    for query in ("limit=0", "limit=101", "limit=x", "before=x", "colour=red", "limit=1&limit=1"):
        assert (await harpoon.client.get(f"{URL}?{query}")).status_code == 400
    assert (await harpoon.client.get(f"{URL}?before=cov-ffffffff")).status_code == 404


async def test_a_tenant_sees_and_names_only_its_own() -> None:
    tokens = ("hk_one_aaaaaaaaaaaaaaaa", "hk_two_bbbbbbbbbbbbbbbb")
    async with application(HARPOON_TOKENS=",".join(tokens)) as harpoon:
        one, two = ({"authorization": f"Bearer {token}"} for token in tokens)
        covenant_id = (await harpoon.client.post(URL, json=WHOLE, headers=one)).json()["covenant_id"]
        assert (await harpoon.client.get(f"{URL}/{covenant_id}", headers=one)).status_code == 200
        assert (await harpoon.client.get(f"{URL}/{covenant_id}", headers=two)).status_code == 404
        assert (await harpoon.client.get(URL, headers=two)).json()["data"] == []
        body = ask(covenant_id=covenant_id)
        assert (await harpoon.client.post("/chat/completions", json=body, headers=two)).status_code == 404
        assert (await harpoon.client.post("/chat/completions", json=body, headers=one)).status_code == 200
        for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{covenant_id}"), ("POST", "/parse")):
            assert (await harpoon.client.request(method, URL + path, json=WHOLE)).status_code == 401


async def parsed(harpoon: Application, status: int = 200, **fields: Any) -> dict[str, Any]:
    answer = await harpoon.client.post(f"{URL}/parse", json=fields)
    assert answer.status_code == status, answer.text
    value: dict[str, Any] = answer.json()
    return value


async def test_the_briefs_example_means_a_private_pool_with_temporal_scheduling(harpoon: Application) -> None:
    text = "$2 budget, 30s timeout, high security"
    for fields in ({"text": text}, {"covenant": text}):
        value = await parsed(harpoon, **fields)
        assert value["policy"]["budget_usd"] == 2
        assert value["policy"]["deadline_s"] == 30
        assert value["policy"]["priority"] == "max_security"
        assert value["pool"] == {
            "pool": "private-1x",
            "sharing_ratio": 1,
            "scheduling": "temporal",
            "optimisation": "security",
            "guaranteed_share_percent": 100,
            "alternatives": [],
        }
        assert (value["served"], value["refusal"], value["warnings"], value["flags"]) == (True, None, [], [])
        assert value["clauses"]
        for clause in value["clauses"]:
            assert text[clause["start"] : clause["end"]] == clause["words"]


async def test_words_that_are_refused_are_told_with_their_reason(harpoon: Application) -> None:
    value = await parsed(harpoon, text="$3, in a few seconds")
    assert (value["served"], value["flags"]) == (False, ["ambiguous_time"])
    assert "few seconds" in value["refusal"]
    assert value["policy"]["budget_usd"] == 3
    lenient = await parsed(harpoon, text="$3, in a few seconds", mode="lenient")
    assert (lenient["served"], lenient["refusal"]) == (True, None)
    assert "few seconds" in lenient["warnings"][0]


@pytest.mark.parametrize(
    ("priority", "pool", "ratio", "scheduling", "share"),
    [
        ("max_security", "private-1x", 1, "temporal", 100),
        ("max_performance", "private-1x", 1, "spatial", 100),
        ("balanced", "shared-4x", 4, "spatial", 25),
        (None, "shared-4x", 4, "spatial", 25),
        ("cost_optimized", "shared-8x", 8, "temporal", 13),
    ],
)
async def test_a_priority_means_a_pool(
    harpoon: Application, priority: str | None, pool: str, ratio: int, scheduling: str, share: int
) -> None:
    value = (await parsed(harpoon, covenant={"priority": priority}))["pool"]
    found = (value["pool"], value["sharing_ratio"], value["scheduling"], value["guaranteed_share_percent"])
    assert found == (pool, ratio, scheduling, share)
    assert pool not in [one["pool"] for one in value["alternatives"]]


async def test_an_object_is_normalised(harpoon: Application) -> None:
    value = await parsed(harpoon, covenant={"constraints": {"maxCost": 0.1, "maxLatency": 250, "requiredQuality": 0.6}})
    policy = value["policy"]
    assert (policy["budget_usd"], policy["deadline_s"], policy["quality"]) == (0.1, 0.25, "medium")
    assert (value["served"], value["clauses"]) == (True, [])


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 400),
        ({"text": "$2", "covenant": "$2"}, 400),
        ({"text": 2}, 400),
        ({"text": {"budget_usd": 2}}, 400),
        ({"text": "$2", "mode": "strict"}, 400),
        ({"text": "$2", "mode": ["lenient"]}, 400),
        ({"text": "$2", "colour": 1}, 400),
        ({"text": ""}, 422),
        ({"text": "x" * 2_001}, 422),
        ({"covenant": "from_prompt"}, 422),
        ({"covenant": "cov-00000000"}, 422),
        ({"covenant": 2}, 422),
        ({"covenant": {"colour": 1}}, 422),
    ],
)
async def test_what_cannot_be_shown_is_refused(harpoon: Application, fields: dict[str, Any], status: int) -> None:
    assert error_findings(await parsed(harpoon, status, **fields)) == []


async def test_parsing_touches_no_state(harpoon: Application) -> None:
    await parsed(harpoon, text="$2")
    await parsed(harpoon, covenant={"cost": 2})
    for table in ("covenant", "ledger", "tenant", "decision", "account"):
        assert await harpoon.rows(f"SELECT * FROM {table}") == []


def test_four_ids_come_from_one_draw() -> None:
    class Fixed:
        def new(self, prefix: str) -> str:
            return f"{prefix}_" + "00112233445566778899aabbccddeeff"

    assert new_covenant_ids(Fixed()) == ("cov-00112233", "cov-44556677", "cov-8899aabb", "cov-ccddeeff")
