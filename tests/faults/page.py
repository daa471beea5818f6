"""docs/faults.md, written from the fault table: `python -m tests.faults.page > docs/faults.md`."""

from __future__ import annotations

from tests.faults.table import (
    ANSWER,
    FAULTS,
    NOTHING,
    SEEN,
    STREAMED,
    WORST,
    WORST_AND_ANSWER,
    Ending,
    Fault,
)

HEAD = """\
# Faults: what the client sees, and what is billed

Written from the table that the tests run on (`tests/faults/table.py`), each row as a first attempt, as a fallback and
as the last attempt, plain and streamed, on CPython against real sockets and, a selection, in the Worker. Write it
anew with `python -m tests.faults.page > docs/faults.md`.

Three rules make the table:

* What was never sent, or was refused with an error status, cost nothing: the next route is tried, and where none is
  left, the same one once more after a wait (`HARPOON_MAX_RETRIES`, `HARPOON_MAX_RETRY_AFTER_S`).
* What may have been sent and brought no answer may have cost something: it is charged at its worst case and never
  sent to the same route again. The next route is tried, judged and reserved for anew.
* Once an event of the answer is here nobody falls back: what breaks then is an error event, the stream ends without
  `[DONE]`, and what was seen is billed.

In every row the reservation is gone in the end, the ledger has the request's completion, and no connection stays
open.

| the provider | form | a route is left: the client sees | billed | no route is left: the client sees | billed |
| --- | --- | --- | --- | --- | --- |
"""

TAIL = """
"The worst case" is what was reserved, see [budgets.md](budgets.md#the-life-of-an-amount); "what was seen" is planned
input and the output counted in the stream. 503 is `all_routes_down`, 400 `provider_rejected`. If every attempt was a
429, the client gets a 429 with the last `retry-after` instead of the 503. A stream whose client has already got a
[keep-alive comment](api.md#streams) can't change its status any more: the error comes as an event.

## How it is known what was sent

Only a transport that knows that no byte left says so (`NotSent`, `NotSentInTime` in `worker/ports.py`): nobody could
be connected to, or there was no connection in time. Everything else counts as sent, whatever it is called: some
libraries report a server that closed the connection after reading the request as a connect timeout. At the edge
`fetch` doesn't tell the two apart, so there a refused connection is charged like one that broke, and is not tried
again on the same route.

## Deadlines and departures

| what happens | the client sees | billed |
| --- | --- | --- |
| the deadline passes before an answer | 504 | the worst case if an attempt was under way, else nothing more |
| the deadline passes inside the stream | the events so far, an error event `deadline_exceeded` | what was seen |
| the client leaves a stream before its first event | - | the worst case; the provider's connection is closed |
| the client leaves inside the stream | - | what was seen; the provider's connection is closed |
| the client leaves a plain answer | - | the answer: its usage is waited for |

A route that lets a deadline pass, or breaks inside a stream, counts as failed for its [circuit
breaker](routing.md#attempts), like one that can't be reached.

## Hedging

Harpoon doesn't send a request to a second route while the first is still silent. Both would be paid for, every hedged
request would have to reserve two worst cases, and no covenant can ask for it. What hedging would win is bounded
instead: `HARPOON_FIRST_BYTE_TIMEOUT_S` ends the wait for a silent provider, and its breaker keeps the next requests
away.

## Random schedules

`python -m bench.fault_schedules --schedules 10000` plays random faults, delays and departures against many requests
at once, under tight budgets, on a virtual clock. After each schedule nothing is reserved any more, no account is over
its cap but by recorded overruns, every admitted request is settled exactly once, is charged at least what the
providers bill, and no route was sent a request again that it may have billed. The tests run 200 of them.

The tests also cut a short stream at every byte: it looks complete exactly if no part of the answer is missing, and its
bill fits what was seen (`tests/faults/test_cut_streams.py`).
"""

_BILLED = {
    NOTHING: "nothing",
    ANSWER: "the answer",
    WORST: "the worst case",
    SEEN: "what was seen",
    WORST_AND_ANSWER: "the worst case, and the next route's answer",
}


def page() -> str:
    """The whole page."""
    return HEAD + "".join(map(_row, FAULTS)) + TAIL


def _row(fault: Fault) -> str:
    form = " and ".join(fault.forms)
    cells = [fault.name, form, _seen(fault, fault.followed), _BILLED[fault.followed.billed]]
    return "| " + " | ".join([*cells, _seen(fault, fault.last), _BILLED[fault.last.billed]]) + " |\n"


def _seen(fault: Fault, ending: Ending) -> str:
    if ending.status != 200:
        times = f", after {fault.tries} tries" if ending is fault.last and fault.tries > 1 else ""
        return f"{ending.status}{times}"
    if ending.code:
        return f"the events so far, an error event `{ending.code}`"
    if ending.route == "next":
        return "the next route's answer"
    return "a whole stream" if fault.forms == (STREAMED,) else "the answer, as OpenAI's schema wants it"


if __name__ == "__main__":
    print(page(), end="")
