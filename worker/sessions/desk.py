"""What the relay asks of a tenant's state, each act one transaction: what to relay, what is relayed, batches, proofs.

Answers are plain JSON-like values, because at the edge they leave an object as text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from worker.ports import Hasher, Sql
from worker.sessions.batch_leaf import Leaf, append_batch_in, batch_proof_in, unsalt_in
from worker.sessions.outbox import heads_in, mark_relayed_in, relayed_in, rewind_in, unrelayed_in

HEADS, NEXT, RELAYED, APPEND, PROOF, UNSALT = "heads", "next", "relayed", "append", "proof", "unsalt"
MARKS, REWIND = "marks", "rewind"


class Desk(NamedTuple):
    """A tenant's state inside an open transaction. `log`: makes sure of the tenant's log, and gives its number."""

    sql: Sql
    hasher: Hasher
    tenant: str
    log: Callable[[], int]


def sessions_in(desk: Desk, act: str, given: dict[str, Any]) -> dict[str, Any]:
    """Carry an act of `ACTS` out; returns what it found."""
    return ACTS[act](desk, given)


def _heads(desk: Desk, _given: dict[str, Any]) -> dict[str, Any]:
    """Which tenants here have entries after their mark, and their last entry."""
    return {"heads": heads_in(desk.sql)}


def _next(desk: Desk, given: dict[str, Any]) -> dict[str, Any]:
    found = unrelayed_in(desk.sql, desk.tenant, given["after"], given["limit"])
    return {"completions": found.completions, "cursor": found.cursor, "more": found.more}


def _relayed(desk: Desk, given: dict[str, Any]) -> dict[str, Any]:
    mark_relayed_in(desk.sql, desk.tenant, given["cursor"])
    return {}


def _append(desk: Desk, given: dict[str, Any]) -> dict[str, Any]:
    leaves = [Leaf(*leaf) for leaf in given["leaves"]]
    log = desk.log()
    return {"entry": append_batch_in(desk.sql, desk.hasher, desk.tenant, log, given["spool"], leaves, given["at_us"])}


def _proof(desk: Desk, given: dict[str, Any]) -> dict[str, Any]:
    return {"proof": batch_proof_in(desk.sql, desk.hasher, desk.tenant, given["spool"], given["id"])}


def _unsalt(desk: Desk, given: dict[str, Any]) -> dict[str, Any]:
    return {"unsalted": unsalt_in(desk.sql, desk.tenant, given["spool"], given["ids"])}


def _marks(desk: Desk, given: dict[str, Any]) -> dict[str, Any]:
    """Up to where, by tenant, completions were brought to a spool; and the last reported event of one that is here."""
    last = desk.sql.execute("SELECT COALESCE(MAX(last_id), 0) FROM reported WHERE spool = ?", given["spool"])[0][0]
    return {"relayed": relayed_in(desk.sql), "reported": last}


def _rewind(desk: Desk, given: dict[str, Any]) -> dict[str, Any]:
    rewind_in(desk.sql, desk.tenant, given["entry"])
    return {}


ACTS: Final[dict[str, Callable[[Desk, dict[str, Any]], dict[str, Any]]]] = {
    HEADS: _heads,
    NEXT: _next,
    RELAYED: _relayed,
    APPEND: _append,
    PROOF: _proof,
    UNSALT: _unsalt,
    MARKS: _marks,
    REWIND: _rewind,
}
