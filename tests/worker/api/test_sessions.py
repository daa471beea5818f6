"""The sessions API as its callers see it: what is acknowledged is there, everything else is refused in words."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from tests.worker.api.application_kit import Application, application
from tests.worker.sessions.session_kit import FULL, SHORT, changed
from worker.ports import Sql
from worker.sessions.schema import capture_schema, event_schema

KEY = "scr_demo_key_123"
PAGE_KEY = "pk_for_the_pages_of_acme"
PAGE = "https://app.example.com"
ACME, RIVAL = "hk_acme_0123456789abcdef", "hk_rival_0123456789abcdef"
BASE = "http://localhost/api/session-completion"
EVENTS = BASE + "/events"


def bearer(token: str = KEY) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
async def scr() -> AsyncIterator[Application]:
    """Two tenants with tokens, SCR_API_KEY and a public key of the tenant `shop`, and the dashboard's login."""
    async with application(
        HARPOON_OPEN="0",
        HARPOON_TOKENS=f"{ACME},{RIVAL}",
        HARPOON_ADMIN_TOKEN="hk_admin_0123456789abcdef01234567",
        SCR_API_KEY=KEY,
        SCR_TENANT="shop",
        SCR_PUBLIC_KEYS=PAGE_KEY,
        SCR_ALLOWED_ORIGINS=PAGE,
        SCR_DASHBOARD_USER="ops",
        SCR_DASHBOARD_PASSWORD="a long password",
    ) as harness:
        yield harness


async def post(scr: Application, body: Any, headers: dict[str, str] | None = None, query: str = "") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await scr.client.post(EVENTS + query, content=content, headers=headers or bearer())


async def recent_ids(scr: Application, headers: dict[str, str] | None = None, limit: int = 200) -> list[str]:
    answer = await scr.client.get(f"{BASE}/recent?limit={limit}", headers=headers or bearer())
    assert answer.status_code == 200
    return [event["event_id"] for event in answer.json()["events"]]


async def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["code"], error["param"]


async def test_one_event_is_acknowledged_with_its_id_and_found_again(scr: Application) -> None:
    answer = await post(scr, FULL)
    assert answer.status_code == 200
    assert answer.json().keys() == {"ok", "event_id", "ts"}
    assert (answer.json()["ok"], answer.json()["event_id"]) == (True, "evt_1")

    found = (await scr.client.get(f"{EVENTS}/evt_1", headers=bearer())).json()
    assert found["session"]["session_id"] == "sess_7"
    assert found["usage"]["estimated_cost_usd"] == 0.0428
    assert (found["routed_to"], found["source"], found["captured_at"]) == ([], "reported", answer.json()["ts"])


async def test_a_batch_is_taken_as_a_whole_and_listed_newest_first(scr: Application) -> None:
    batch = [changed("event_id", f"evt_{number}") for number in range(100)]
    answer = await post(scr, batch)
    assert answer.json() == {"ok": True, "accepted": 100, "event_ids": [f"evt_{number}" for number in range(100)]}
    assert await recent_ids(scr) == [f"evt_{number}" for number in reversed(range(100))]
    assert await recent_ids(scr, limit=2) == ["evt_99", "evt_98"]

    answer = await post(scr, [changed("event_id", "evt_good"), changed("usage.total_tokens", -1)])
    assert await refusal(answer) == (422, "invalid_event", "[1].usage.total_tokens")
    assert len(await recent_ids(scr)) == 100


async def test_the_short_form_gets_an_id_and_what_is_assumed_is_named(scr: Application) -> None:
    answer = await post(scr, SHORT)
    found = (await scr.client.get(f"{EVENTS}/{answer.json()['event_id']}", headers=bearer())).json()
    assert found["outcome"]["status"] == "timeout"
    assert found["user"]["organization_id"] == "shop"
    assert "user.user_id" in found["metadata"]["assumed_fields"]


