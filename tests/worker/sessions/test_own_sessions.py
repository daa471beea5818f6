"""The gateway's own sessions on their whole way: a request, its settlement, the relay, the spool, a destination."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.adapters.host import SystemClock, SystemIds
from tests.contracts.spool_contract import Kept
from tests.regressions.test_usage import WORDS, WORDS_TOKENS, leave_within
from tests.worker.api.application_kit import (
    EVENT_STREAM,
    Application,
    answers,
    ask,
    chunk_bytes,
    one_provider,
    served,
)
from tests.worker.decision_kit import hasher
from worker.sessions.delivery import Deliverer
from worker.sessions.relay import Relay
from worker.sessions.shaping import everything_to
from worker.sessions.spool_ledger import SpoolLedger

ADMIN = "hk_admin_0123456789abcdef01234567"
TOKENS = {"HARPOON_OPEN": "0", "HARPOON_TOKENS": "hk_acme_0123456789abcdef", "HARPOON_ADMIN_TOKEN": ADMIN}
ACME = {"authorization": "Bearer hk_acme_0123456789abcdef"}
ROOT = "http://localhost"


@asynccontextmanager
async def delivering(harpoon: Application) -> AsyncIterator[tuple[Relay, Deliverer, Kept]]:
    """The relay and the delivery of an application, with one destination that keeps everything."""
    kept, clock = Kept(), SystemClock()
    spool = harpoon.services.spool
    assert spool is not None
    relay = Relay(harpoon.mediator, spool, SpoolLedger(harpoon.kept, hasher()), clock)
    harpoon.mediator.on_settled = relay.note
    deliverer = Deliverer(harpoon.kept, {"kept": kept}, everything_to(("kept",)), clock, SystemIds(), "one")
    await deliverer.open()
    yield relay, deliverer, kept
    await deliverer.close()


def events(kept: Kept) -> list[dict[str, Any]]:
    return [json.loads(one.text) for one in kept.taken]


async def test_the_usage_of_a_client_that_left_reaches_a_destination() -> None:
    async def play(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM + b"".join(map(chunk_bytes, WORDS)))
        await reader.read(-1)  # until the gateway hangs up

    async with (
        one_provider(play, HARPOON_BUDGET_USD="1") as (harpoon, _),
        served(harpoon.app) as client,
        delivering(harpoon) as (relay, deliverer, kept),
    ):
        await asyncio.gather(*(leave_within(client) for _ in range(5)))
        await harpoon.none_open()
        await relay.run_once(scan=False)
        await deliverer.run_once()
        spent, _, _ = await harpoon.money()
    delivered = events(kept)
    assert len(delivered) == 5
    for event in delivered:
        assert (event["outcome"]["status"], event["metadata"]["usage_source"]) == ("user_terminated", "counted")
        assert event["usage"]["output_tokens"] == WORDS_TOKENS
        assert event["metadata"]["ledger_entry"] > 0
    assert round(sum(event["usage"]["estimated_cost_usd"] for event in delivered) * 1_000_000) == spent > 0


async def test_the_relay_and_the_delivery_run_by_themselves() -> None:
    async with one_provider(answers().play) as (harpoon, _), delivering(harpoon) as (relay, deliverer, kept):
        running = [asyncio.create_task(relay.run_for_ever()), asyncio.create_task(deliverer.run_for_ever())]
        spool = harpoon.services.spool
        spool.on_capture = deliverer.wake  # type: ignore[union-attr]
        try:
            for _ in range(3):
                assert (await harpoon.client.post("/chat/completions", json=ask())).status_code == 200
            async with asyncio.timeout(20):
                while len(kept.taken) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    assert len({event["event_id"] for event in events(kept)}) == 3


#: Headers, metadata, and whose session it is; None = the request's own id.
SESSIONS = [
    ({"x-session-id": "chat-7"}, None, "chat-7"),
    ({"x-session-id": "chat-7"}, {"session_id": "other"}, "chat-7"),
    ({}, {"session_id": "from metadata \u00fc"}, "from metadata \u00fc"),
    ({}, {"session_id": "x" * 200}, "x" * 128),
    ({"x-session-id": ""}, {"session_id": "m"}, "m"),
    ({}, {"session_id": 7}, None),
    ({}, {"session_id": ""}, None),
    ({}, {"other": "x"}, None),
    ({}, {}, None),
    ({}, None, None),
]


@pytest.mark.parametrize(("headers", "metadata", "named"), SESSIONS)
async def test_whose_session_it_is(headers: dict[str, str], metadata: Any, named: str | None) -> None:
    async with one_provider(answers().play) as (harpoon, _), delivering(harpoon) as (relay, deliverer, kept):
        fields = {} if metadata is None else {"metadata": metadata}
        answer = await harpoon.client.post("/chat/completions", json=ask(**fields), headers=headers)
        assert answer.status_code == 200, answer.text
        await harpoon.none_open()
        await relay.run_once()
        await deliverer.run_once()
    (event,) = events(kept)
    assert event["session"]["session_id"] == (named or answer.headers["x-request-id"])


async def test_an_event_is_found_with_its_place_in_the_ledger_and_can_be_erased_from() -> None:
    async with one_provider(answers().play, **TOKENS) as (harpoon, _), delivering(harpoon) as (relay, deliverer, kept):
        reported = {"event_id": "evt_r", "session_id": "s", "user_id": "lovelace", "usage": {"total_tokens": 1}}
        path = f"{ROOT}/api/session-completion/events"
        assert (await harpoon.client.post(path, json=reported, headers=ACME)).status_code == 200
        assert (await harpoon.client.get(f"{path}/evt_r", headers=ACME)).json()["ledger"] is None
        named = {**ACME, "x-user-id": "lovelace", "x-session-id": "s"}
        assert (await harpoon.client.post("/chat/completions", json=ask(), headers=named)).status_code == 200
        await harpoon.none_open()
        await relay.run_once()
        await deliverer.run_once()
        shown = (await harpoon.client.get(f"{path}/evt_r", headers=ACME)).json()
        assert (shown["ledger"]["index"], shown["ledger"]["count"], shown["ledger"]["path"]) == (0, 1, [])
        own = next(event for event in events(kept) if event["event_id"] != "evt_r")
        shown = (await harpoon.client.get(f"{path}/{own['event_id']}", headers=ACME)).json()
        assert shown["ledger"] == {"entry": own["metadata"]["ledger_entry"]}

        admin = {"authorization": f"Bearer {ADMIN}"}
        url = f"{ROOT}/admin/tenants/acme/erasures"
        erased = (await harpoon.client.post(url, json={"user_id": "lovelace"}, headers=admin)).json()
        assert (erased["entries"], erased["events"]) == (1, 2)
        for name in ("evt_r", own["event_id"]):
            found = (await harpoon.client.get(f"{path}/{name}", headers=ACME)).json()
            assert (found["user"]["user_id"], found["session"]["session_id"]) == ("erased", "erased")
        assert (await harpoon.client.get(f"{ROOT}/api/ledger/verify", headers=ACME)).json()["ok"]
        again = (await harpoon.client.post(url, json={"user_id": "lovelace"}, headers=admin)).json()
        assert (again["entries"], again["events"]) == (0, 0)
