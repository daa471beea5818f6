"""Ledger entries and notes as server-sent events: which there are, in which order, each exactly once.

An event's id says how far its reader has come, so that a reader who returns with it as `Last-Event-ID` misses nothing
and gets nothing twice: the id of a ledger entry, the place of the event among those of the entry, and the decisions
whose first token was told early, before the settlement that would tell it. Framing: WHATWG server-sent events.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from worker.admitting import refusal_of
from worker.api.decisions import present_candidates
from worker.canon.codes import Denial
from worker.canon.gates import Verdict
from worker.errors import MalformedRequest
from worker.ledger.canonical import MAX_INT
from worker.ledger.entry import ACTION, DENY, ENTRIES_PER_LOG, SESSION_COMPLETION
from worker.live import FIRST_TOKEN, Note
from worker.money import usd_text

#: Decisions whose first token may be told before their settlement, at a time; all of them are in every id.
MAX_TOLD = 32
#: Open decisions remembered, so that a note about one can be told.
MAX_OPEN = 4_096
#: The place of an entry's last event, and of what comes after it.
LAST = 9
_ID = re.compile(r"([0-9]{1,16})(?:\.([1-9]))?((?:\+[0-9]{1,10}){0,32})", re.ASCII).fullmatch

Event = tuple[int, str, dict[str, Any]]


class Position(NamedTuple):
    """How far a reader has come: everything before the ledger entry, and its events up to a place.

    `told`: entries (by their number in the log) of the decisions whose first token was told already.
    """

    ledger_id: int
    place: int = LAST
    told: tuple[int, ...] = ()

    @property
    def after_id(self) -> int:
        """The last ledger entry that need not be read again."""
        return self.ledger_id if self.place == LAST else self.ledger_id - 1

    def to_text(self) -> str:
        return f"{self.ledger_id}.{self.place}" + "".join([f"+{number}" for number in self.told])


def position_from_text(text: str) -> Position:
    """The position that `Position.to_text` wrote. Raises: MalformedRequest."""
    found = _ID(text)
    if found is None or int(found[1]) > MAX_INT:
        raise MalformedRequest("last-event-id must be the id of an event of this feed", param="last-event-id")
    ledger_id, place, told = found.groups()
    numbers = tuple(int(number) for number in told.split("+")[1:])
    return Position(int(ledger_id), int(place or LAST), numbers)


class Feed:
    """One reader's events. It knows what was told, and which decisions are being served."""

    def __init__(self, position: Position) -> None:
        self._position = position
        self._told = dict.fromkeys(position.told)
        self._open: dict[str, dict[str, Any]] = {}

    @property
    def position(self) -> Position:
        return self._position._replace(told=tuple(self._told))

    def read(self, rows: Iterable[dict[str, Any]], cursor: int) -> bytes:
        """The events of the ledger entries up to `cursor`; `rows` are those that concern decisions."""
        parts = []
        for row in rows:
            seen = self._position.place if row["id"] == self._position.ledger_id else 0
            for place, name, data in _events(row):
                if place <= seen or (name == FIRST_TOKEN and row["admitted_id"] % ENTRIES_PER_LOG in self._told):
                    continue
                self._position = Position(row["id"], place)
                parts.append(self._frame(name, {**_about(row), "entry": row["id"] % ENTRIES_PER_LOG}, data))
            self._remember(row)
            self._position = Position(row["id"])
        if cursor > self._position.ledger_id:
            self._position = Position(cursor)
        return "".join(parts).encode()

    def tell(self, notes: Iterable[Note]) -> bytes:
        """The events of notes about decisions that were told and not settled; the others are not this reader's."""
        parts = []
        for note in notes:
            row = self._open.get(note.decision_id)
            if row is None or note.what != FIRST_TOKEN or len(self._told) >= MAX_TOLD:
                continue
            number = row["admitted_id"] % ENTRIES_PER_LOG
            if number not in self._told:
                self._told[number] = None
                parts.append(self._frame(FIRST_TOKEN, {**_about(row), "at_us": note.at_us}, {}))
        return "".join(parts).encode()

    def _remember(self, row: dict[str, Any]) -> None:
        """Keep track of what is being served. An unsettled end may be corrected, so its first token stays told."""
        if row["kind"] == ACTION and row["id"] == row["admitted_id"]:
            if len(self._open) >= MAX_OPEN:
                del self._open[next(iter(self._open))]
            self._open[row["payload"]["decision_id"]] = {**row, "evidence": None}
        elif row["kind"] == SESSION_COMPLETION:
            self._open.pop(row["payload"]["decision_id"], None)
            number = row["admitted_id"] % ENTRIES_PER_LOG
            if row["payload"]["state"] == "settled":
                self._told.pop(number, None)
            elif _first_token_us(row) and len(self._told) < MAX_TOLD:
                self._told[number] = None

    def _frame(self, name: str, about: dict[str, Any], data: dict[str, Any]) -> str:
        text = json.dumps({**about, **data}, separators=(",", ":"))
        return f"id: {self.position.to_text()}\nevent: {name}\ndata: {text}\n\n"


