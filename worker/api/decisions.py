"""GET /v1/decisions/{id}: why a route was chosen or refused, and what the request cost in the end."""

from __future__ import annotations

from typing import Any

from worker.api.answers import Receive, Scope, Send, header_of, send_error, send_json
from worker.canon.codes import INVARIANT_VIOLATION, PROVIDER_CONFIGURED, Denial, denial_from_text
from worker.canon.decide import ROW_COLUMNS
from worker.errors import HarpoonError, UnknownDecision
from worker.money import usd_text
from worker.services import Services

_DENIAL_COLUMNS = ("reason_code", "subject", "bound", "value")


_NOT_CONFIGURED = {
    "denials": [dict(zip(_DENIAL_COLUMNS, Denial(INVARIANT_VIOLATION, PROVIDER_CONFIGURED, 0, 0), strict=True))]
}


def _candidate(row: str) -> dict[str, Any]:
    """A candidate's row (`worker.canon.decide.ROW_COLUMNS`) with names, numbers and denials apart."""
    values = dict(zip(ROW_COLUMNS, row.split(" "), strict=True))
    denials = [] if values["denials"] == "-" else values["denials"].split(",")
    return {
        **{name: int(value) for name, value in values.items() if name not in ("route", "denials") and value != "-"},
        "route": values["route"],
        "denials": [dict(zip(_DENIAL_COLUMNS, denial_from_text(text), strict=True)) for text in denials],
    }


def present(record: dict[str, Any]) -> dict[str, Any]:
    """A recorded decision with named columns, the ranking as route ids, and the cost in dollars."""
    decision = dict(record["decision"])
    candidates = [_candidate(row) for row in decision.pop("candidates")]
    not_configured = [{**_NOT_CONFIGURED, "route": route} for route in decision.pop("unconfigured")]
    ranking = [candidates[position]["route"] for position in decision.pop("ranking")]
    presented = {key: value for key, value in record.items() if key not in ("decision", "charged_usd_micros")}
    return {
        "object": "decision",
        **presented,
        "cost_usd_micros": record["charged_usd_micros"],
        "cost_usd": usd_text(record["charged_usd_micros"]),
        "selected": ranking[0] if ranking else None,
        "ranking": ranking,
        "candidates": candidates + not_configured,
        "inputs": decision,
    }


class Decisions:
    """The endpoint, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-request-id", self._services.ids.new("req").encode())]
        try:
            tenant = self._services.keyring.authenticate(header_of(scope, b"authorization"))
            record = await self._services.mediator.read(tenant, scope["path_params"]["decision_id"])
            if record is None:
                raise UnknownDecision("no decision of yours has this id")
            await send_json(send, present(record), headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)
