"""Every fault at every step: what the client sees, what is billed, and that nothing is left behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults import page
from tests.faults.cells import (
    Cell,
    all_cells,
    check_answer,
    expected_bill,
    expected_causes,
    expected_state,
    routes_of,
)
from tests.faults.plays import answers_well, refuses
from tests.faults.table import STREAMED
from tests.faults.upstream import fault_upstream, refusing_url
from tests.faults.world import ROUTES, STEPS, chat, three_routes
from tests.worker.api.application_kit import Application, causes

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def test_the_page_says_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page.page()


@pytest.mark.parametrize("cell", list(all_cells()), ids=str)
async def test_a_fault(cell: Cell) -> None:
    before = asyncio.all_tasks()
    async with fault_upstream() as upstream:
        plays = [refuses(503)] * cell.place + [cell.fault.play or answers_well, answers_well, answers_well]
        upstream.script = dict(zip(STEPS.values(), plays, strict=False))
        with refusing_url() as nobody:
            refused = {f"{list(STEPS)[cell.place].replace('-', '_').upper()}_BASE_URL": nobody}
            async with three_routes(upstream, **({} if cell.fault.play else refused)) as harpoon:
                body = chat(stream=cell.form == STREAMED)
                answer = await harpoon.client.post("/chat/completions", json=body)
                check_answer(cell, answer)
                record = await harpoon.settled()  # settled once, nothing reserved, the ledger and the outbox have it
                assert causes(record) == expected_causes(cell)
                assert record["charged_usd_micros"] == expected_bill(cell, len(answer.request.content))
                assert (record["state"], record["outcome"]["usage"]) == expected_state(cell)
                await check_reservations(cell, harpoon, record)
                await upstream.settled()
        if cell.fault.play:
            called = [call.step for call in upstream.calls]
            assert called == [list(STEPS.values())[ROUTES.index(route)] for route in routes_of(record)]
        await upstream.left()
    assert asyncio.all_tasks() == before


async def check_reservations(cell: Cell, harpoon: Application, record: dict[str, Any]) -> None:
    """Each route that was called was reserved for once, and none other."""
    assert await harpoon.entries("ACTION") == len(set(routes_of(record)))
    spent, reserved, overrun = await harpoon.money()
    assert (spent, reserved, overrun) == (record["charged_usd_micros"], 0, 0)
    assert harpoon.services.metrics.in_flight == 0
