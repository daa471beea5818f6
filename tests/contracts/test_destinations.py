"""Every destination keeps the contract, against the real thing: servers, files and parsers that aren't ours."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.adapters.host import SystemClock
from gateway.adapters.provider_transport import ProviderTransport
from gateway.sessions.jsonl import JsonlDestination, JsonlSettings
from gateway.sessions.nats_stream import NatsSettings, NatsStream
from gateway.sessions.otel_sessions import OtelSessions
from gateway.sessions.postgres_store import PostgresSettings, PostgresStore
from gateway.sessions.sqlite_store import SqliteStore, SqliteStoreSettings
from tests.contracts.debian_servers import Nats, Postgres
from tests.contracts.webhook_receiver import Receiver
from tests.otlp_collector import Collector
from tests.worker.sessions.session_kit import FULL, captured, changed
from worker.exposition import Page
from worker.sessions.completed import to_text
from worker.sessions.destination import Destination, Failed, Fate, Shaped, delivery_id
from worker.sessions.destinations.log import LogDestination
from worker.sessions.destinations.prometheus import SessionCounters
from worker.sessions.destinations.webhook import Webhook, WebhookSettings
from worker.sessions.session_exposition import add_sessions
from worker.sessions.session_metrics import SessionMetrics
from worker.sessions.webhook import WebhookSecret

CLOCK = SystemClock()
SECRET = "whsec_" + b64encode(b"a secret of 32 bytes, more or le").decode()
Kept = dict[str, list[str]]


def shaped(number: int, *, tenant: str = "acme", key: str = "s1", **changes: object) -> Shaped:
    event: dict[str, Any] = changed("event_id", f"evt_{number}", FULL)
    for path, value in changes.items():
        event = changed(path.replace("__", "."), value, event)
    return Shaped(f"evt_{number}", tenant, key, 1_767_225_600_000_000 + number, "", to_text(captured(event)))


class Harness:
    """A destination, a look at what it holds by delivery id, and a way to break it and to mend it."""

    #: Whether what came twice is there once; else its id says that it is the same.
    is_once = True
    keeps_texts = True

    destination: Destination

    async def kept(self) -> Kept:
        raise NotImplementedError

    async def break_it(self) -> None:
        """From now on nothing can be delivered."""
        raise NotImplementedError

    async def mend_it(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        await self.destination.close()


class JsonlHarness(Harness):
    is_once = False

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sessions" / "events.jsonl"
        self.destination = JsonlDestination(JsonlSettings(self.path, fsync=True))

    async def kept(self) -> Kept:
        found: Kept = {}
        for line in self.path.read_text().split("\n")[:-1] if self.path.exists() else []:
            found.setdefault(json.loads(line)["event_id"], []).append(line)
        return found

    async def break_it(self) -> None:
        await self.destination.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)
        self.path.parent.write_text("a file is in the way")

    async def mend_it(self) -> None:
        self.path.parent.unlink()


class SqliteHarness(Harness):
    def __init__(self, folder: Path) -> None:
        self.path = folder / "sessions" / "store.db"
        self.destination = SqliteStore(SqliteStoreSettings(self.path))

    async def kept(self) -> Kept:
        if not self.path.exists():
            return {}
        connection = sqlite3.connect(self.path)
        rows = connection.execute("SELECT tenant, event_id, event FROM session_completed").fetchall()
        connection.close()
        return {f"{tenant}:{event}": [text] for tenant, event, text in rows}

    async def break_it(self) -> None:
        await self.destination.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)
        self.path.parent.write_text("a file is in the way")

    async def mend_it(self) -> None:
        self.path.parent.unlink()


class PostgresHarness(Harness):
    def __init__(self, server: Postgres, table: str) -> None:
        self.server = server
        self.table = table
        self.destination = PostgresStore(PostgresSettings(server.url, table, timeout_s=5))

    async def kept(self) -> Kept:
        import asyncpg  # type: ignore[import-untyped]

        connection = await asyncpg.connect(self.server.url)
        exists = await connection.fetchval("SELECT to_regclass($1)", self.table)
        rows = await connection.fetch(f'SELECT tenant, event_id, event::text FROM "{self.table}"') if exists else []
        await connection.close()
        return {f"{row[0]}:{row[1]}": [row[2]] for row in rows}

    async def break_it(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def mend_it(self) -> None:
        await asyncio.to_thread(self.server.start)


class NatsHarness(Harness):
    def __init__(self, server: Nats, subject: str) -> None:
        self.server = server
        self.subject = subject
        stream = subject.replace(".", "-")
        self.destination = NatsStream(NatsSettings(server.url, subject, stream, timeout_s=5), CLOCK)

    async def kept(self) -> Kept:
        import nats
        import nats.js.errors

        client = await nats.connect(self.server.url)
        stream = client.jetstream()
        found: Kept = {}
        try:
            name = await stream.find_stream_name_by_subject(self.subject)
            count = (await stream.stream_info(name)).state.messages
            for sequence in range(1, count + 1):
                message = await stream.get_msg(name, sequence)
                assert message.headers is not None
                assert message.data is not None
                found.setdefault(message.headers["Nats-Msg-Id"], []).append(message.data.decode())
        except nats.js.errors.NotFoundError:
            pass
        await client.close()
        return found

    async def break_it(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def mend_it(self) -> None:
        await asyncio.to_thread(self.server.start)


class WebhookHarness(Harness):
    is_once = False

    def __init__(self, format: str) -> None:
        self.receiver = Receiver(SECRET)
        self.transport = ProviderTransport()
        settings = WebhookSettings(self.receiver.url, (WebhookSecret.from_text(SECRET),), format)
        self.format = format
        self.destination = Webhook(settings, self.transport, CLOCK)

    async def kept(self) -> Kept:
        found: Kept = {}
        for one in self.receiver.received:
            text = one.body
            if self.format == "cloudevents":
                # `data` is the text byte for byte.
                text = one.body[one.body.index('"data":') + len('"data":') : -1]
            found.setdefault(one.id, []).append(text)
        return found

    async def break_it(self) -> None:
        self.receiver.close()
        await self.transport.aclose()
        self.transport = ProviderTransport()
        self.destination._transport = self.transport  # type: ignore[attr-defined]

    async def mend_it(self) -> None:
        self.receiver.open()

    async def close(self) -> None:
        await super().close()
        self.receiver.close()
        await self.transport.aclose()


class OtelHarness(Harness):
    keeps_texts = False

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.collector = Collector()
        self.collector.__enter__()
        self._monkeypatch = monkeypatch
        self._connect(self.collector.endpoint)

    def _connect(self, endpoint: str) -> None:
        self._monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        self._monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        self.destination = OtelSessions()

    async def kept(self) -> Kept:
        found: Kept = {}
        for span in self.collector.spans:
            told = {one.key: one.value.string_value for one in span.attributes}
            # A collector knows a span by its id: the same twice is one.
            found[f"{told['harpoon.tenant']}:{told['harpoon.event.id']}"] = [span.span_id.hex()]
        return found

    async def break_it(self) -> None:
        await self.destination.close()
        self._connect("http://127.0.0.1:1")

    async def mend_it(self) -> None:
        await self.destination.close()
        self._connect(self.collector.endpoint)

    async def close(self) -> None:
        await super().close()
        self.collector.__exit__(None, None, None)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="module")
def nats_server() -> Iterator[Nats]:
    with Nats() as server:
        yield server


KINDS = ("jsonl", "sqlite", "postgres", "nats", "webhook", "webhook-cloudevents", "otel")


@pytest.fixture(params=KINDS)
async def harness(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Harness]:
    kind = request.param
    name = "".join(one if one.isalnum() else "_" for one in request.node.name.casefold())[:50]
    made: Harness
    if kind == "jsonl":
        made = JsonlHarness(tmp_path)
    elif kind == "sqlite":
        made = SqliteHarness(tmp_path)
    elif kind == "postgres":
        made = PostgresHarness(request.getfixturevalue("postgres"), name)
    elif kind == "nats":
        made = NatsHarness(request.getfixturevalue("nats_server"), f"sessions.{name}")
    elif kind == "otel":
        made = OtelHarness(monkeypatch)
    else:
        made = WebhookHarness("cloudevents" if kind == "webhook-cloudevents" else "event")
    yield made
    await made.close()


def known(harness: Harness, one: Shaped) -> str:
    return one.event_id if isinstance(harness, JsonlHarness) else delivery_id(one)


async def holds(harness: Harness, batch: Sequence[Shaped], times: int = 1) -> None:
    """Whether it has exactly these events, so often where repetitions stay."""
    found = await harness.kept()
    assert set(found) == {known(harness, one) for one in batch}
    for one in batch:
        texts = found[known(harness, one)]
        assert len(texts) == (1 if harness.is_once else times)
        if harness.keeps_texts:
            assert all(json.loads(text) == json.loads(one.text) for text in texts)


async def test_a_batch_arrives_whole(harness: Harness) -> None:
    batch = [shaped(number, key=f"s{number % 3}") for number in range(20)]
    assert list(await harness.destination.deliver(batch)) == [Fate.DELIVERED] * 20
    await holds(harness, batch)


async def test_what_is_delivered_twice_counts_once_or_carries_the_same_id(harness: Harness) -> None:
    batch = [shaped(1), shaped(2)]
    await harness.destination.deliver(batch)
    assert list(await harness.destination.deliver(batch)) == [Fate.DELIVERED] * 2
    await holds(harness, batch, times=2)


async def test_equal_ids_of_two_tenants_are_two_events(harness: Harness) -> None:
    batch = [shaped(1, tenant="acme"), shaped(1, tenant="zeta", key="s2")]
    assert list(await harness.destination.deliver(batch)) == [Fate.DELIVERED] * 2
    found = await harness.kept()
    assert sum(len(texts) for texts in found.values()) == 2


async def test_words_of_every_script_come_through_unchanged(harness: Harness) -> None:
    batch = [shaped(1, outcome__final_message='naïve "Ω" 🙂\n\u2028 <&> \\u0041')]
    assert list(await harness.destination.deliver(batch)) == [Fate.DELIVERED]
    await holds(harness, batch)


async def test_while_nobody_is_there_it_says_so_and_afterwards_it_delivers(harness: Harness) -> None:
    first, second = [shaped(1)], [shaped(2), shaped(3, key="s2")]
    if not isinstance(harness, JsonlHarness | SqliteHarness):
        await harness.destination.deliver(first)
    await harness.break_it()
    outcomes = list(await harness.destination.deliver(second))
    assert isinstance(outcomes[0], Failed)
    assert outcomes[0].is_down
    assert not outcomes[0].is_permanent
    assert Fate.DELIVERED not in outcomes
    await harness.mend_it()
    assert list(await harness.destination.deliver(second)) == [Fate.DELIVERED] * 2
    found = await harness.kept()
    assert {known(harness, one) for one in second} <= set(found)


async def test_closing_is_harmless_twice(harness: Harness) -> None:
    await harness.destination.deliver([shaped(1)])
    await harness.destination.close()
    await harness.destination.close()


async def test_postgres_gives_up_what_it_can_not_hold_and_takes_the_rest(postgres: Postgres) -> None:
    harness = PostgresHarness(postgres, "poisoned")
    batch = [shaped(1), shaped(2, outcome__final_message="a null \x00 within"), shaped(3)]
    outcomes = list(await harness.destination.deliver(batch))
    assert [outcomes[0], outcomes[2]] == [Fate.DELIVERED] * 2
    assert isinstance(outcomes[1], Failed)
    assert outcomes[1].is_permanent
    await holds(harness, [batch[0], batch[2]])
    await harness.close()


async def test_nats_gives_up_what_is_longer_than_the_server_takes(nats_server: Nats) -> None:
    harness = NatsHarness(nats_server, "sessions.long")
    batch = [shaped(1)._replace(text="x" * 1_100_000), shaped(2, key="s2")]
    outcomes = list(await harness.destination.deliver(batch))
    assert isinstance(outcomes[0], Failed)
    assert outcomes[0].is_permanent
    assert outcomes[1] is Fate.DELIVERED
    await harness.close()


async def test_prometheus_counts_each_session_once_in_a_page_that_its_parser_reads() -> None:
    metrics = SessionMetrics()
    counters = metrics.counters["usage"] = SessionCounters()
    batch = [shaped(number, usage__model="gpt-4") for number in range(3)]
    await counters.deliver(batch)
    await counters.deliver(batch)
    many = [shaped(100 + number, usage__model=f"m{number}") for number in range(120)]
    await counters.deliver(many)
    page = Page((("process", "1"),))
    add_sessions(page, metrics, None, 1)
    found = {family.name: family.samples for family in text_string_to_metric_families(page.text())}
    sessions = [one for one in found["scr_sessions"] if one.labels["status"] == "success"]
    assert [one.value for one in sessions] == [123]
    tokens = {(one.labels["direction"], one.labels["model"]): one.value for one in found["scr_tokens"]}
    assert tokens["total", "gpt-4"] == 3 * 2_140
    assert tokens["total", "other"] == 21 * 2_140
    assert len({model for _, model in tokens}) == 101
    costs = {one.labels["model"]: one.value for one in found["scr_cost_usd"]}
    assert costs["gpt-4"] == 0.1284


async def test_the_log_names_ids_and_nothing_of_the_session(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "harpoon.sessions"):
        outcomes = await LogDestination("notes").deliver([shaped(7, outcome__final_message="a secret word")])
    assert list(outcomes) == [Fate.DELIVERED]
    assert caplog.messages == ["notes: session.completed evt_7 of acme"]
