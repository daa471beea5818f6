"""Commitments of a tenant's agents, and the slack they granted, in its database.

A commitment ends when it is settled, or at its `expires_us`, or when its agent commits to something else. Agents are
the tenant's own: another tenant's are in another log, and at the edge in another object.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from worker.canon.canon_settings import CanonSettings
from worker.canon.interference import Allowance, Commitment, State, times_of
from worker.canon.interference_form import Case, action_from_plain, action_to_plain, case_to_plain, resources_of
from worker.canon.items import Item
from worker.canon.order import Order
from worker.canon.store import items_in
from worker.ledger.canonical import canonical_json
from worker.ports import Hasher, Sql, as_int


class Held(NamedTuple):
    """What is kept of a commitment besides itself. `own_us`: the time it was expected to take when it was made."""

    at_us: int
    own_us: int
    expires_us: int


def state_in(sql: Sql, hasher: Hasher, tenant: str, at_us: int, items: list[Item] | None = None) -> State:
    """The resources that are CANON, and what is committed at that time. Args: items: the tenant's, where at hand."""
    rows = sql.execute(
        "SELECT agent, plan, place FROM commitment WHERE tenant = ? AND expires_us > ? ORDER BY place", tenant, at_us
    )
    commitments = []
    for agent, plan, place in rows:
        action = action_from_plain(json.loads(str(plan)), str(agent), "action")
        commitments.append(action._replace(place=as_int(place)))
    known = items_in(sql, hasher, tenant) if items is None else items
    return State(resources_of(known), tuple(commitments))


def allowance_in(sql: Sql, settings: CanonSettings, tenant: str) -> Allowance:
    """What is tolerated of every action, and what slack is left of each agent's grant."""
    rows = sql.execute("SELECT agent, left_us FROM slack WHERE tenant = ? ORDER BY agent", tenant)
    return Allowance(settings.interference_eps_us, {str(agent): as_int(left) for agent, left in rows})


def agents_in(sql: Sql, hasher: Hasher, settings: CanonSettings, order: Order) -> dict[str, Any]:
    """The state as it is: resources, commitments with their times, and what slack is left."""
    state = state_in(sql, hasher, order.tenant, order.at_us)
    allowance, times = allowance_in(sql, settings, order.tenant), times_of(state)
    plain = case_to_plain(Case(state, (), allowance))
    rows = sql.execute("SELECT agent, expires_us FROM commitment WHERE tenant = ?", order.tenant)
    expiries = {str(agent): as_int(expires_us) for agent, expires_us in rows}
    return {
        "object": "canon_agents",
        "resources": plain["resources"],
        "commitments": [
            {**one, "expected_ttv_us": times[one["agentId"]], "expires_us": expiries[one["agentId"]]}
            for one in plain["commitments"]
        ],
        "eps_us": allowance.eps_us,
        "slack_us": plain["slack_us"],
    }


def forget_expired_in(sql: Sql, tenant: str, at_us: int) -> None:
    """Remove what has expired; it counts for nothing already."""
    sql.execute("DELETE FROM commitment WHERE tenant = ? AND expires_us <= ?", tenant, at_us)


def commit_in(sql: Sql, tenant: str, action: Commitment, place: int, held: Held) -> None:
    """Put the action in the place of what its agent was committed to. Args: place: grows with every commitment."""
    sql.execute(
        """INSERT INTO commitment (tenant, agent, plan, place, at_us, own_us, expires_us) VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (tenant, agent) DO UPDATE SET plan = excluded.plan, place = excluded.place,
           at_us = excluded.at_us, own_us = excluded.own_us, expires_us = excluded.expires_us""",
        tenant,
        action.agent,
        canonical_json(action_to_plain(action)).decode(),
        place,
        held.at_us,
        held.own_us,
        held.expires_us,
    )


def release_in(sql: Sql, tenant: str, agent: str) -> tuple[str, Held] | None:
    """End a commitment; returns its action's id and what was kept of it, None if there was none."""
    rows = sql.execute(
        """DELETE FROM commitment WHERE tenant = ? AND agent = ?
           RETURNING json_extract(plan, '$.id'), at_us, own_us, expires_us""",
        tenant,
        agent,
    )
    return (str(rows[0][0]), Held(*map(as_int, rows[0][1:]))) if rows else None


def write_slack_in(sql: Sql, tenant: str, agent: str, left_us: int) -> None:
    """Set what is left of an agent's grant; 0 = it grants nothing."""
    if not left_us:
        sql.execute("DELETE FROM slack WHERE tenant = ? AND agent = ?", tenant, agent)
        return
    sql.execute(
        """INSERT INTO slack (tenant, agent, left_us) VALUES (?, ?, ?)
           ON CONFLICT (tenant, agent) DO UPDATE SET left_us = excluded.left_us""",
        tenant,
        agent,
        left_us,
    )
