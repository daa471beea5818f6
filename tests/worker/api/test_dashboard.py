"""/dashboard: who gets in and who doesn't, and what is seen there; the page itself is tests/presentation's."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.worker.api.application_kit import Application, application
from worker.api.dashboard_login import (
    COOKIE,
    COOKIE_S,
    cookie_in,
    cookie_key,
    is_good_cookie,
    is_login,
    new_cookie,
)
from worker.login_throttle import (
    FREE_FAILURES,
    FREE_FAILURES_OF_ALL,
    LONGEST_WAIT_US,
    MOST_ADDRESSES,
    LoginThrottle,
)
from worker.sessions.cursors import claim_in, register_in
from worker.sessions.settings import SessionsSettings

ROOT = "http://localhost"
KEY = "scr_demo_key_123"
TOKEN = "hk_acme_s3cret"
ADMIN = "hk_admin_0123456789abcdef01234567"
LOGIN = {"user": "ops", "password": "right horse battery"}
CLOSED = {"HARPOON_TOKENS": TOKEN, "SCR_API_KEY": KEY}
SET = {**CLOSED, "SCR_DASHBOARD_USER": LOGIN["user"], "SCR_DASHBOARD_PASSWORD": LOGIN["password"]}
SECOND_US = 1_000_000
PATHS = ["/dashboard/data", "/dashboard/events/evt_1"]


async def report(harpoon: Application, **fields: Any) -> None:
    event = {"event_id": "evt_1", "session_id": "sess_1", "usage": {"total_tokens": 7}, **fields}
    answer = await harpoon.client.post(
        f"{ROOT}/api/session-completion/events", json=event, headers={"authorization": f"Bearer {KEY}"}
    )
    assert answer.status_code == 200, answer.text


async def log_in(harpoon: Application, **given: str) -> httpx.Response:
    # Not as httpx would write it, which can't write half of a surrogate pair.
    content = json.dumps({**LOGIN, **given})
    headers = {"content-type": "application/json"}
    return await harpoon.client.post(f"{ROOT}/dashboard/login", content=content, headers=headers)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def dies(harpoon: Application, destination: str = "billing") -> None:
    """Have the last event be a dead letter of a destination that never took it."""

    def bury(sql: Any) -> None:
        sql.execute("INSERT INTO dead_letter SELECT ?, MAX(id), 12, 'answered 410', 1 FROM event", destination)
        sql.execute("UPDATE destination SET position = (SELECT MAX(id) FROM event) WHERE name = ?", destination)

    await harpoon.kept.transact(bury)


async def destined(harpoon: Application, *names: str) -> None:
    await harpoon.kept.transact(lambda sql: register_in(sql, names))


async def test_nobody_gets_in_without_logging_in() -> None:
    async with application(**SET, HARPOON_ADMIN_TOKEN=ADMIN) as harpoon:
        await report(harpoon)
        for path in PATHS:
            for authorization in (None, f"Bearer {TOKEN}", f"Bearer {KEY}", f"Bearer {ADMIN}"):
                headers = {"authorization": authorization} if authorization else {}
                assert code(await harpoon.client.get(f"{ROOT}{path}", headers=headers)) == (401, "login_required")
        letter = {"destination": "billing", "event_id": "evt_1", "tenant": "default"}
        assert code(await harpoon.client.post(f"{ROOT}/dashboard/replay", json=letter)) == (401, "login_required")


async def test_who_logs_in_sees_the_sessions_of_all_tenants_until_logging_out() -> None:
    async with application(**SET) as harpoon:
        await report(harpoon)
        answer = await log_in(harpoon)
        assert (answer.status_code, answer.json()) == (200, {"ok": True, "expires_in_s": COOKIE_S})
        said = answer.headers["set-cookie"]
        assert said.startswith(f"{COOKIE}=")
        assert said.endswith(f"; Path=/dashboard; Max-Age={COOKIE_S}; HttpOnly; SameSite=Strict")
        seen = (await harpoon.client.get(f"{ROOT}/dashboard/data")).json()
        assert seen["access"] == "login"
        assert [one["session_id"] for one in seen["recent"]] == ["sess_1"]
        assert (seen["figures"]["events_captured"], sum(seen["per_minute"])) == (1, 1)
        assert seen["figures"]["capture_latency"]["p99_ms"] > 0
        assert (await harpoon.client.post(f"{ROOT}/dashboard/logout", json={})).status_code == 200
        assert code(await harpoon.client.get(f"{ROOT}/dashboard/data")) == (401, "login_required")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"password": "wrong"}, (401, "wrong_login")),
        ({"user": "Ops"}, (401, "wrong_login")),
        ({"user": "", "password": ""}, (401, "wrong_login")),
        ({"password": LOGIN["password"] + " "}, (401, "wrong_login")),
        ({"password": "\ud800"}, (400, "invalid_request")),
        ({"more": "x"}, (400, "invalid_request")),
        ({"user": 7}, (400, "invalid_request")),
        ({"user": None}, (400, "invalid_request")),
        ({"password": "x" * 9_000}, (413, "request_too_large")),
    ],
)
async def test_a_wrong_login_gives_no_cookie(given: dict[str, str], problem: tuple[int, str]) -> None:
    async with application(**SET) as harpoon:
        answer = await log_in(harpoon, **given)
        assert code(answer) == problem
        assert "set-cookie" not in answer.headers
        assert LOGIN["password"] not in answer.text


async def test_what_another_page_can_send_unasked_does_nothing() -> None:
    async with application(**SET) as harpoon:
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            answer = await harpoon.client.post(
                f"{ROOT}/dashboard/login",
                content=b'{"user": "ops", "password": "right horse battery"}',
                headers={"content-type": kind},
            )
            assert code(answer) == (400, "invalid_request")


async def test_over_https_the_cookie_goes_nowhere_else() -> None:
    async with application(**SET) as harpoon:
        headers = {"origin": "https://harpoon.example"}
        answer = await harpoon.client.post(f"{ROOT}/dashboard/login", json=LOGIN, headers=headers)
        assert answer.headers["set-cookie"].endswith("; Secure")


def cookies(key: bytes) -> Iterator[str]:
    """A right cookie with each of its characters changed, its parts cut and swapped, its time moved."""
    right = new_cookie(key, 1_000, "login_abc")
    for at in range(len(right)):
        yield right[:at] + ("0" if right[at] != "0" else "1") + right[at + 1 :]
        yield right[:at]
    until, name, mac = right.split(".")
    yield f"9{until}.{name}.{mac}"
    yield f"{until}.{name}"
    yield f"{name}.{until}.{mac}"
    yield f" {right}"
    yield f"{right}\n"
    yield f"{right}.{mac}"
    yield f"-1.{name}.{mac}"
    yield right.replace("login", "\u0661ogin")
    yield f"{until}.{name}.{mac.swapcase()}"


def settings(**given: str) -> SessionsSettings:
    return SessionsSettings(
        dashboard_user=LOGIN["user"], dashboard_password=given.get("password", LOGIN["password"]), api_key=KEY
    )


def test_a_cookie_that_was_tampered_with_is_none() -> None:
    key = cookie_key(settings(), "")
    assert is_good_cookie(key, new_cookie(key, 1_000, "login_abc"), 999)
    assert not is_good_cookie(key, new_cookie(key, 1_000, "login_abc"), 1_000)
    assert [one for one in cookies(key) if is_good_cookie(key, one, 0)] == []


def test_another_password_or_another_secret_knows_no_cookie_of_this_one() -> None:
    key = cookie_key(settings(), "digest")
    value = new_cookie(key, 1_000, "login_abc")
    assert is_good_cookie(cookie_key(settings(), "digest"), value, 0)
    for other in (cookie_key(settings(password="another one 12"), "digest"), cookie_key(settings(), "")):
        assert not is_good_cookie(other, value, 0)
    # Where user and password meet makes a difference too.
    shifted = SessionsSettings(dashboard_user="op", dashboard_password="s" + LOGIN["password"], api_key=KEY)
    assert cookie_key(shifted, "digest") != key


def test_no_login_is_right_where_none_is_set() -> None:
    assert is_login(settings(), **LOGIN)
    assert not is_login(SessionsSettings(), "", "")
    assert not is_login(settings(), "", "")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (f"{COOKIE}=a.b.c", "a.b.c"),
        (f"x=1; {COOKIE}=a; {COOKIE}=b", "a"),
        (f"x=1;{COOKIE}=a", "a"),
        (f"{COOKIE}", ""),
        (f"x{COOKIE}=a", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_cookie_is_found_among_others(header: str | None, value: str) -> None:
    assert cookie_in(header) == value


async def test_an_expired_cookie_opens_nothing() -> None:
    async with application(**SET) as harpoon:
        key = cookie_key(harpoon.services.sessions, harpoon.services.admin_digest)
        now_s = harpoon.clock.now_us() // SECOND_US
        for until_s, status in ((now_s + 60, 200), (now_s - 1, 401)):
            cookie = f"{COOKIE}={new_cookie(key, until_s, 'login_abc')}"
            answer = await harpoon.client.get(f"{ROOT}/dashboard/data", headers={"cookie": cookie})
            assert answer.status_code == status


async def test_the_cookie_opens_nothing_else() -> None:
    async with application(**SET) as harpoon:
        await log_in(harpoon)
        cookie = {"cookie": f"{COOKIE}={harpoon.client.cookies[COOKIE]}"}
        for path in ("/v1/models", "/v1/decisions", "/api/session-completion/recent", "/api/ledger/checkpoint"):
            answer = await harpoon.client.get(f"{ROOT}{path}", headers=cookie)
            assert answer.status_code == 401, path


async def test_too_many_wrong_logins_have_to_wait_and_the_right_one_too() -> None:
    async with application(**SET) as harpoon:
        for _ in range(FREE_FAILURES):
            assert code(await log_in(harpoon, password="wrong")) == (401, "wrong_login")
        answer = await log_in(harpoon)
        assert code(answer) == (429, "too_many_logins")
        assert answer.headers["retry-after"] == "1"


def test_waits_double_up_to_a_minute_and_are_forgotten() -> None:
    throttle, now_us, waits = LoginThrottle(), 0, []
    for _ in range(14):
        throttle.failed("a", now_us)
        waits.append(throttle.wait_us("a", now_us) // SECOND_US)
        now_us += 2 * LONGEST_WAIT_US
        assert throttle.wait_us("a", now_us) == 0
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert throttle.wait_us("b", now_us - 2 * LONGEST_WAIT_US) == 0
    throttle.failed("a", now_us)
    throttle.succeeded("a")
    assert throttle.wait_us("a", now_us) == 0


def test_guesses_from_many_addresses_are_slowed_too_and_their_notes_are_bounded() -> None:
    throttle = LoginThrottle()
    for number in range(2 * MOST_ADDRESSES):
        throttle.failed(f"address {number}", number)
    assert throttle.wait_us("another", 2 * MOST_ADDRESSES) > 0
    assert throttle.wait_us("another", 2 * MOST_ADDRESSES + SECOND_US) == 0
    assert len(throttle._failures) <= MOST_ADDRESSES
    assert FREE_FAILURES_OF_ALL > FREE_FAILURES
    for number in range(2 * MOST_ADDRESSES):
        throttle.succeeded(f"address {number}")
    assert len(throttle._known) <= MOST_ADDRESSES


def test_strangers_who_guess_do_not_lock_out_who_has_logged_in_before() -> None:
    throttle = LoginThrottle()
    throttle.succeeded("the operator's")
    for number in range(FREE_FAILURES_OF_ALL):
        throttle.failed(f"address {number}", 0)
    assert throttle.wait_us("another", 0) == SECOND_US
    assert throttle.wait_us("the operator's", 0) == 0
    for _ in range(FREE_FAILURES):
        throttle.failed("the operator's", 0)
    assert throttle.wait_us("the operator's", 0) == SECOND_US


async def test_guesses_by_http_basic_are_slowed_like_those_at_the_form() -> None:
    """Both ask for the same password, so that failures of one count for the other."""
    paths = ["/api/session-completion/recent", "/api/session-completion/metrics", "/metrics"]
    right = {"authorization": "Basic " + base64.b64encode(f"ops:{LOGIN['password']}".encode()).decode()}
    async with application(**SET) as harpoon:
        assert (await harpoon.client.get(f"{ROOT}/metrics", headers=right)).status_code == 200
        for guess in ("b3BzOndyb25n", "/", "\xe9", "b3Bz", "A" * 2_000):
            wrong = {"authorization": b"Basic " + guess.encode("latin-1")}
            assert (await harpoon.client.get(ROOT + paths[0], headers=wrong)).status_code == 401
        for path in paths:
            answer = await harpoon.client.get(ROOT + path, headers=right)
            assert (code(answer), answer.headers["retry-after"]) == ((429, "too_many_logins"), "1")
        assert code(await log_in(harpoon)) == (429, "too_many_logins")
        # Who sends no login is not held up by those who guess one.
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert (await harpoon.client.get(ROOT + paths[0], headers=bearer)).status_code == 200


async def test_without_a_login_set_it_says_what_to_set() -> None:
    async with application(**CLOSED) as harpoon:
        for answer in (await harpoon.client.get(f"{ROOT}/dashboard/data"), await log_in(harpoon)):
            assert code(answer) == (403, "dashboard_off")
            message = answer.json()["error"]["message"]
            assert "SCR_DASHBOARD_USER" in message
            assert "SCR_DASHBOARD_PASSWORD" in message


async def test_an_open_gateway_needs_no_login_and_says_so() -> None:
    async with application() as harpoon:
        seen = (await harpoon.client.get(f"{ROOT}/dashboard/data")).json()
        assert seen["access"] == "open"
        assert code(await log_in(harpoon)) == (403, "dashboard_off")
        elsewhere = await harpoon.client.get(f"{ROOT}/dashboard/data", headers={"host": "harpoon.example"})
        assert code(elsewhere) == (403, "not_local")
    # With a login set it is asked for, open or not.
    async with application(SCR_DASHBOARD_USER="ops", SCR_DASHBOARD_PASSWORD=LOGIN["password"]) as harpoon:
        assert code(await harpoon.client.get(f"{ROOT}/dashboard/data")) == (401, "login_required")


async def test_a_line_tells_how_soon_each_destination_had_the_session() -> None:
    async with application(**SET) as harpoon:
        await destined(harpoon, "audit", "billing")
        await report(harpoon, session_id="sess_demo_3", usage={"total_tokens": 2_140, "estimated_cost_usd": 0.0428})
        at_us = harpoon.clock.now_us() + 2_000_000

        def deliver(sql: Any) -> None:
            claim_in(sql, "audit", "me", at_us, 1_000_000, 10)
            sql.execute("INSERT INTO delivery VALUES ('audit', 1, 1, ?, '[]')", at_us)
            sql.execute("INSERT INTO delivery VALUES ('billing', 1, 1, ?, '[0]')", at_us)

        await harpoon.kept.transact(deliver)
        await log_in(harpoon)
        (line,) = (await harpoon.client.get(f"{ROOT}/dashboard/data")).json()["recent"]
        assert line.pop("delivered_after_us").keys() == {"audit"}
        assert line.pop("captured_at").endswith("Z")
        assert line == {
            "event_id": "evt_1",
            "tenant": "default",
            "source": "reported",
            "session_id": "sess_demo_3",
            "duration_ms": 0,
            "total_tokens": 2_140,
            "model": None,
            "estimated_cost_usd": "0.0428",
            "status": "success",
            "is_demo": True,
        }


async def test_one_event_in_depth() -> None:
    async with application(**SET) as harpoon:
        await report(harpoon, metadata={"demo": True})
        await log_in(harpoon)
        found = (await harpoon.client.get(f"{ROOT}/dashboard/events/evt_1", params={"tenant": "default"})).json()
        assert (found["event"]["session"]["session_id"], found["tenant"]) == ("sess_1", "default")
        assert (found["routed_to"], found["ledger"], found["source"]) == ([], None, "reported")
        for path in ("evt_2", "evt_1?tenant=acme", "x" * 200):
            answer = await harpoon.client.get(f"{ROOT}/dashboard/events/{path}")
            assert code(answer) == (404, "event_not_found")


async def test_a_dead_letter_is_shown_and_replayed_once() -> None:
    async with application(**SET) as harpoon:
        await destined(harpoon, "billing")
        await report(harpoon)
        await dies(harpoon)
        await log_in(harpoon)
        (letter,) = (await harpoon.client.get(f"{ROOT}/dashboard/data")).json()["dead_letters"]
        assert (letter["destination"], letter["reason"], letter["failures"]) == ("billing", "answered 410", 12)
        asked = {name: letter[name] for name in ("destination", "event_id", "tenant")}
        for count in (1, 0):
            answer = await harpoon.client.post(f"{ROOT}/dashboard/replay", json=asked)
            assert answer.json() == {"replayed": count}
        seen = (await harpoon.client.get(f"{ROOT}/dashboard/data")).json()
        assert seen["dead_letters"] == []
        (billing,) = seen["figures"]["destinations"]
        assert (billing["dead"], billing["parked"]) == (0, 1)
