"""The fault table in the real Worker: a selection of its cells, and what differs at the edge.

`fetch` tells a refused connection and one that broke after the request was read in the same words, so a refusal is
charged like a break here, and not tried again. Everything else is as on CPython.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.edge.harness import EdgeWorker, free_port
from tests.edge.hosts import client_of, read_settled, settings
from tests.faults.cells import (
    FIRST,
    LAST,
    Cell,
    all_cells,
    check_answer,
    expected_bill,
    expected_causes,
    expected_state,
)
from tests.faults.plays import answers_well, comments_for_ever, hangs_inside_the_stream, refuses
from tests.faults.table import DOWN_AFTER_WORST, FAULTS, NEXT_AFTER_WORST
from tests.faults.upstream import Play, fault_upstream
from tests.faults.world import STEPS, catalogue_text, chat
from tests.openai_shapes import data_of

TENANT = "faults"
#: Cells that wait for a silent provider take the Worker's least limit to the first byte, one second.
SLOW = frozenset({"hangs before the headers", "hangs after the headers, before an event or within a body"})
LARGE = "100 MB in one answer or event"
#: What takes a limit of the tests' own, or is told apart only elsewhere.
LEFT_OUT = frozenset({"refuses the connection", "hangs inside the stream", "429 with `retry-after: 1`"})


@pytest.fixture(scope="module")
def fault_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def faulty_worker(fault_port: int) -> Iterator[EdgeWorker]:
    """The product's Worker with the fault server behind every provider, but nobody behind one of them."""
    bases = {name.replace("-", "_").upper(): step for name, step in STEPS.items()}
    variables = {
        **settings([TENANT], {}),
        **{f"{name}_BASE_URL": f"http://127.0.0.1:{fault_port}/{step}/v1" for name, step in bases.items()},
        "HARPOON_CATALOGUE_JSON": catalogue_text(),
        "HARPOON_MAX_FALLBACKS": "2",
        "HARPOON_FIRST_BYTE_TIMEOUT_S": "1",
        "HARPOON_KEEP_ALIVE_S": "2",
    }
    with EdgeWorker(label="faults", variables=variables) as worker:
        yield worker


def cells() -> list[Cell]:
    """Every fault that needs no limit of the tests' own, as the first and as the last attempt, slow ones once."""
    found = [cell for cell in all_cells() if cell.fault.name not in LEFT_OUT and cell.step in (FIRST, LAST)]
    return [cell for cell in found if cell.fault.name not in SLOW or cell.step == FIRST]


async def ask(worker: EdgeWorker, port: int, plays: list[Play], **fields: Any) -> tuple[httpx.Response, dict[str, Any]]:
    """One request over these providers, first, second, third: the answer and its settled decision."""
    async with fault_upstream(port) as upstream, client_of(worker.url, TENANT) as client:
        upstream.script = dict(zip(STEPS.values(), plays, strict=False))
        answer = await client.post("/v1/chat/completions", json=chat(**fields))
        await answer.aread()
        record = await read_settled(client, answer.headers["x-harpoon-decision-id"])
        await upstream.settled()
    return answer, record


def causes_of(record: dict[str, Any]) -> list[str]:
    """How each attempt ended."""
    return [attempt[1] for attempt in record["outcome"]["attempts"]]


def check(cell: Cell, answer: httpx.Response, record: dict[str, Any]) -> None:
    check_answer(cell, answer)
    causes = expected_causes(cell)
    # Megabytes come in small pieces here, so the limit to the first byte may come before the limit in bytes.
    in_time = [cause.replace("malformed", "timeout") if cell.fault.name == LARGE else cause for cause in causes]
    assert causes_of(record) in (causes, in_time)
    assert record["cost_usd_micros"] == expected_bill(cell, len(answer.request.content))
    assert (record["state"], record["outcome"]["usage"]) == expected_state(cell)


@pytest.mark.parametrize("cell", cells(), ids=str)
async def test_a_fault(faulty_worker: EdgeWorker, fault_port: int, cell: Cell) -> None:
    assert cell.fault.play is not None
    plays = [refuses(503)] * cell.place + [cell.fault.play, answers_well, answers_well]
    check(cell, *await ask(faulty_worker, fault_port, plays, stream=cell.form == "streamed"))


@pytest.mark.parametrize("form", ["plain", "streamed"])
async def test_nobody_there_counts_as_a_break(faulty_worker: EdgeWorker, form: str) -> None:
    refused = replace(FAULTS[0], cause="broken", followed=NEXT_AFTER_WORST, last=DOWN_AFTER_WORST, tries=1)
    async with client_of(faulty_worker.url, TENANT) as client:
        answer = await client.post("/v1/chat/completions", json=chat(stream=form == "streamed"))
        record = await read_settled(client, answer.headers["x-harpoon-decision-id"])
    assert (answer.status_code, causes_of(record)) == (503, ["broken"] * 3)
    worst = expected_bill(Cell(refused, form, LAST), len(answer.request.content)) // 4
    assert record["cost_usd_micros"] == worst * (1 + 2 + 4)


async def test_a_stream_that_hangs_ends_at_its_deadline_with_comments_before(
    faulty_worker: EdgeWorker, fault_port: int
) -> None:
    body = {"stream": True, "covenant": {"deadline_s": 5}}
    answer, record = await ask(faulty_worker, fault_port, [hangs_inside_the_stream], **body)
    events = data_of(answer.text)
    assert json.loads(events[-1])["error"]["code"] == "deadline_exceeded"
    assert ": keep-alive\n\n" in answer.text
    assert (record["outcome"]["outcome"], causes_of(record)) == ("timeout", ["timeout"])
    assert record["outcome"]["output_tokens"] == 2


async def test_comments_for_ever_end_at_the_limit_to_the_first_byte(faulty_worker: EdgeWorker, fault_port: int) -> None:
    plays = [comments_for_ever, answers_well]
    _, record = await ask(faulty_worker, fault_port, plays, stream=True)
    assert causes_of(record) == ["timeout", "ok"]
