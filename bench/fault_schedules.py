"""`python -m bench.fault_schedules`: random faults, delays and departures; after each schedule the books must balance.

Everything but the providers is the product: the application, the mediator, SQLite in memory. Time is virtual, chance is
seeded: schedule number N is the same for ever, `--first N --schedules 1` plays it again. After each schedule:

  - at no commit was an account over its cap, but for recorded overruns, or below nothing;
  - nothing is reserved, every admitted request is settled once, with one ledger entry and one event;
  - each is charged at least what the providers bill for it, and all accounts add up;
  - no route was sent a request again that it may bill, and every billed call had its own reservation;
  - no task and no stream is left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random
from typing import Any

from starlette.applications import Starlette

from bench.faulty_providers import FaultyProviders
from bench.virtual_time import VirtualClock, VirtualLoop
from gateway.adapters.host import PySha3Hasher
from gateway.adapters.sqlite_database import SqliteDatabase
from worker.app import create_app
from worker.classification import ReferenceScorer
from worker.configuration import Configuration, read_configuration
from worker.mediator import Mediator
from worker.ports import Sql, as_int
from worker.routing.candidates import cost_usd_micros
from worker.services import Services
from worker.upstream.dispatch import Dispatcher, UpstreamLimits

PROVIDERS = ("hosted-ai", "groq", "openai")
MODELS = ("auto", "llama-3.1-8b-instruct", "openai/gpt-4o-mini", "groq/auto")
MOST_REQUESTS = 12
#: Virtual seconds after which whoever has not ended never will.
PATIENCE_S = 100_000
TENANT = "local"


class Broken(AssertionError):
    """A law does not hold."""


@dataclass(slots=True)
class Played:
    """What one or more schedules were made of."""

    schedules: int = 0
    requests: int = 0
    calls: int = 0
    overruns: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, other: Played) -> None:
        """Count another one in."""
        self.schedules += other.schedules
        self.requests += other.requests
        self.calls += other.calls
        self.overruns += other.overruns
        self.endings += other.endings
        self.statuses += other.statuses
        self.outcomes += other.outcomes


class SeededIds:
    """`worker.ports.Ids` by chance that can be repeated."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def new(self, prefix: str) -> str:
        """`prefix` + "_" + 32 lower-case hexadecimal digits."""
        return f"{prefix}_{self._chance.getrandbits(128):032x}"


def audit(sql: Sql) -> None:
    """A commit listener: what is about to become durable keeps every cap. Raises: Broken."""
    if not sql.execute("SELECT 1 FROM sqlite_schema WHERE name = 'account'"):
        return
    wrong = "SELECT * FROM account WHERE spent + reserved > cap + overrun OR min(spent, reserved, overrun) < 0"
    found = sql.execute(wrong)
    if found:
        raise Broken(f"an account is over its cap, or below nothing: {found}")


@lru_cache
def _configuration() -> Configuration:
    bases = {f"{name.replace('-', '_').upper()}_BASE_URL": f"http://{name}.test" for name in PROVIDERS}
    more = {"HARPOON_MAX_FALLBACKS": "4", "HARPOON_MAX_RETRIES": "2", "HARPOON_KEEP_ALIVE_S": "3"}
    return read_configuration({"HARPOON_OPEN": "1", **bases, **more})


