"""One cell of the fault table, and what to hold an answer and its record against; the same on both hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx

from tests.faults.table import ANSWER, FAULTS, NOTHING, SEEN, STREAMED, WORST, WORST_AND_ANSWER, Ending, Fault
from tests.faults.upstream import USAGE
from tests.faults.world import MAX_TOKENS, PRICES, ROUTES
from tests.openai_shapes import answer_findings, data_of, error_findings, stream_findings

FIRST, FALLBACK, LAST = "first", "fallback", "last"


class Cell(NamedTuple):
    """One cell of the table: the fault, the form of the answer, and which attempt meets it."""

    fault: Fault
    form: str
    step: str

    @property
    def ending(self) -> Ending:
        return self.fault.last if self.step == LAST else self.fault.followed

    @property
    def place(self) -> int:
        """How many attempts are refused before."""
        return (FIRST, FALLBACK, LAST).index(self.step)

    def __str__(self) -> str:
        return f"{self.fault.name}, {self.form}, {self.step}"


def all_cells() -> Iterator[Cell]:
    """The whole table."""
    for fault in FAULTS:
        for form in fault.forms:
            for step in (FIRST, FALLBACK, LAST):
                yield Cell(fault, form, step)


def routes_of(record: dict[str, Any]) -> list[str]:
    return [attempt[0] for attempt in record["outcome"]["attempts"]]


def check_answer(cell: Cell, answer: httpx.Response) -> None:
    ending = cell.ending
    assert answer.status_code == ending.status, answer.text
    if ending.status != 200:
        assert error_findings(answer.json()) == []
        assert answer.json()["error"]["code"] == ending.code
        return
    answered = cell.place + (ending.route == "next")
    assert answer.headers["x-harpoon-route"] == ROUTES[answered]
    if ending.code:
        events = data_of(answer.text)
        error = json.loads(events[-1])
        assert error_findings(error) == []
        assert error["error"]["code"] == ending.code
        assert "[DONE]" not in answer.text
        said = [json.loads(event)["choices"][0]["delta"]["content"] for event in events[:-1]]
        assert said == ["one ", "two "]
    elif cell.form == STREAMED:
        assert stream_findings(answer.text, include_usage=False) == []
    else:
        assert answer_findings(answer.json()) == []


def expected_causes(cell: Cell) -> list[str]:
    """How the attempts end, one after the other."""
    fault, ending = cell.fault, cell.ending
    tries = 1
    if fault.cause == "connect" or cell.step == LAST:
        tries = fault.tries
    return ["status"] * cell.place + [fault.cause] * tries + ["ok"] * (ending.route == "next")


def expected_bill(cell: Cell, body_bytes: int) -> int:
    """What is charged for a request with so many bytes in its body, in micro-dollars."""
    fault, ending = cell.fault, cell.ending
    failed = PRICES[ROUTES[cell.place]]
    answered = PRICES[ROUTES[min(2, cell.place + (ending.route == "next"))]]
    worst = failed * (body_bytes + 2 * MAX_TOKENS)
    reported = answered * (USAGE["prompt_tokens"] + 2 * USAGE["completion_tokens"])
    billed = {
        NOTHING: 0,
        ANSWER: reported,
        WORST: worst,
        WORST_AND_ANSWER: worst + reported,
        SEEN: failed * (-(-body_bytes // 4) + 2 * fault.tokens),
    }
    return billed[ending.billed]


def expected_state(cell: Cell) -> tuple[str, str]:
    """The decision's state in the end, and how its usage is known."""
    usage = {NOTHING: "none", WORST: "unknown", SEEN: "counted"}
    state = "unsettled" if cell.ending.billed == WORST else "settled"
    return state, usage.get(cell.ending.billed, "reported")