MALFORMED: list[tuple[bytes, int, str]] = [
    (b"", 422, ""),
    (b"{", 422, ""),
    (b'"x"', 422, ""),
    (b"[]", 413, ""),
    (b'{"session_id": "s", "usage": {"total_tokens": NaN}}', 422, ""),
    (b'{"session_id": "s", "usage": {"total_tokens": -1}}', 422, "usage.total_tokens"),
    (b'{"session_id": "s", "usage": {"total_tokens": 1.5}}', 422, "usage.total_tokens"),
    (b'{"session_id": "s", "usage": {"total_tokens": 1e400}}', 422, ""),
    (b'{"session_id": "s", "usage": {"total_tokens": true}}', 422, "usage.total_tokens"),
    (b'{"session_id": "s", "usage": {"total_tokens": 1}, "usage": {}}', 422, ""),
    (b'{"session_id": "\xff", "usage": {"total_tokens": 1}}', 422, ""),
    (b'{"session_id": "\\ud800", "usage": {"total_tokens": 1}}', 422, ""),
    (b'{"session_id": "s", "schema_version": 2, "usage": {"total_tokens": 1}}', 422, "schema_version"),
    (b'{"session_id": "s", "schema_version": "v1.2", "usage": {"total_tokens": 1}}', 422, "schema_version"),
    (b'{"session_id": "s", "timestamp": "soon", "usage": {"total_tokens": 1}}', 422, "timestamp"),
    (b'{"session_id": "s", "outcome": "fine", "usage": {"total_tokens": 1}}', 422, "outcome"),
    (b'{"session_id": "s", "event_id": "a.b", "usage": {"total_tokens": 1}}', 422, "event_id"),
    (b'{"usage": {"total_tokens": 1}}', 422, "session"),
    (json.dumps([SHORT] * 1_001).encode(), 413, ""),
    (b'{"session_id": "s", "usage": {"total_tokens": 1}, "metadata": "' + b"x" * 10_000_000 + b'"}', 413, ""),
    (json.dumps({**SHORT, "metadata": {"long": "x" * 600_000}}).encode(), 413, "metadata"),
]


@pytest.mark.parametrize(("body", "status", "param"), MALFORMED)
async def test_what_is_wrong_is_refused_by_name_and_nothing_is_kept(
    scr: Application, body: bytes, status: int, param: str
) -> None:
    found = await refusal(await post(scr, body))
    assert (found[0], found[2] or "") == (status, param)
    assert found[1] == ("invalid_event" if status == 422 else "request_too_large")
    assert await recent_ids(scr) == []


async def test_a_retry_is_acknowledged_again_and_another_text_under_the_id_is_refused(scr: Application) -> None:
    first = await post(scr, FULL)
    again = await post(scr, FULL)
    assert again.json()["event_id"] == first.json()["event_id"]
    assert await recent_ids(scr) == ["evt_1"]
    other = await post(scr, changed("usage.model", "gpt-5"))
    assert await refusal(other) == (409, "event_conflict", "event_id")
    batch = await post(scr, [changed("event_id", "evt_2"), changed("usage.model", "gpt-5")])
    assert await refusal(batch) == (409, "event_conflict", "[1].event_id")
    assert await recent_ids(scr) == ["evt_1"]


async def test_a_retry_that_left_times_to_us_is_the_same_event(scr: Application) -> None:
    """The reporter says the same twice; only our clock has gone on meanwhile."""
    for _ in range(2):
        answer = await post(scr, {**SHORT, "event_id": "evt_mine"})
        assert answer.status_code == 200
        await asyncio.sleep(0.002)
    assert await recent_ids(scr) == ["evt_mine"]
    other = await post(scr, {**SHORT, "event_id": "evt_mine", "timestamp": "2026-01-01T00:00:00Z"})
    assert other.status_code == 409