def play(number: int) -> Played:
    """One schedule from its first request to the last settlement. Raises: Broken."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_play(number))


async def _play(number: int) -> Played:
    chance = Random(number)
    configuration = _configuration()
    hasher, clock = PySha3Hasher(), VirtualClock()
    await hasher.load()
    database = SqliteDatabase(":memory:", commit_listener=audit)
    await database.open()
    cap = chance.choice((None, 300, 3_000, 30_000))
    mediator = Mediator(database, hasher, replace(configuration.mediator_config(hasher), default_cap=cap))
    await mediator.open()
    providers = FaultyProviders(chance)
    attempts = replace(configuration.limits.attempts, first_byte_us=chance.choice((2, 20, 120)) * 1_000_000)
    services = Services(
        mediator=mediator,
        dispatcher=Dispatcher(providers, configuration.access, UpstreamLimits(silence_timeout_us=30_000_000)),
        scorer=ReferenceScorer(),
        clock=clock,
        ids=SeededIds(chance),
        catalogue=configuration.catalogue,
        configured=configuration.configured,
        keyring=configuration.keyring(),
        limits=replace(configuration.limits, request_us=chance.choice((5, 60)) * 1_000_000, attempts=attempts),
    )
    app = create_app(services)
    played = Played(schedules=1, requests=chance.randint(2, MOST_REQUESTS))
    try:
        clients = [_Client(at, chance) for at in range(played.requests)]
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(client.ask(app) for client in clients))
        played.add(await _check(database, mediator, providers, clients))
        played.statuses.update(client.seen for client in clients)
    finally:
        await database.close()
    for _ in range(3):
        await asyncio.sleep(0)
    if len(asyncio.all_tasks()) > 1 or providers.open_streams:
        raise Broken(f"left behind: {asyncio.all_tasks()}, {providers.open_streams} streams")
    played.calls = len(providers.calls)
    played.endings.update(call.ending for call in providers.calls)
    return played


class _Client:
    """One request's ASGI client: comes at a time, reads at its own pace, and may leave."""

    def __init__(self, number: int, chance: Random) -> None:
        self._number = number
        self.seen = "left"
        self._starts_s = chance.uniform(0, 6)
        self._leaves_s = chance.uniform(0, 4) if chance.random() < 0.2 else None
        self._reads_s = chance.choice((0, 0, 0, 0.05, 2))
        body: dict[str, Any] = {"model": chance.choice(MODELS), "stream": chance.random() < 0.6}
        body["messages"] = [{"role": "user", "content": f"request {number} " + "word " * chance.randint(0, 30)}]
        if chance.random() < 0.8:
            body["max_tokens"] = chance.choice((1, 20, 60))
        covenant: dict[str, Any] = {}
        if chance.random() < 0.3:
            covenant["deadline_s"] = chance.choice((0.5, 2, 10))
        self.budget_usd_micros = chance.choice((100, 500, 10_000)) if chance.random() < 0.3 else None
        if self.budget_usd_micros is not None:
            covenant["budget_usd"] = self.budget_usd_micros / 1_000_000
        self._body = json.dumps({**body, **({"covenant": covenant} if covenant else {})}).encode()

    async def ask(self, app: Starlette) -> None:
        await asyncio.sleep(self._starts_s)
        messages = [{"type": "http.request", "body": self._body}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await asyncio.sleep(PATIENCE_S * 2 if self._leaves_s is None else self._leaves_s)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.seen = str(message["status"])
            elif message.get("more_body"):
                await asyncio.sleep(self._reads_s)

        path = "/v1/chat/completions"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        headers = [(b"host", b"127.0.0.1"), (b"x-session-id", str(self._number).encode())]
        await app({**scope, "headers": headers, "client": ("127.0.0.1", 9)}, receive, send)


async def _check(
    database: SqliteDatabase, mediator: Mediator, providers: FaultyProviders, clients: list[_Client]
) -> Played:
    """The laws of the books. Raises: Broken."""
    found = Played()
    rows = await database.transact(
        lambda sql: sql.execute("SELECT decision_id, state, charged, session_id FROM decision WHERE tenant = ?", TENANT)
    )
    actions, completions = await _entries(database, "ACTION"), await _entries(database, "SESSION_COMPLETION")
    spent_in_all = 0
    for decision_id, state, charged, session_id in rows:
        calls = [call for call in providers.calls if call.request == int(str(session_id))]
        spent_in_all += as_int(charged)
        if state == "denied":
            _demand(not calls and not charged, "a refused request was sent", decision_id)
            continue
        _demand(state in ("settled", "unsettled"), f"not settled: {state}", decision_id)
        _demand(completions[str(decision_id)] == 1, "not settled exactly once", decision_id)
        record = await mediator.read(TENANT, str(decision_id))
        assert record is not None
        found.outcomes[record["outcome"]["outcome"]] += 1
        routes = [attempt[0] for attempt in record["outcome"]["attempts"]]
        _demand(len(routes) == len(calls), f"{len(calls)} calls, recorded: {routes}", decision_id)
        bill, billed = 0, []
        for route, call in zip(routes, calls, strict=True):
            _demand(route not in billed, f"{route} was asked again after it may have billed", decision_id)
            if call.is_billed:
                billed.append(route)
                bill += cost_usd_micros(_configuration().catalogue.by_id[route], call.tokens_in, call.tokens_out)
        _demand(len(billed) <= actions[str(decision_id)], "a billed call without a reservation", decision_id)
        _demand(as_int(charged) >= bill, f"charged {charged}, billed {bill}", decision_id)
        budget = clients[int(str(session_id))].budget_usd_micros
        overran = any(call.has_overrun for call in calls)
        _demand(budget is None or as_int(charged) <= budget or overran, f"{charged} of {budget}", decision_id)
    accounts = await database.transact(lambda sql: sql.execute("SELECT spent, reserved, overrun FROM account"))
    _demand(all(row[1] == 0 for row in accounts), f"still reserved: {accounts}")
    _demand(sum(as_int(row[0]) for row in accounts) == spent_in_all, f"{accounts}, decisions: {spent_in_all}")
    found.overruns = sum(bool(row[2]) for row in accounts)
    return found


async def _entries(database: SqliteDatabase, kind: str) -> Counter[str]:
    """How many ledger entries of a kind each decision has."""
    query = "SELECT json_extract(entry, '$.payload.decision_id') FROM ledger WHERE kind = ?"
    return Counter(str(row[0]) for row in await database.transact(lambda sql: sql.execute(query, kind)))


def _demand(holds: bool, otherwise: str, decision_id: object = "") -> None:
    if not holds:
        raise Broken(f"{decision_id} {otherwise}".strip())


def main() -> int:
    """Play the schedules; exit status 1 at the first law that doesn't hold."""
    options = argparse.ArgumentParser(prog="python -m bench.fault_schedules")
    options.add_argument("--schedules", type=int, default=10_000, help="how many")
    options.add_argument("--first", type=int, default=0, help="number of the first one")
    given = options.parse_args()
    logging.disable(logging.ERROR)
    played, began_s = Played(), time.monotonic()
    for number in range(given.first, given.first + given.schedules):
        try:
            played.add(play(number))
        except Exception as problem:
            print(f"schedule {number}: {type(problem).__name__}: {problem}", file=sys.stderr)
            return 1
    print(f"{played.schedules} schedules, {played.requests} requests, {played.calls} calls upstream: every law holds")
    print(f"accounts with overruns: {played.overruns}; {time.monotonic() - began_s:.0f} s")
    for name, counts in (("calls", played.endings), ("answers", played.statuses), ("outcomes", played.outcomes)):
        print(f"{name}: " + ", ".join(f"{word} {count}" for word, count in counts.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
