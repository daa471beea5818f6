"""Stored keys and limits in real Durable Objects: verified by the tenant's own object, and exact in a crowd."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import FAILURE_BOUND_S, error_of, read_settled, settings

ADMIN = "hk_admin_" + "0123456789" * 3
QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}]}
NOBODYS = f"hk_nobody_key_{'0' * 24}_{'0' * 64}"
CROWD = 32


@pytest.fixture(scope="module")
def worker(gateway: str) -> Iterator[EdgeWorker]:
    """The product's Worker with an administrator, and the gateway's simulator to ask."""
    variables = {**settings(["host"], {}), "HARPOON_ADMIN_TOKEN": ADMIN, "GATEWAY_URL": gateway}
    with EdgeWorker(label="keys", variables=variables) as worker:
        yield worker


@pytest.fixture
async def client(worker: EdgeWorker) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=worker.url, timeout=FAILURE_BOUND_S, limits=limits) as client:
        yield client


async def admin(
    client: httpx.AsyncClient, method: str, path: str, body: Any = None, status: int = 200
) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {ADMIN}"}
    answer = await client.request(method, f"/admin{path}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    value: dict[str, Any] = answer.json()
    return value


async def make(client: httpx.AsyncClient, tenant: str, **members: Any) -> dict[str, Any]:
    """A tenant with one key."""
    await admin(client, "POST", "/tenants", {"tenant": tenant}, 201)
    return await admin(client, "POST", f"/tenants/{tenant}/keys", {"name": "ci", **members}, 201)


async def chat(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/chat/completions", json=QUESTION, headers={"authorization": f"Bearer {token}"})


async def test_a_key_is_verified_by_its_object_and_refused_once_it_is_revoked(client: httpx.AsyncClient) -> None:
    key = await make(client, "acme")
    path = f"/tenants/acme/keys/{key['key_id']}"
    bearer = {"authorization": f"Bearer {key['token']}"}
    answer = await chat(client, key["token"])
    assert answer.status_code == 200, answer.text
    assert (await client.get("/v1/models", headers=bearer)).status_code == 200
    for token in (key["token"][:-1] + "g", key["token"].replace("acme", "host"), NOBODYS):
        assert (await chat(client, token)).status_code == 401
    client.headers.update(bearer)
    await read_settled(client, answer.headers["x-harpoon-decision-id"])
    client.headers.pop("authorization")
    used = await admin(client, "GET", f"{path}/usage")
    assert (used["total"]["requests"], used["total"]["output_tokens"]) == (1, 21)
    rotated = await admin(client, "POST", f"{path}/rotate", {"overlap_s": 0})
    assert "expired" in error_of(await chat(client, key["token"]))["message"]
    assert (await chat(client, rotated["token"])).status_code == 200
    assert (await admin(client, "DELETE", path))["status"] == "revoked"
    assert "revoked" in error_of(await chat(client, rotated["token"]))["message"]
    assert (await client.get("/v1/models", headers={"authorization": f"Bearer {rotated['token']}"})).status_code == 401


async def test_of_many_at_once_exactly_as_many_pass_as_the_limit_says(client: httpx.AsyncClient) -> None:
    key = await make(client, "crowd", limits={"requests_per_minute": 9})
    # Room for one more comes every half minute, long after the crowd.
    await admin(client, "PATCH", f"/tenants/crowd/keys/{key['key_id']}", {"limits": {"requests_per_minute": 2}})
    answers = await asyncio.gather(*(chat(client, key["token"]) for _ in range(CROWD)))
    assert sorted(answer.status_code for answer in answers) == [200] * 2 + [429] * (CROWD - 2)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert error_of(refused)["code"] == "rate_limit_exceeded"
    assert refused.json()["error"]["reasons"] == ["requests_per_minute of key ci: 2"]
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert refused.headers["x-ratelimit-limit-requests"] == "2"


async def test_tenants_made_by_administration_are_listed(client: httpx.AsyncClient) -> None:
    await admin(client, "POST", "/tenants", {"tenant": "listed", "limits": {"usd_per_day": "0"}}, 201)
    await admin(client, "POST", "/tenants", {"tenant": "listed"}, 409)
    names = [one["tenant"] for one in (await admin(client, "GET", "/tenants"))["data"]]
    assert "listed" in names
    assert (await admin(client, "GET", "/tenants/listed"))["limits_in_force"]["usd_per_day"] == "0"
    key = await admin(client, "POST", "/tenants/listed/keys", {"name": "ci"}, 201)
    refused = await chat(client, key["token"])
    assert refused.status_code == 402
    assert "tenant_day" in error_of(refused)["message"]


async def test_a_tenant_nobody_made_gets_no_tables(client: httpx.AsyncClient, worker: EdgeWorker) -> None:
    await admin(client, "GET", "/tenants")
    before = tables(worker.state)
    assert before > 0
    for number in range(4):
        token = NOBODYS.replace("nobody", f"nobody-{number}")
        assert (await chat(client, token)).status_code == 401
        assert (await client.get("/v1/models", headers={"authorization": f"Bearer {token}"})).status_code == 401
        await admin(client, "GET", f"/tenants/nobody-{number}", None, 404)
    assert tables(worker.state) == before


def tables(state: Path) -> int:
    """How many tables all objects have together."""
    count = 0
    for file in state.rglob("*.sqlite"):
        if file.name == "metadata.sqlite":
            continue
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            count += connection.execute("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'migration'").fetchone()[0]
    return count
