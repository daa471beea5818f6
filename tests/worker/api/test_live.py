"""GET /api/live over HTTP: told while it happens, resumed without loss, and to nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.event_stream import Event, Reader, events_of, last_id_of
from tests.worker.api.application_kit import (
    DONE_CHUNK,
    EVENT_STREAM,
    PATIENCE_S,
    USAGE_CHUNK,
    Application,
    answers,
    application,
    ask,
    chunk_bytes,
    one_provider,
    refuses,
    served,
    two_providers,
)
from worker.app import create_app
from worker.errors import StateError
from worker.live import LiveNotes
from worker.mediator import MediatorPort

LIVE = "/api/live"
ANSWERED = ["classification", "candidates", "decision", "attempt", "first_token", "cost", "settled"]
ALPHA, BETA = "hk_alpha_secret", "hk_beta_secret"


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def at_root(client: httpx.AsyncClient) -> str:
    return str(client.base_url.copy_with(path=LIVE))


@contextlib.asynccontextmanager
async def feed(client: httpx.AsyncClient, **headers: str) -> AsyncIterator[Reader]:
    """The tenant's feed, once it has begun."""
    async with asyncio.timeout(PATIENCE_S):
        request = client.stream("GET", at_root(client), headers={"last-event-id": "", **headers})
        async with request as answer:
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            reader = Reader(answer)
            await reader.until_text("id: ")
            yield reader


async def story(harpoon: Application, request: str, **headers: str) -> httpx.Response:
    """The feed of a request that has ended."""
    async with asyncio.timeout(PATIENCE_S):
        return await harpoon.client.get(
            f"http://localhost{LIVE}", params={"request_id": request}, headers={"last-event-id": "", **headers}
        )


async def asked(harpoon: Application, **fields: Any) -> httpx.Response:
    answer = await harpoon.client.post("chat/completions", json=ask(**fields))
    await harpoon.none_open()
    return answer


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_is_told_from_its_classification_to_its_settlement(harpoon: Application, stream: bool) -> None:
    answer = await asked(harpoon, stream=stream)
    for header in ("x-request-id", "x-harpoon-decision-id"):
        told = await story(harpoon, answer.headers[header])
        events = events_of(told.text)
        assert names(events) == ANSWERED
        assert {event.data["request_id"] for event in events} == {answer.headers["x-request-id"]}
        assert {event.data["decision_id"] for event in events} == {answer.headers["x-harpoon-decision-id"]}
        assert told.text.startswith("retry: 1000\n")
    record = (await harpoon.client.get(f"decisions/{answer.headers['x-harpoon-decision-id']}")).json()
    assert events[1].data["candidates"] == record["candidates"]
    assert events[2].data["selected"] == record["selected"]
    assert events[5].data["cost_usd_micros"] == record["cost_usd_micros"]
    assert [event.data["at_us"] for event in events] == sorted(event.data["at_us"] for event in events)


async def test_an_event_names_the_ledger_entry_that_tells_of_it(harpoon: Application) -> None:
    answer = await asked(harpoon)
    decision_id = answer.headers["x-harpoon-decision-id"]
    events = events_of((await story(harpoon, decision_id)).text)
    kinds = {}
    for number in sorted({event.data["entry"] for event in events}):
        query = {"limit": 1} if number == 0 else {"limit": 1, "after": number - 1}
        found = (await harpoon.client.get("http://localhost/api/ledger/entries", params=query)).json()["data"][0]
        entry = json.loads(found["entry"])
        assert (entry["seq"], entry["payload"]["decision_id"]) == (number, decision_id)
        kinds[number] = entry["kind"]
    assert [kinds[event.data["entry"]] for event in events] == ["ACTION"] * 4 + ["SESSION_COMPLETION"] * 3


async def test_a_refusal_is_told(harpoon: Application) -> None:
    answer = await asked(harpoon, covenant={"residency": ["US"]})
    events = events_of((await story(harpoon, answer.headers["x-request-id"])).text)
    assert names(events) == ["classification", "candidates", "denied"]
    assert events[2].data["reasons"] == answer.json()["error"]["reasons"]


