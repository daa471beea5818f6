"""The sessions plane in real workerd: capture, alarms that deliver, failures, own chats, and a kill in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.edge.conftest import HERE, PRODUCT_ENTRY
from tests.edge.harness import EdgeWorker, free_port
from tests.edge.held_upstream import HEAD, HeldUpstream, held_upstream
from tests.edge.hosts import (
    FAILURE_BOUND_S,
    PAID_BODY,
    chunk_event,
    client_of,
    paid_answer,
    read_settled,
    settings,
)
from tests.edge.receivers import Receiver, receiving
from tests.worker.api.application_kit import application
from tests.worker.decision_kit import hasher
from tests.worker.sessions.session_kit import FULL, SHORT, changed
from worker.ledger.merkle import verify_inclusion
from worker.sessions.batch_leaf import verify_reported
from worker.sessions.webhook import WebhookSecret, verify

EVENTS = "/api/session-completion/events"
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cyBhbG9uZSE="
ADMIN = "hk_admin_0123456789abcdef01234567"
BILLING, AUDIT = "/billing", "/audit"


def routes(port: int) -> dict[str, Any]:
    """Two webhooks and a queue, each of which gets everything; a failure is soon tried again."""
    usual = {"secret_env": "HOOK_SECRET", "allow_private": True, "type": "webhook", "max_wait_s": 1}
    hooks = {
        path[1:]: {**usual, "url": f"http://127.0.0.1:{port}{path}", "max_attempts": 1_000} for path in (BILLING, AUDIT)
    }
    rule = {"name": "everything", "to": ["billing", "audit", "stream"]}
    return {"version": 1, "destinations": {**hooks, "stream": {"type": "queue"}}, "rules": [rule]}


@pytest.fixture(scope="module")
def hook_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def model_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def worker(hook_port: int, model_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeWorker]:
    product = tmp_path_factory.mktemp("entry") / "product_entry.py"
    shutil.copy(PRODUCT_ENTRY, product)
    variables = {
        **settings(["acme", "rival"], {}),
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model_port}/v1",
        "SCR_ROUTES_JSON": json.dumps(routes(hook_port)),
        "SCR_PARTITIONS": "3",
        "HOOK_SECRET": SECRET,
        "HARPOON_ADMIN_TOKEN": ADMIN,
        "RECEIVER_URL": f"http://127.0.0.1:{hook_port}",
    }
    entry = HERE / "sessions_entry.py"
    with EdgeWorker(entry, added=[product], label="sessions", variables=variables, queue=True) as worker:
        yield worker


async def report(client: httpx.AsyncClient, *events: dict[str, Any]) -> list[str]:
    """Report a batch, which must be acknowledged; the events' ids."""
    answer = await client.post(EVENTS, json=list(events))
    assert answer.status_code == 200, answer.text
    ids: list[str] = answer.json()["event_ids"]
    return ids


def session(number: int, name: str, run: str) -> dict[str, Any]:
    return {"event_id": f"evt_{run}_{number}", "session_id": name, "usage": {"total_tokens": number}}


async def chat(client: httpx.AsyncClient, upstream: HeldUpstream, **headers: str) -> str:
    """A paid chat; returns the id of its event."""
    asking = asyncio.create_task(client.post("/v1/chat/completions", content=PAID_BODY, headers=headers))
    await (await upstream.accept()).answer(paid_answer(30, 20))
    answer = await asking
    assert answer.status_code == 200, answer.text
    return "evt_" + answer.headers["x-harpoon-decision-id"].removeprefix("dec_") + "_1"