async def test_two_equal_completions_with_different_ids_are_two(scr: Application) -> None:
    await post(scr, [changed("event_id", "evt_a"), changed("event_id", "evt_b")])
    assert await recent_ids(scr) == ["evt_b", "evt_a"]


async def test_an_id_that_is_twice_in_a_batch_counts_once(scr: Application) -> None:
    answer = await post(scr, [FULL, FULL])
    assert answer.json()["event_ids"] == ["evt_1", "evt_1"]
    assert await recent_ids(scr) == ["evt_1"]
    answer = await post(scr, [changed("event_id", "evt_2"), changed("usage.model", "x", changed("event_id", "evt_2"))])
    assert await refusal(answer) == (409, "event_conflict", "[1].event_id")


async def test_nobody_sees_another_tenants_events(scr: Application) -> None:
    """An id is the tenant's own: the same one elsewhere is another event, and not told of."""
    await post(scr, changed("user.organization_id", "rival"), bearer(ACME))
    await post(scr, changed("usage.model", "other"), bearer(RIVAL))
    for token in (ACME, RIVAL):
        assert await recent_ids(scr, bearer(token)) == ["evt_1"]
    assert await recent_ids(scr) == []
    assert (await scr.client.get(f"{EVENTS}/evt_1", headers=bearer())).status_code == 404
    found = (await scr.client.get(f"{EVENTS}/evt_1", headers=bearer(ACME))).json()
    assert (found["usage"]["model"], found["tenant"]) == ("gpt-4", "acme")
    figures = (await scr.client.get(f"{BASE}/metrics", headers=bearer())).json()
    assert figures["events_captured"] == figures["events_captured_last_hour"] == 0


async def test_the_operator_sees_everybodys(scr: Application) -> None:
    for token in (ACME, RIVAL, KEY):
        await post(scr, FULL, bearer(token))
    login = {"authorization": "Basic " + base64.b64encode(b"ops:a long password").decode()}
    for headers in (login, bearer("hk_admin_0123456789abcdef01234567")):
        assert await recent_ids(scr, headers) == ["evt_1"] * 3
        assert (await scr.client.get(f"{BASE}/metrics", headers=headers)).json()["events_captured"] == 3
    wrong = {"authorization": "Basic " + base64.b64encode(b"ops:another one").decode()}
    assert (await scr.client.get(f"{BASE}/recent", headers=wrong)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer "},
        {"authorization": "Bearer scr_demo_key_124"},
        {"authorization": "scr_demo_key_123"},
        {"x-api-key": "scr_demo_key_12"},
        {"authorization": "Bearer hk_acme_wrong"},
        {"authorization": "Bearer scr_demo_key_12\xe9"},
        {"cookie": "key=scr_demo_key_123"},
    ],
)
async def test_without_a_key_nothing_is_taken_or_shown(scr: Application, headers: dict[str, str]) -> None:
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = await scr.client.post(EVENTS, content=json.dumps(FULL).encode(), headers=sent)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    for path in ("recent", "metrics", "events/evt_1"):
        assert (await scr.client.get(f"{BASE}/{path}", headers=sent)).status_code == 401  # type: ignore[arg-type]
    assert KEY not in answer.text


async def test_the_key_may_stand_in_either_header(scr: Application) -> None:
    assert (await post(scr, FULL, {"x-api-key": KEY})).status_code == 200
    assert await recent_ids(scr) == ["evt_1"]