async def test_a_fallback_is_told() -> None:
    async with two_providers(refuses(500), answers(), HARPOON_MAX_FALLBACKS="16") as harpoon:
        answer = await asked(harpoon)
        assert answer.status_code == 200
        events = events_of((await story(harpoon, answer.headers["x-request-id"])).text)
    tried = [event.data["route"] for event in events if event.name == "attempt"]
    assert names(events) == [*ANSWERED[:4], *["fallback", "attempt"] * (len(tried) - 1), *ANSWERED[4:]]
    assert tried[0].startswith("hosted-ai/")
    assert tried[-1].startswith("openai/")
    assert [event.data["route"] for event in events if event.name == "fallback"] == tried[1:]
    assert [one["route"] for one in events[-1].data["attempts"]] == tried


async def test_the_first_token_is_told_while_the_answer_is_still_coming() -> None:
    may_end = asyncio.Event()

    async def hold(writer: asyncio.StreamWriter, _: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM + chunk_bytes("A "))
        await may_end.wait()
        writer.write(chunk_bytes("share.") + chunk_bytes(None, "stop") + USAGE_CHUNK + DONE_CHUNK)
        await writer.drain()

    async with one_provider(hold) as (harpoon, _), served(harpoon.app) as client, feed(client) as reader:
        asking = asyncio.create_task(client.post("chat/completions", json=ask(stream=True)))
        events = await reader.until("first_token")
        assert names(events) == ANSWERED[:5]
        async with feed(client) as late:
            may_end.set()
            # This one began after the admission, so it hears of the request at its end, first token and all.
            assert names(await late.until("settled")) == ANSWERED[4:]
        assert names(await reader.until("settled")) == ANSWERED
        assert (await asking).status_code == 200


async def test_another_process_tells_it_with_the_settlement(harpoon: Application) -> None:
    other = create_app(replace(harpoon.services, live=LiveNotes()))
    async with served(other) as client, feed(client) as reader:
        await asked(harpoon, stream=True)
        assert names(await reader.until("settled")) == ANSWERED


async def test_coming_back_misses_nothing_and_repeats_nothing(harpoon: Application) -> None:
    answer = await asked(harpoon)
    await asked(harpoon)
    request = answer.headers["x-request-id"]
    events = events_of((await story(harpoon, request)).text)
    for position, event in enumerate(events):
        again = await story(harpoon, request, **{"last-event-id": event.id})
        assert events_of(again.text) == events[position + 1 :]
        # For an EventSource that comes back after the end, this status is the end.
        assert again.status_code == (204 if event is events[-1] else 200)


async def test_a_feed_that_is_cut_off_by_its_limit_goes_on_where_it_was(harpoon: Application) -> None:
    limits = replace(harpoon.services.limits, live_limit_us=30_000, live_poll_us=1_000)
    async with served(create_app(replace(harpoon.services, limits=limits))) as client:
        async with feed(client) as reader:
            assert await reader.rest() == []  # it ends by itself, and nothing has happened
        before = last_id_of(reader.text)
        for _ in range(3):
            await asked(harpoon)
        seen: list[Event] = []
        while names(seen).count("settled") < 3:
            async with feed(client, **{"last-event-id": before}) as reader:
                seen += await reader.rest()
            before = last_id_of(reader.text)
    assert names(seen) == ANSWERED * 3


async def test_a_feed_of_a_tenant_begins_at_the_present(harpoon: Application) -> None:
    await asked(harpoon)
    async with served(harpoon.app) as client, feed(client) as reader:
        answer = await asked(harpoon)
        events = await reader.until("settled")
    assert names(events) == ANSWERED
    assert {event.data["request_id"] for event in events} == {answer.headers["x-request-id"]}


async def test_nobody_sees_another_tenants_events() -> None:
    async with application(HARPOON_TOKENS=f"{ALPHA},{BETA}") as harpoon, served(harpoon.app) as client:
        alpha, beta = {"authorization": f"Bearer {ALPHA}"}, {"authorization": f"Bearer {BETA}"}
        async with feed(client, **alpha) as of_alpha, feed(client, **beta) as of_beta:
            posted = {}
            for name, token in (("alpha", alpha), ("beta", beta), ("alpha again", alpha)):
                answer = await client.post("chat/completions", json=ask(stream=True), headers=token)
                posted[name] = answer.headers["x-request-id"]
            seen_by_alpha = await of_alpha.until("settled", 2)
            seen_by_beta = await of_beta.until("settled")
        requests = [event.data["request_id"] for event in seen_by_alpha]
        assert requests == [posted["alpha"]] * 7 + [posted["alpha again"]] * 7
        assert {event.data["request_id"] for event in seen_by_beta} == {posted["beta"]}
        # Neither by name, nor by coming back with the other's id.
        answer = await client.get(at_root(client), params={"request_id": posted["alpha"]}, headers=beta)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "decision_not_found")
        async with feed(client, **beta, **{"last-event-id": seen_by_alpha[0].id}) as reader:
            await client.post("chat/completions", json=ask(), headers=beta)
            again = await reader.until("settled")
        assert posted["alpha"] not in str(again)
        assert (await client.get(at_root(client))).status_code == 401


