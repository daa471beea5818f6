"""/admin: tenants and keys from making to revoking, as an administrator and as the key's holder see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jsonschema
import pytest

from tests.openai_shapes import error_findings
from tests.openapi_fuzz import fuzz
from tests.worker.api.application_kit import Application, application, ask
from worker.api.auth import MIN_ADMIN_SECRET, admin_digest, is_admin
from worker.api.limit_headers import duration_text
from worker.api.openapi.document import document
from worker.configuration import read_configuration
from worker.errors import SettingsError

ADMIN = "hk_admin_" + "s3cret" * 5
HOST = "hk_acme_of-the-host"
ROOT = "http://localhost"
NOBODYS = f"hk_acme_key_{'0' * 24}_{'0' * 64}"
LOOPBACK_LIMITS = {"HARPOON_ADMIN_TOKEN": ADMIN, "HARPOON_TOKENS": HOST}


class Office:
    """An administrator at work, and the application."""

    def __init__(self, harpoon: Application) -> None:
        self.harpoon = harpoon

    async def call(self, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {ADMIN}"}
        answer = await self.harpoon.client.request(method, f"{ROOT}/admin{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        check_described(method, path, answer)
        value: dict[str, Any] = answer.json()
        return value

    async def key(self, tenant: str = "acme", **members: Any) -> dict[str, Any]:
        return await self.call("POST", f"/tenants/{tenant}/keys", {"name": "ci", **members}, 201)

    async def chat(self, token: str, **fields: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}", **fields.pop("headers", {})}
        return await self.harpoon.client.post("/chat/completions", json=ask(**fields), headers=headers)


def check_described(method: str, path: str, answer: httpx.Response) -> None:
    """The answer has the schema that the description gives it."""
    whole = document()
    parts = f"/admin{path}".partition("?")[0].split("/")
    names = [{3: "{tenant}", 5: "{key_id}"}.get(place, part) for place, part in enumerate(parts)]
    described = whole["paths"]["/".join(names)][method.lower()]["responses"][str(answer.status_code)]
    if "$ref" in described:
        described = whole["components"]["responses"][str(answer.status_code)]
    schema = described["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, "components": whole["components"]}).validate(answer.json())


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with application(**LOOPBACK_LIMITS) as harpoon:
        found = Office(harpoon)
        await found.call("POST", "/tenants", {"tenant": "acme"}, 201)
        yield found


async def test_a_key_from_its_making_to_its_end(office: Office) -> None:
    made = await office.key(expires_in_s=3_600, limits={"requests_per_minute": 10})
    path = f"/tenants/acme/keys/{made['key_id']}"
    assert made["status"] == "active"
    assert made["expires_us"] - made["created_us"] == 3_600_000_000
    assert (await office.chat(made["token"])).status_code == 200
    rotated = await office.call("POST", f"{path}/rotate", {"overlap_s": 60})
    for token in (made["token"], rotated["token"]):
        assert (await office.chat(token)).status_code == 200
    await office.call("POST", f"{path}/rotate", {"overlap_s": 0})
    refused = await office.chat(rotated["token"])
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        401,
        "this token has expired; ask the operator for another",
    )
    await office.harpoon.none_open()
    used = await office.call("GET", f"{path}/usage")
    assert (used["total"]["requests"], used["total"]["refused"]) == (3, 0)
    assert [day["requests"] for day in used["days"]] == [3]
    assert (await office.call("GET", "/tenants/acme/usage?days=1"))["total"] == used["total"]
    assert (await office.call("DELETE", path))["status"] == "revoked"
    refused = await office.chat(made["token"])
    assert refused.status_code == 401
    assert error_findings(refused.json()) == []
    assert "x-harpoon-decision-id" not in refused.headers
    (listed,) = (await office.call("GET", "/tenants/acme/keys"))["data"]
    assert (listed["status"], listed["last_used_on"]) == ("revoked", used["days"][0]["day"])
    assert listed == await office.call("GET", path)


async def test_the_token_is_shown_once_and_stored_nowhere(office: Office) -> None:
    made = await office.key()
    rotated = await office.call("POST", f"/tenants/acme/keys/{made['key_id']}/rotate", {})
    seen = json.dumps([await office.call("GET", path) for path in ("/tenants/acme/keys", "/tenants/acme", "/tenants")])
    kept = ""
    for table in ("tenant", "api_key", "ledger", "decision", "bucket", "usage", "account"):
        kept += str(await office.harpoon.rows(f"SELECT * FROM {table}"))
    for token in (made["token"], rotated["token"]):
        secret = token.rpartition("_")[2]
        assert len(secret) == 64
        assert secret not in seen + kept


async def test_a_stored_key_is_as_good_as_the_hosts_own_on_every_surface(office: Office) -> None:
    token = (await office.key())["token"]
    for method, path, body in (
        ("GET", "/v1/models", None),
        ("GET", "/v1/decisions", None),
        ("GET", "/v2/catalogue", None),
        ("GET", "/metrics", None),
        ("GET", "/health?detailed=true", None),
        ("GET", "/v2/covenant", None),
        ("POST", "/v2/covenant/parse", {"text": "$2 budget"}),
        ("POST", "/v2/route", {"text": "Hi"}),
        ("POST", "/classify", {"text": "Hi"}),
        ("POST", "/run", {"text": "Hi"}),
        ("POST", "/v2/process", {"text": "Hi"}),
    ):
        told = {}
        for name, given in (("stored", token), ("host", HOST), ("nobody", NOBODYS), ("none", "")):
            headers = {"authorization": f"Bearer {given}"} if given else {}
            answer = await office.harpoon.client.request(method, ROOT + path, json=body, headers=headers)
            told[name] = answer.status_code
        assert told == {"stored": 200, "host": 200, "nobody": 401, "none": 401}, path


async def test_a_token_of_the_hosts_needs_no_state(office: Office) -> None:
    assert (await office.chat(HOST)).status_code == 200
    assert await office.harpoon.rows("SELECT COUNT(*) FROM usage") == [(0,)]


async def test_an_unknown_tenant_leaves_no_trace(office: Office) -> None:
    before = await office.harpoon.rows("SELECT * FROM tenant")
    for number in range(20):
        token = NOBODYS.replace("acme", f"nobody-{number}")
        assert (await office.chat(token)).status_code == 401
        answer = await office.harpoon.client.get("/models", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401
    assert await office.harpoon.rows("SELECT * FROM tenant") == before
    assert await office.harpoon.rows("SELECT COUNT(*) FROM decision") == [(0,)]


async def test_a_limit_is_exact_in_a_crowd_and_named(office: Office) -> None:
    token = (await office.key(limits={"requests_per_minute": 10}))["token"]
    answers = await asyncio.gather(*(office.chat(token) for _ in range(64)))
    admitted = [answer for answer in answers if answer.status_code == 200]
    assert len(admitted) == 10
    assert sorted(int(one.headers["x-ratelimit-remaining-requests"]) for one in admitted) == list(range(10))
    refused = next(answer for answer in answers if answer.status_code != 200)
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert error_findings(refused.json()) == []
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "requests")
    assert error["reasons"] == ["requests_per_minute of key ci: 10"]
    assert "requests_per_minute of key ci: 10" in error["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 6
    assert refused.headers["x-ratelimit-limit-requests"] == "10"
    assert "x-harpoon-decision-id" not in refused.headers
    page = await office.harpoon.client.get(f"{ROOT}/metrics", headers={"authorization": f"Bearer {HOST}"})
    assert 'harpoon_limited_total{limit="requests_per_minute"' in page.text
    await office.harpoon.none_open()


async def test_tokens_are_limited_by_what_is_planned(office: Office) -> None:
    token = (await office.key(limits={"tokens_per_minute": 100}))["token"]
    refused = await office.chat(token, max_tokens=101)
    error = refused.json()["error"]
    assert (refused.status_code, error["type"]) == (429, "tokens")
    assert error["reasons"][0].startswith("tokens_per_minute of key ci: 100; this request is planned with ")
    answer = await office.chat(token, max_tokens=10)
    assert answer.status_code == 200
    assert answer.headers["x-ratelimit-limit-tokens"] == "100"
    assert "x-ratelimit-limit-requests" not in answer.headers


async def test_no_limit_no_header(office: Office) -> None:
    answer = await office.chat((await office.key())["token"])
    assert [name for name in answer.headers if name.startswith("x-ratelimit")] == []


async def test_a_budget_of_the_key_refuses_with_402_and_its_name(office: Office) -> None:
    token = (await office.key(limits={"usd_per_day": "0"}))["token"]
    refused = await office.chat(token)
    assert refused.status_code == 402
    assert "key_day" in refused.json()["error"]["message"]


async def test_what_a_key_may_not_use_is_403_with_the_code(office: Office) -> None:
    token = (await office.key(models=["qwen3-30b-a3b"]))["token"]
    answer = await office.chat(token)
    assert answer.headers["x-harpoon-route"].startswith("simulator/qwen3-30b-a3b@")
    refused = await office.chat(token, model="llama-3.1-8b-instruct")
    assert refused.status_code == 403
    assert "AUTHORITY_BOUNDARY_FAIL: llama-3.1-8b-instruct" in refused.text
    explained = await office.harpoon.client.post(
        f"{ROOT}/v2/route", json={"text": "Hi"}, headers={"authorization": f"Bearer {token}"}
    )
    assert explained.json()["selected"].startswith("simulator/qwen3-30b-a3b@")


async def test_terms_change_from_the_next_request_on(office: Office) -> None:
    made = await office.key(limits={"usd_total": 0})
    path = f"/tenants/acme/keys/{made['key_id']}"
    assert (await office.chat(made["token"])).status_code == 402
    changed = await office.call("PATCH", path, {"limits": {"usd_total": None}, "name": "nightly", "expires_in_s": None})
    assert (changed["limits"]["usd_total"], changed["name"]) == (None, "nightly")
    assert (await office.chat(made["token"])).status_code == 200
    await office.call("PATCH", "/tenants/acme", {"limits": {"usd_per_request": "0"}})
    assert (await office.chat(made["token"])).status_code == 402
    assert (await office.chat(HOST)).status_code == 402


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tenants", {}, "tenant"),
        ("/tenants", {"tenant": 5}, "tenant"),
        ("/tenants", {"tenant": "A"}, "tenant"),
        ("/tenants", {"tenant": "a_b"}, "tenant"),
        ("/tenants", {"tenant": "x" * 64}, "tenant"),
        ("/tenants", {"tenant": "admin"}, "tenant"),
        ("/tenants", {"tenant": "b", "limit": {}}, "limit"),
        ("/tenants", {"tenant": "b", "limits": []}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"requests": 5}}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"requests_per_minute": 0}}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"requests_per_minute": -1}}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"requests_per_minute": 1.5}}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"requests_per_minute": True}}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"requests_per_minute": 10**9}}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"usd_per_day": -1}}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"usd_per_day": "$5"}}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"usd_per_day": 0.0000001}}, "limits"),
        ("/tenants", {"tenant": "b", "limits": {"usd_per_day": {}}}, "limits"),
        ("/tenants", {"tenant": "b", "providers": "groq"}, "providers"),
        ("/tenants", {"tenant": "b", "providers": [5]}, "providers"),
        ("/tenants", {"tenant": "b", "providers": ["nobody"]}, "providers"),
        ("/tenants", {"tenant": "b", "models": ["no-such"]}, "models"),
        ("/tenants/acme/keys", {}, "name"),
        ("/tenants/acme/keys", {"name": ""}, "name"),
        ("/tenants/acme/keys", {"name": "x" * 65}, "name"),
        ("/tenants/acme/keys", {"name": "caf\u00e9"}, "name"),
        ("/tenants/acme/keys", {"name": "two\nlines"}, "name"),
        ("/tenants/acme/keys", {"name": "ci", "expires_in_s": 0}, "expires_in_s"),
        ("/tenants/acme/keys", {"name": "ci", "expires_in_s": "1d"}, "expires_in_s"),
        ("/tenants/acme/keys", {"name": "ci", "expires_in_s": True}, "expires_in_s"),
        (f"/tenants/acme/keys/key_{'0' * 24}/rotate", {"overlap_s": None}, "overlap_s"),
        (f"/tenants/acme/keys/key_{'0' * 24}/rotate", {"overlap_s": -1}, "overlap_s"),
    ],
)
async def test_what_an_administrator_may_not_say(office: Office, path: str, body: Any, param: str) -> None:
    error = (await office.call("POST", path, body, 400))["error"]
    assert error["param"] == param
    assert (await office.call("GET", "/tenants"))["data"][0]["tenant"] == "acme"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/tenants/nobody", 404, "tenant_not_found"),
        ("PATCH", "/tenants/nobody", 404, "tenant_not_found"),
        ("GET", "/tenants/_tenants", 404, "tenant_not_found"),
        ("GET", "/tenants/nobody/keys", 404, "tenant_not_found"),
        ("GET", f"/tenants/acme/keys/key_{'0' * 24}", 404, "key_not_found"),
        ("GET", "/tenants/acme/keys/key_0", 404, "key_not_found"),
        ("DELETE", f"/tenants/acme/keys/key_{'0' * 24}", 404, "key_not_found"),
        ("GET", f"/tenants/acme/keys/key_{'0' * 24}/usage", 404, "key_not_found"),
        ("GET", "/tenants/acme/usage?days=0", 400, "invalid_request"),
        ("GET", "/tenants/acme/keys?before=dec_0", 400, "invalid_request"),
        ("GET", "/tenants?limit=1001", 400, "invalid_request"),
    ],
)
async def test_what_is_not_there(office: Office, method: str, path: str, status: int, code: str) -> None:
    assert (await office.call(method, path, None, status))["error"]["code"] == code


async def test_a_name_that_is_taken_and_a_key_that_was_revoked_are_conflicts(office: Office) -> None:
    assert (await office.call("POST", "/tenants", {"tenant": "acme"}, 409))["error"]["code"] == "conflict"
    path = f"/tenants/acme/keys/{(await office.key())['key_id']}"
    await office.call("DELETE", path)
    await office.call("DELETE", path, None, 409)
    await office.call("PATCH", path, {}, 409)


async def test_lists_come_page_by_page(office: Office) -> None:
    for name in ("b", "c"):
        await office.call("POST", "/tenants", {"tenant": name}, 201)
    first = await office.call("GET", "/tenants?limit=2")
    assert ([one["tenant"] for one in first["data"]], first["has_more"]) == (["acme", "b"], True)
    rest = await office.call("GET", "/tenants?limit=2&after=b")
    assert ([one["tenant"] for one in rest["data"]], rest["has_more"]) == (["c"], False)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", f"Bearer {ADMIN}x", f"Basic {ADMIN}", HOST, f"Bearer {HOST}", "Bearer " + "x" * 999],
)
async def test_nobody_else_is_an_administrator(office: Office, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    for method, path in (("GET", "/tenants"), ("POST", "/tenants"), ("DELETE", f"/tenants/acme/keys/key_{'0' * 24}")):
        answer = await office.harpoon.client.request(method, f"{ROOT}/admin{path}", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_administrators_token_asks_no_model(office: Office) -> None:
    assert (await office.chat(ADMIN)).status_code == 401


async def test_without_an_administrators_token_there_is_no_administration(harpoon: Application) -> None:
    for authorization in ("", f"Bearer {ADMIN}", "Bearer "):
        answer = await harpoon.client.get(f"{ROOT}/admin/tenants", headers={"authorization": authorization})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "administration_off")


async def test_where_stored_keys_are_off_none_is_looked_up() -> None:
    async with application(HARPOON_TOKENS=HOST) as harpoon:
        answer = await Office(harpoon).chat(NOBODYS)
        assert answer.status_code == 401
    assert not read_configuration({"HARPOON_ADMIN_TOKEN": ADMIN, "HARPOON_STORED_KEYS": "off"}).stored_keys
    assert read_configuration({"HARPOON_STORED_KEYS": "on"}).stored_keys


async def test_an_administrators_token_closes_an_open_host() -> None:
    async with application(HARPOON_ADMIN_TOKEN=ADMIN) as harpoon:
        assert (await harpoon.client.get("/models")).status_code == 401


@pytest.mark.parametrize("token", ["x" * 40, "hk_acme_" + "x" * 40, "hk_admin_short", f"{ADMIN} x", f"{ADMIN}\u00e9"])
def test_an_administrators_token_of_another_form_is_refused_unshown(token: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_configuration({"HARPOON_ADMIN_TOKEN": token})
    assert raised.value.param == "HARPOON_ADMIN_TOKEN"
    assert token not in raised.value.message
    assert str(MIN_ADMIN_SECRET) in raised.value.message


def test_no_digest_is_nobodys() -> None:
    assert not is_admin("", None)
    assert not is_admin("", f"Bearer {ADMIN}")
    assert not is_admin("", "Bearer ")
    assert is_admin(admin_digest(ADMIN), f"Bearer {ADMIN}")
    configuration = read_configuration({"HARPOON_ADMIN_TOKEN": ADMIN})
    assert admin_digest(ADMIN) not in repr(configuration)


@pytest.mark.parametrize(
    ("duration_us", "text"),
    [
        (0, "0ms"),
        (1, "1ms"),
        (17_000, "17ms"),
        (999_001, "1s"),
        (1_260_000, "1.26s"),
        (59_999_001, "1m0s"),
        (60_000_000, "1m0s"),
        (86_400_000, "1m26.4s"),
        (360_000_000, "6m0s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(duration_us: int, text: str) -> None:
    assert duration_text(duration_us) == text


def test_nothing_an_administrator_sends_meets_an_answer_that_is_not_described() -> None:
    with asyncio.Runner() as runner:
        context = application(**LOOPBACK_LIMITS)
        harpoon = runner.run(context.__aenter__())
        client = httpx.AsyncClient(transport=httpx.ASGITransport(harpoon.app))
        whole = document()
        whole["paths"] = {path: item for path, item in whole["paths"].items() if path.startswith("/admin")}

        def send(method: str, url: str, headers: dict[bytes, bytes], content: bytes) -> httpx.Response:
            given = {**{k: v for k, v in headers.items() if k.lower() != b"authorization"}, b"authorization": key}
            return runner.run(client.request(method, url, headers=given, content=content))

        key = f"Bearer {ADMIN}".encode()
        try:
            office = Office(harpoon)
            runner.run(office.call("POST", "/tenants", {"tenant": "acme"}, 201))
            made = runner.run(office.key())
            seen = fuzz(whole, send, 30, {"tenant": "acme", "key_id": made["key_id"]})
        finally:
            runner.run(client.aclose())
            runner.run(context.__aexit__(None, None, None))
    missed = {operation: statuses for operation, statuses in seen.items() if not statuses & {200, 201}}
    # Of the names that may be made, the only one tried is taken; of the keys, the only one is revoked by then.
    assert set(missed) <= {"POST /admin/tenants", "POST /admin/tenants/{tenant}/keys/{key_id}/rotate"}