async def test_a_page_reports_with_a_public_key_in_the_address_and_can_do_nothing_else(scr: Application) -> None:
    query = f"?public_key={PAGE_KEY}"
    answer = await post(scr, SHORT, {"origin": PAGE, "content-type": "text/plain"}, query)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "origin"
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    assert len(await recent_ids(scr)) == 1
    for path in ("recent", "metrics", f"events/{answer.json()['event_id']}"):
        assert (await scr.client.get(f"{BASE}/{path}{query}", headers={"origin": PAGE})).status_code == 401
        assert (await scr.client.get(f"{BASE}/{path}", headers=bearer(PAGE_KEY))).status_code == 401
    elsewhere = await post(scr, SHORT, {"origin": "https://evil.example"}, query)
    assert await refusal(elsewhere) == (403, "origin_not_allowed", None)
    assert "access-control-allow-origin" not in elsewhere.headers
    large = await post(scr, {**SHORT, "metadata": {"much": "x" * 70_000}}, {"origin": PAGE}, query)
    assert await refusal(large) == (413, "request_too_large", None)
    assert large.headers["access-control-allow-origin"] == PAGE


async def test_a_browser_asks_first_and_is_told_who_may(scr: Application) -> None:
    asked = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    answer = await scr.client.options(EVENTS, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert "content-type" in answer.headers["access-control-allow-headers"]
    answer = await scr.client.options(EVENTS, headers={**asked, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


async def fill(scr: Application, position: int = 0) -> None:
    """A destination that has taken up everything up to `position`."""

    def stand(sql: Sql) -> None:
        sql.execute("DELETE FROM destination")
        sql.execute(
            "INSERT INTO destination (name, position, holder, held_until_us, failures, failing_key, retry_us,"
            " delivered, skipped, reason, off, began) VALUES ('billing', ?, '', 0, 0, '', 0, ?, 0, '', '', 0)",
            position,
            position,
        )

    await scr.kept.transact(stand)


async def test_a_full_spool_says_when_to_come_again_and_takes_what_it_has_already() -> None:
    async with application(SCR_SPOOL_MAX_EVENTS="3") as scr:
        await fill(scr)
        batch = [changed("event_id", f"evt_{number}") for number in range(3)]
        assert (await post(scr, batch, {"x": "y"})).status_code == 200
        answer = await post(scr, changed("event_id", "evt_3"), {"x": "y"})
        assert await refusal(answer) == (429, "spool_full", None)
        assert int(answer.headers["retry-after"]) > 0
        assert (await post(scr, batch, {"x": "y"})).status_code == 200, "a retry of what is kept is no more to keep"
        await fill(scr, position=1)
        assert (await post(scr, changed("event_id", "evt_3"), {"x": "y"})).status_code == 200


async def test_a_full_disk_is_told_and_nothing_is_acknowledged(scr: Application) -> None:
    """SQLite's own limit of pages stands in for the disk: it fails in the same place and in the same way."""
    connection = scr.kept._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + 40}")
    acknowledged = []
    for number in range(100):
        answer = await post(scr, changed("metadata.long", "x" * 4_000, changed("event_id", f"evt_{number}")))
        if answer.status_code != 200:
            break
        acknowledged.append(answer.json()["event_id"])
    assert 0 < len(acknowledged) < 100
    assert await refusal(answer) == (503, "spool_unavailable", None)
    assert int(answer.headers["retry-after"]) > 0
    assert "SQLite" not in answer.text
    assert await recent_ids(scr) == list(reversed(acknowledged))
    connection.execute("PRAGMA max_page_count=1000000")
    assert (await post(scr, changed("event_id", "evt_after"))).status_code == 200


async def test_the_published_schemas_are_those_of_the_code(scr: Application) -> None:
    assert (await scr.client.get(f"{BASE}/schema")).json() == capture_schema()
    assert (await scr.client.get(f"{BASE}/schema?form=event")).json() == event_schema()
    assert (await scr.client.get(f"{BASE}/schema?form=other")).status_code == 400


def envelope(envelope_id: str, **members: Any) -> CloudEvent:
    attributes = {
        "type": "ai.harpoon.session.completed.v1",
        "source": "/tests",
        "id": envelope_id,
        "specversion": "1.0",
    }
    return CloudEvent({**attributes, "datacontenttype": "application/json"}, {**SHORT, **members})


def body_of(message: HTTPMessage) -> bytes:
    return message.body if isinstance(message.body, bytes) else message.body.encode()


async def test_cloudevents_are_taken_in_every_mode_as_their_own_package_writes_them(scr: Application) -> None:
    for make, event_id in ((to_structured_event, "evt_structured"), (to_binary_event, "evt_binary")):
        message = make(envelope(event_id))
        answer = await post(scr, body_of(message), {**message.headers, **bearer()})
        assert (answer.status_code, answer.json()["event_id"]) == (200, event_id)
    single = [body_of(to_structured_event(envelope(f"evt_{number}"))) for number in range(3)]
    batch = {"content-type": "application/cloudevents-batch+json; charset=utf-8", **bearer()}
    answer = await post(scr, b"[" + b",".join(single) + b"]", batch)
    assert answer.json()["event_ids"] == ["evt_0", "evt_1", "evt_2"]
    own = await post(scr, body_of(to_structured_event(envelope("evt_outer", event_id="evt_inner"))), batch | STRUCTURED)
    assert own.json()["event_id"] == "evt_inner"
    assert len(await recent_ids(scr)) == 6


STRUCTURED = {"content-type": "application/cloudevents+json"}
GOOD = {"specversion": "1.0", "id": "evt_1", "source": "/x", "type": "session.completed", "data": SHORT}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (GOOD | {"specversion": "0.3"}, "specversion"),
        (GOOD | {"type": "other"}, "type"),
        (GOOD | {"id": ""}, "id"),
        (GOOD | {"source": 1}, "source"),
        (GOOD | {"id": "not an id"}, "data.event_id"),
        ({name: value for name, value in GOOD.items() if name != "data"}, "data"),
        (GOOD | {"data": {**SHORT, "usage": {"total_tokens": -1}}}, "data.usage.total_tokens"),
        (GOOD | {"data": "e30="}, "data"),
        ([GOOD], ""),
    ],
)
async def test_a_wrong_envelope_is_refused_by_name(scr: Application, body: Any, param: str) -> None:
    found = await refusal(await post(scr, body, STRUCTURED | bearer()))
    assert (found[0], found[1], found[2] or "") == (422, "invalid_event", param)
    if param:
        batch = {"content-type": "application/cloudevents-batch+json"} | bearer()
        assert (await refusal(await post(scr, [GOOD, body], batch)))[2] == f"[1].{param}"
    assert await recent_ids(scr) == []


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "what=1", "limit=1&limit=2"])
async def test_a_query_that_makes_no_sense_is_refused(scr: Application, query: str) -> None:
    assert (await scr.client.get(f"{BASE}/recent?{query}", headers=bearer())).status_code == 400


async def test_figures_tell_captures_and_destinations(scr: Application) -> None:
    await fill(scr, position=1)
    await post(scr, [changed("event_id", f"evt_{number}") for number in range(3)])
    figures = (await scr.client.get(f"{BASE}/metrics", headers=bearer())).json()
    assert figures["events_captured"] == figures["events_captured_last_minute"] == 3
    assert figures["average_latency_ms"] > 0
    assert figures["capture_latency"]["p99_ms"] >= figures["capture_latency"]["average_ms"] > 0
    (billing,) = figures["destinations"]
    assert (billing["delivered"], billing["pending"], billing["parked"], billing["dead"]) == (1, 2, 0, 0)
    assert billing["reachable"]
    assert figures["destinations_reachable"] == 1


async def test_alone_it_serves_sessions_and_nothing_else() -> None:
    async with application(HARPOON_SURFACES="sessions") as scr:
        assert (await post(scr, FULL, {"x": "y"})).status_code == 200
        for path in ("/health", "/openapi.json", "/"):
            assert (await scr.client.get("http://localhost" + path)).status_code == 200
        assert (await scr.client.post("/chat/completions", json={})).status_code == 404
        assert (await scr.client.get("/models")).status_code == 404