async def figures(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/api/session-completion/metrics")).json()
    return found


async def eventually(client: httpx.AsyncClient, event_id: str, member: str) -> dict[str, Any]:
    """The event once a member of it is there."""
    async with asyncio.timeout(FAILURE_BOUND_S):
        while True:
            found: dict[str, Any] = (await client.get(f"{EVENTS}/{event_id}")).json()
            if found.get(member):
                return found
            await asyncio.sleep(0.05)


async def test_reported_events_are_delivered_from_alarms_in_order_and_stand_in_the_ledger(
    worker: EdgeWorker, hook_port: int
) -> None:
    async with receiving(hook_port, Receiver()) as receiver, client_of(worker.url, "acme") as client:
        ids = await report(client, *[session(number, f"s-{number % 5}", "a") for number in range(40)])
        (single,) = await report(client, {**FULL, "event_id": "evt_a_full"})
        assert await report(client, {**FULL, "event_id": "evt_a_full"}) == [single]
        for path in (BILLING, AUDIT, "/queue"):
            await until(receiver, path, {*ids, single})
        for path in (BILLING, AUDIT):
            for name in {f"s-{number}" for number in range(5)}:
                order = [
                    one["usage"]["total_tokens"] for one in receiver.of(path) if one["session"]["session_id"] == name
                ]
                assert order == sorted(order), (path, name)
        secret = WebhookSecret.from_text(SECRET)
        for one in receiver.taken:
            if one.path != "/queue":
                verify([secret], one.headers, one.body, int(one.headers["webhook-timestamp"]))
                assert one.headers["webhook-id"] == f"acme:{one.event['event_id']}"

        found = await eventually(client, single, "ledger")
        assert {one["destination"] for one in found["routed_to"]} == {"billing", "audit", "stream"}
        entries = (await client.get("/api/ledger/entries", params={"after": found["ledger"]["entry"] - 1})).json()
        payload = json.loads(entries["data"][0]["entry"])["payload"]
        text = next(one.body.decode() for one in receiver.taken if one.event.get("event_id") == single)
        verify_reported(hasher(), text, found["ledger"], payload)
        proof = (await client.get("/api/ledger/proof", params={"entry": found["ledger"]["entry"]})).json()
        leaf, root = bytes.fromhex(proof["leaf_hash"]), bytes.fromhex(proof["root"])
        path = [bytes.fromhex(step) for step in proof["path"]]
        verify_inclusion(hasher(), leaf, proof["entry"], proof["size"], path, root)
        assert (await client.get("/api/ledger/verify")).json()["ok"]

        async with client_of(worker.url, "rival") as rival:
            assert (await rival.get(f"{EVENTS}/{single}")).status_code == 404
        recent = (await client.get("/api/session-completion/recent", params={"limit": 5})).json()["events"]
        assert (len(recent), recent[0]["event_id"]) == (5, single)


async def until(receiver: Receiver, path: str, event_ids: set[str]) -> None:
    if path != "/queue":
        await receiver.until(path, event_ids)
        return
    async with asyncio.timeout(FAILURE_BOUND_S), receiver.arrived:
        while not event_ids <= {one.event["id"] for one in receiver.taken if one.path == path}:
            await receiver.arrived.wait()


async def test_a_receiver_that_fails_holds_up_nobody_else_and_gets_everything_once_it_is_back(
    worker: EdgeWorker, hook_port: int
) -> None:
    receiver = Receiver({AUDIT: 503})
    async with receiving(hook_port, receiver), client_of(worker.url, "acme") as client:
        ids = await report(client, *[session(number, f"t-{number % 3}", "b") for number in range(9)])
        await receiver.until(BILLING, set(ids))
        assert receiver.ids(AUDIT) == []
        async with asyncio.timeout(FAILURE_BOUND_S):
            while not receiver.refused:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        receiver.answers.clear()
        await receiver.until(AUDIT, set(ids))
        for name in ("t-0", "t-1", "t-2"):
            order = [one["usage"]["total_tokens"] for one in receiver.of(AUDIT) if one["session"]["session_id"] == name]
            assert order == sorted(order)
        async with asyncio.timeout(FAILURE_BOUND_S):
            while True:
                audit = next(one for one in (await figures(client))["destinations"] if one["name"] == "audit")
                if not audit["pending"] and not audit["parked"]:
                    break
                await asyncio.sleep(0.05)
        assert (audit["dead"], audit["is_on"]) == (0, True)


async def test_the_worker_s_own_chats_arrive_also_of_a_client_that_left(
    worker: EdgeWorker, hook_port: int, model_port: int
) -> None:
    receiver = Receiver()
    async with (
        receiving(hook_port, receiver),
        held_upstream(model_port) as upstream,
        client_of(worker.url, "acme") as client,
    ):
        told = await chat(client, upstream, **{"x-session-id": "chat-7", "x-user-id": "lovelace"})
        await receiver.until(BILLING, {told})
        event = next(one for one in receiver.of(BILLING) if one["event_id"] == told)
        assert (event["session"]["session_id"], event["user"]["user_id"]) == ("chat-7", "lovelace")
        assert event["usage"]["total_tokens"] == 50
        found = await eventually(client, told, "routed_to")
        assert found["ledger"] == {"entry": event["metadata"]["ledger_entry"]}
        after = {"after": event["metadata"]["ledger_entry"] - 1}
        entry = json.loads((await client.get("/api/ledger/entries", params=after)).json()["data"][0]["entry"])
        assert entry["payload"]["decision_id"] == event["metadata"]["decision_id"]

        left = await leave(client, upstream)
        await receiver.until(BILLING, {left})
        event = next(one for one in receiver.of(BILLING) if one["event_id"] == left)
        assert (event["outcome"]["status"], event["metadata"]["usage_source"]) == ("user_terminated", "counted")
        assert event["usage"]["output_tokens"] > 0


async def leave(client: httpx.AsyncClient, upstream: HeldUpstream) -> str:
    """Read the beginning of a stream and go; returns the id of its event."""
    body = {**json.loads(PAID_BODY), "stream": True}
    asking = asyncio.create_task(_first_chunk(client, body))
    connection = await upstream.accept()
    await connection.send(HEAD)
    for _ in range(3):
        await connection.send_chunk(chunk_event("There are whales. "))
    decision = await asking
    with contextlib.suppress(ConnectionError):
        # The runtime learns that somebody has left when it next writes.
        while not connection.reader.at_eof():
            await connection.send_chunk(chunk_event("And more. "))
            await asyncio.sleep(0.05)
    await read_settled(client, decision)
    return "evt_" + decision.removeprefix("dec_") + "_1"


async def _first_chunk(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                break
        decision: str = answer.headers["x-harpoon-decision-id"]
        return decision


async def test_over_all_partitions_a_batch_is_taken_whole_or_not_at_all_and_a_person_is_erased(
    worker: EdgeWorker, hook_port: int
) -> None:
    async with receiving(hook_port, Receiver()) as receiver, client_of(worker.url, "rival") as client:
        await report(client, session(7, "w-7", "d"))
        batch = [session(number, f"w-{number}", "d") for number in range(8)]
        answer = await client.post(EVENTS, json=[*batch[:7], {**batch[7], "usage": {"total_tokens": 8}}])
        assert (answer.status_code, answer.json()["error"]["param"]) == (409, "[7].event_id")
        recent = (await client.get("/api/session-completion/recent")).json()["events"]
        assert [one["event_id"] for one in recent] == ["evt_d_7"]

        named = [{**one, "user_id": "lovelace"} for one in batch[:4]]
        ids = await report(client, *named, *batch[4:])
        await receiver.until(BILLING, set(ids))
        await eventually(client, ids[0], "ledger")
        url, admin = "/admin/tenants/rival/erasures", {"authorization": f"Bearer {ADMIN}"}
        erased = (await client.post(url, json={"user_id": "lovelace"}, headers=admin)).json()
        assert erased["events"] == 4
        for place in range(8):
            found = (await client.get(f"{EVENTS}/{ids[place]}")).json()
            assert (found["user"]["user_id"] == "erased") == (place < 4)
        assert (await eventually(client, ids[0], "ledger"))["ledger"]["is_erased"]
        assert (await client.get("/api/ledger/verify")).json()["ok"]


async def test_a_kill_loses_nothing_and_doubles_nothing_in_effect(
    worker: EdgeWorker, hook_port: int, model_port: int
) -> None:
    async with held_upstream(model_port) as upstream, client_of(worker.url, "acme") as client:
        # Nobody listens at the hooks: what is acknowledged now is in the objects alone.
        ids = await report(client, *[session(number, f"u-{number % 4}", "c") for number in range(12)])
        ids.append(await chat(client, upstream, **{"x-session-id": "u-0"}))
        before = (await client.get("/api/session-completion/recent", params={"limit": 200})).json()["events"]
        await asyncio.to_thread(worker.restart, crash=True)

    # No call but the objects' own alarms.
    receiver = Receiver()
    async with receiving(hook_port, receiver):
        await asyncio.gather(receiver.until(BILLING, set(ids)), receiver.until(AUDIT, set(ids)))
        async with client_of(worker.url, "acme") as client:
            assert await report(client, session(0, "u-0", "c")) == [ids[0]]
            after = (await client.get("/api/session-completion/recent", params={"limit": 200})).json()["events"]
            known = [one["event_id"] for one in after]
            assert len(known) == len(set(known))
            assert {one["event_id"] for one in before} | set(ids) == set(known)
            assert (await client.get("/api/ledger/verify")).json()["ok"]
            found = await eventually(client, ids[3], "ledger")
            assert "path" in found["ledger"]
    for path in (BILLING, AUDIT):
        numbers = [one["usage"]["total_tokens"] for one in receiver.of(path) if one["session"]["session_id"] == "u-1"]
        assert [*dict.fromkeys(numbers)] == [1, 5, 9]


REFUSED: list[Any] = [
    changed("usage.total_tokens", -1),
    changed("usage.total_tokens", 1.5),
    changed("usage.total_tokens", True),
    changed("usage.input_tokens", 1),
    changed("usage.estimated_cost_usd", "1"),
    changed("session.end_time", "2025-01-01T00:00:00Z"),
    changed("outcome.status", "fine"),
    changed("schema_version", 2),
    changed("event_id", "a.b"),
    [SHORT, {**SHORT, "usage": {}}],
    {},
    [],
    "text",
]


async def test_what_is_refused_is_refused_alike_on_both_hosts(worker: EdgeWorker) -> None:
    tokens = "hk_acme_0123456789abcdef"
    async with (
        client_of(worker.url, "acme") as client,
        application(HARPOON_OPEN="0", HARPOON_TOKENS=tokens) as harpoon,
    ):
        for body in [json.dumps(one).encode() for one in REFUSED] + [b"{", b"\xff", b'{"a":NaN}', b'{"a":1,"a":2}']:
            there = await client.post(EVENTS, content=body)
            here = await harpoon.client.post(
                "http://localhost" + EVENTS, content=body, headers={"authorization": f"Bearer {tokens}"}
            )
            assert (there.status_code, there.json()) == (here.status_code, here.json()), body
            assert there.status_code in (400, 413, 422), body
