"""The decisions of tests/decision_table.py on CPython, each by a tenant that never asked before.

Nothing but request, catalogue and code decides them, so they are kept in tests/data/decision_digests.json.
`python -m tests.golden_digests` writes that file anew: after a change of the catalogue, the classifier or the record of
a decision that is meant to change decisions, and never else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from gateway.adapters.host import PySha3Hasher, SystemClock, SystemIds
from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.simulator.exchange import Simulator, SimulatorSettings
from gateway.simulator.transport import SimulatorTransport
from tests.decision_table import Row, decision_table
from worker.app import create_app
from worker.classification import ReferenceScorer
from worker.configuration import read_configuration
from worker.mediator import Mediator
from worker.services import Services
from worker.upstream.dispatch import Dispatcher, UpstreamLimits

GOLDEN_FILE = Path(__file__).parent / "data" / "decision_digests.json"
SIMULATOR_URL = "http://simulator.internal/v1"


def token(number: int) -> str:
    """The token of the tenant who sends one row."""
    return f"hk_row-{number:03d}_golden"


@contextlib.asynccontextmanager
async def application(tenants: int) -> AsyncIterator[httpx.AsyncClient]:
    """The application in this process over a database in memory, every provider answered by the simulator."""
    configuration = read_configuration(
        {
            "HARPOON_TOKENS": ",".join(map(token, range(tenants))),
            "HARPOON_ESTIMATES": "catalogue",
            "HARPOON_SIMULATOR": "on",
            "OPENAI_BASE_URL": SIMULATOR_URL,
            "GROQ_BASE_URL": SIMULATOR_URL,
        }
    )
    hasher, clock = PySha3Hasher(), SystemClock()
    await hasher.load()
    database = SqliteDatabase(":memory:")
    await database.open()
    try:
        mediator = Mediator(database, hasher, configuration.mediator_config(hasher))
        await mediator.open()
        models = frozenset(route.served_id for route in configuration.catalogue.routes if route.simulated)
        simulator = Simulator(SimulatorSettings(models), clock)
        services = Services(
            mediator=mediator,
            dispatcher=Dispatcher(SimulatorTransport(simulator), configuration.access, UpstreamLimits()),
            scorer=ReferenceScorer(),
            clock=clock,
            ids=SystemIds(),
            catalogue=configuration.catalogue,
            configured=configuration.configured,
            keyring=configuration.keyring(),
            limits=configuration.limits,
        )
        transport = httpx.ASGITransport(app=create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://harpoon.test") as client:
            yield client
    finally:
        await database.close()


async def compute() -> dict[str, str]:
    """Every row's name with `<status> <route or -> <digest>`."""
    rows = decision_table()
    async with application(len(rows)) as client:
        return {row.name: await _decide(client, number, row) for number, row in enumerate(rows)}


async def _decide(client: httpx.AsyncClient, number: int, row: Row) -> str:
    access = {"authorization": f"Bearer {token(number)}"}
    answer = await client.post("/v1/chat/completions", content=row.body, headers={**row.headers, **access})
    assert "x-harpoon-decision-id" in answer.headers, f"{row.name}: {answer.text[:300]}"
    found = await client.get(f"/v1/decisions/{answer.headers['x-harpoon-decision-id']}", headers=access)
    return f"{answer.status_code} {answer.headers.get('x-harpoon-route', '-')} {found.json()['decision_digest']}"


def main() -> None:
    digests = asyncio.run(compute())
    GOLDEN_FILE.write_text(json.dumps(digests, indent=0, sort_keys=True) + "\n")
    print(f"wrote {len(digests)} decisions to {GOLDEN_FILE.name}")


if __name__ == "__main__":
    main()
