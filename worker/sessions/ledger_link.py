"""Where an event that was found in the spool stands in its tenant's ledger, so that it can be checked there."""

from __future__ import annotations

from typing import Any

from worker.mediator import MediatorPort
from worker.sessions.desk import PROOF
from worker.sessions.outbox import LEDGER_ENTRY
from worker.sessions.spool_port import OWN


async def with_ledger(mediator: MediatorPort, found: dict[str, Any]) -> dict[str, Any]:
    """What `SpoolPort.find` found, with `ledger` in the place of its place in the spool. Raises: StateError.

    Of our own session: the `entry` that it ends with, whose evidence it is. Of a reported one: the proof of
    `worker.sessions.batch_leaf.batch_proof_in`, and None as long as it is in no entry yet.
    """
    place = found["place"]
    shown = {name: value for name, value in found.items() if name != "place"}
    if found["source"] == OWN:
        entry = found["event"].get("metadata", {}).get(LEDGER_ENTRY)
        return {**shown, "ledger": None if entry is None else {"entry": entry}}
    return {**shown, "ledger": (await mediator.sessions(found["tenant"], PROOF, place))["proof"]}
