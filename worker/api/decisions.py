"""GET /v1/decisions, /v1/decisions/{id} and its /certificate: why a route was chosen, what it cost, and the proof."""

from __future__ import annotations

from typing import Any

from worker.api.answers import Receive, Scope, Send, send_error, send_json
from worker.api.auth import authenticate
from worker.api.query import id_in, read_query, whole_in
from worker.canon.codes import INVARIANT_VIOLATION, PROVIDER_CONFIGURED, Denial, denial_from_text
from worker.canon.decide import FIRST_ROW_COLUMNS, ROW_COLUMNS
from worker.errors import CertificateUnavailable, HarpoonError, UnknownDecision
from worker.money import usd_text
from worker.services import Services

_DENIAL_COLUMNS = ("reason_code", "subject", "bound", "value")
_ATTEMPT_COLUMNS = ("route", "cause", "status", "elapsed_us")
#: Members of a recorded decision that say what came of it, not what it was made from.
_NO_INPUTS = ("candidates", "ranking", "unconfigured")
#: What is left to say of a decision whose record retention has dropped.
_DROPPED: dict[str, Any] = {"candidates": [], "ranking": [], "unconfigured": []}
DEFAULT_LISTED = 20
MAX_LISTED = 200
_NOT_CONFIGURED = {
    "denials": [dict(zip(_DENIAL_COLUMNS, Denial(INVARIANT_VIOLATION, PROVIDER_CONFIGURED, 0, 0), strict=True))]
}


def _candidate(row: str) -> dict[str, Any]:
    """A candidate's row (`worker.canon.decide.ROW_COLUMNS`) with names, numbers and denials apart."""
    cells = row.split(" ")
    columns = FIRST_ROW_COLUMNS if len(cells) == len(FIRST_ROW_COLUMNS) else ROW_COLUMNS
    values = dict(zip(columns, cells, strict=True))
    denials = [] if values["denials"] == "-" else values["denials"].split(",")
    return {
        **{name: int(value) for name, value in values.items() if name not in ("route", "denials") and value != "-"},
        "route": values["route"],
        "denials": [dict(zip(_DENIAL_COLUMNS, denial_from_text(text), strict=True)) for text in denials],
    }


def present_candidates(decision: dict[str, Any]) -> list[dict[str, Any]]:
    """The candidates of a recorded decision, in its order, and after them the routes of unconfigured providers."""
    not_configured = [{**_NOT_CONFIGURED, "route": route} for route in decision["unconfigured"]]
    return [_candidate(row) for row in decision["candidates"]] + not_configured


def present(record: dict[str, Any]) -> dict[str, Any]:
    """A recorded decision with named columns, the ranking as route ids, and the cost in dollars."""
    decision = record["decision"] or _DROPPED
    candidates = present_candidates(decision)
    ranking = [candidates[position]["route"] for position in decision["ranking"]]
    presented = {key: value for key, value in record.items() if key not in ("decision", "charged_usd_micros")}
    return {
        "object": "decision",
        **presented,
        "attempts": [dict(zip(_ATTEMPT_COLUMNS, attempt, strict=True)) for attempt in _attempts(record)],
        "cost_usd_micros": record["charged_usd_micros"],
        "cost_usd": usd_text(record["charged_usd_micros"]),
        "selected": ranking[0] if ranking else None,
        "ranking": ranking,
        "candidates": candidates,
        "inputs": {key: value for key, value in decision.items() if key not in _NO_INPUTS},
    }


def _attempts(record: dict[str, Any]) -> list[list[Any]]:
    """The attempts of a request that has ended, as its event holds them."""
    attempts: list[list[Any]] = (record["outcome"] or {}).get("attempts", [])
    return attempts


class Decisions:
    """The endpoint, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-request-id", self._services.ids.new("req").encode())]
        try:
            tenant = await authenticate(self._services, scope)
            record = await self._services.mediator.read(tenant, scope["path_params"]["decision_id"])
            if record is None:
                raise UnknownDecision("no decision of yours has this id")
            await send_json(send, present(record), headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)


class Certificate:
    """The endpoint of a decision's certificate, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-request-id", self._services.ids.new("req").encode())]
        try:
            tenant = await authenticate(self._services, scope)
            found = await self._services.mediator.certificate(tenant, scope["path_params"]["decision_id"])
            if found is None:
                raise UnknownDecision("no decision of yours has this id")
            if "problem" in found:
                raise CertificateUnavailable(found["problem"])
            await send_json(send, found["certificate"], headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)


class DecisionList:
    """The endpoint of the list, as an ASGI application: newest first, page by page."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-request-id", self._services.ids.new("req").encode())]
        try:
            tenant = await authenticate(self._services, scope)
            query = read_query(scope, ("before", "limit", "request_id"))
            limit = whole_in(query, "limit", DEFAULT_LISTED, 1, MAX_LISTED)
            before, request_id = id_in(query, "before", ("dec_",)), id_in(query, "request_id", ("req_",))
            records = await self._services.mediator.decisions(tenant, limit + 1, before, request_id)
            data = [present(record) for record in records[:limit]]
            await send_json(send, {"object": "list", "data": data, "has_more": len(records) > limit}, headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)