def _about(row: dict[str, Any]) -> dict[str, Any]:
    return {"request_id": row["request_id"], "decision_id": row["payload"]["decision_id"], "at_us": row["at_us"]}


def _events(row: dict[str, Any]) -> list[Event]:
    """The events of a ledger entry: place, name, and what is said besides which request it is about, and when."""
    if row["kind"] == SESSION_COMPLETION:
        return _completion_events(row) if row["evidence"] else []
    if row["kind"] not in (ACTION, DENY):
        return []
    if row["id"] != row["admitted_id"]:
        held = {"route": row["payload"]["route"], "reserved_usd_micros": row["payload"]["reserved_usd_micros"]}
        return [(1, "fallback", held), (2, "attempt", held)]
    # Evidence that retention has moved away can't be told any more.
    return _admission_events(row["payload"], row["evidence"]) if row["evidence"] else []


def _admission_events(payload: dict[str, Any], evidence: dict[str, Any]) -> list[Event]:
    version, complexity, task, p_small_fails_ppm, expected_output_tokens = evidence["classification"]
    candidates = present_candidates(evidence)
    classification = {
        "complexity": complexity,
        "task": task,
        "p_small_fails_ppm": p_small_fails_ppm,
        "expected_output_tokens": expected_output_tokens,
        "model_version": version,
    }
    events: list[Event] = [(1, "classification", classification), (2, "candidates", {"candidates": candidates})]
    decided = {"decision_digest": payload["decision"], "model": evidence["model"], "policy": evidence["policy"]}
    if "route" not in payload:
        verdicts = [
            Verdict(tuple(Denial(*denial.values()) for denial in candidate["denials"]), 0, 0)
            for candidate in candidates[: len(evidence["candidates"])]
        ]
        refusal = refusal_of(verdicts, len(evidence["unconfigured"]))
        return [*events, (3, "denied", {**decided, "kind": refusal.kind, "reasons": list(refusal.reasons)})]
    held = {"route": payload["route"], "reserved_usd_micros": payload["reserved_usd_micros"]}
    ranking = [candidates[position]["route"] for position in evidence["ranking"]]
    return [*events, (3, "decision", {**decided, "selected": ranking[0], "ranking": ranking}), (4, "attempt", held)]


def _first_token_us(row: dict[str, Any]) -> int:
    """Microseconds from admission until the answer began to arrive, as its settlement says; 0 = none came."""
    metadata = row["evidence"]["metadata"] if row["evidence"] else {"attempts": []}
    attempts = metadata["attempts"]
    answered = attempts and attempts[-1][1] == "ok"
    first_byte_us: int = metadata["first_byte_us"] if answered else 0
    return first_byte_us


def _completion_events(row: dict[str, Any]) -> list[Event]:
    payload, metadata = row["payload"], row["evidence"]["metadata"]
    events: list[Event] = []
    first_us = _first_token_us(row)
    if first_us:
        # Its time counts from the first byte of the request, which came a little before the admission.
        events.append((1, FIRST_TOKEN, {"at_us": min(row["admitted_us"] + first_us, row["at_us"])}))
    attempts = [
        dict(zip(("route", "cause", "status", "elapsed_us"), attempt, strict=True)) for attempt in metadata["attempts"]
    ]
    cost = {
        "cost_usd_micros": payload["cost_usd_micros"],
        "cost_usd": usd_text(payload["cost_usd_micros"]),
        "usage": payload["usage"],
        "input_tokens": payload["input_tokens"],
        "output_tokens": payload["output_tokens"],
    }
    settled = {
        "state": payload["state"],
        "outcome": payload["outcome"],
        "route": payload["route"],
        "elapsed_us": metadata["elapsed_us"],
        "attempts": attempts,
        "corrects": metadata.get("corrects"),
    }
    return [*events, (2, "cost", cost), (3, "settled", settled)]