async def test_there_are_only_so_many_feeds_and_a_closed_one_makes_room() -> None:
    async with application(HARPOON_LIVE_CONNECTIONS="2") as harpoon, served(harpoon.app) as client:
        async with feed(client), feed(client):
            refused = await client.get(at_root(client))
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_live_connections")
            assert int(refused.headers["retry-after"]) > 0
        # The clients have left, which ends both at once: nothing else would make room within the connection's limit.
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with client.stream("GET", at_root(client)) as answer:
                    if answer.status_code == 200:
                        break
                await asyncio.sleep(0.01)
        # A feed that is refused, or has told all there is, takes no room.
        done = await asked(harpoon)
        for _ in range(5):
            assert (await story(harpoon, "req_nobodys")).status_code == 404
            assert (await story(harpoon, done.headers["x-request-id"])).status_code == 200


async def test_one_tenant_leaves_room_for_another() -> None:
    settings = {"HARPOON_LIVE_CONNECTIONS": "3", "HARPOON_TOKENS": f"{ALPHA},{BETA}"}
    async with application(**settings) as harpoon, served(harpoon.app) as client:
        alpha, beta = {"authorization": f"Bearer {ALPHA}"}, {"authorization": f"Bearer {BETA}"}
        async with feed(client, **alpha), feed(client, **alpha):
            assert (await client.get(at_root(client), headers=alpha)).status_code == 429
            async with feed(client, **beta):
                assert (await client.get(at_root(client), headers=beta)).status_code == 429


async def test_a_silent_feed_shows_that_it_lives(harpoon: Application) -> None:
    limits = replace(harpoon.services.limits, live_keep_alive_us=1)
    app = create_app(replace(harpoon.services, limits=limits))
    async with served(app) as client, feed(client) as reader:
        await reader.until_text(": still here\n")
        assert events_of(reader.text[: reader.text.rfind("\n\n") + 2]) == []
        await asked(harpoon)
        assert names(await reader.until("settled")) == ANSWERED


BAD: list[tuple[str, str, str]] = [
    ("request_id=", "", "request_id"),
    ("request_id=evt_1", "", "request_id"),
    ("request_id=req_" + "0" * 70, "", "request_id"),
    ("request_id=req_%20", "", "request_id"),
    ("request_id=req_1&request_id=req_2", "", "request_id"),
    ("tenant=other", "", "tenant"),
    ("", "yesterday", "last-event-id"),
    ("", "1.0", "last-event-id"),
]


@pytest.mark.parametrize(("query", "last_event_id", "param"), BAD)
async def test_what_can_not_be_read(harpoon: Application, query: str, last_event_id: str, param: str) -> None:
    answer = await harpoon.client.get(f"http://localhost{LIVE}?{query}", headers={"last-event-id": last_event_id})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_request_nobody_made(harpoon: Application) -> None:
    for name in ("req_00", "dec_00"):
        answer = await story(harpoon, name)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "decision_not_found")


class Failing:
    """A mediator whose state can't be read any more."""

    def __init__(self, mediator: MediatorPort) -> None:
        self._mediator = mediator
        self.fails = False

    async def follow(self, *asked: Any) -> dict[str, Any]:
        if self.fails:
            raise StateError("the disk is gone")
        return await self._mediator.follow(*asked)


async def test_a_state_that_fails_ends_the_feed_in_order(harpoon: Application) -> None:
    failing = Failing(harpoon.mediator)
    app = create_app(replace(harpoon.services, mediator=failing))  # type: ignore[arg-type]  # follow is all it needs
    async with served(app) as client:
        async with feed(client) as reader:
            failing.fails = True
            assert await reader.rest() == []
            assert "disk" not in reader.text
        refused = await client.get(at_root(client))
        assert refused.status_code == 500
        failing.fails = False
        async with feed(client, **{"last-event-id": last_id_of(reader.text)}) as reader:
            await asked(harpoon)
            assert names(await reader.until("settled")) == ANSWERED
