"""A canon to tell stories about: orders to it, a rule that closes a path, and trials that speak for an item."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.worker.decision_kit import NOW_US, World, hasher
from worker.canon.items import Snapshot
from worker.canon.order import CHANGE, DECIDE, ITEM, ITEMS, PROMOTE, WHY_NOT, Order
from worker.canon.store import Change, changes_in, snapshot_in, store_at

PROVENANCE = {"source": "chat", "ref": "what was said on Monday"}
FEATURES = {"ttv_us": 1_000, "cost_usd_micros": 10, "risk_ppm": 100, "success_ppm": 900_000}
WEIGHTS = {"cost_us_per_usd_micro": 1, "risk_us_per_ppm": 1, "improbability_us_per_micronat": 1}
#: A rule under which nothing is deployed by force.
RULE = {"op": "forbids", "field": "tags", "name": "force"}


def new_item(name: str = "review-first", **changes: Any) -> dict[str, Any]:
    """A proposal's body."""
    usual: dict[str, Any] = {
        "id": name,
        "kind": "definition",
        "applies_to": ["deploy"],
        "provenance": PROVENANCE,
        "content": {"text": f"{name}: a deployment is reviewed first"},
    }
    return {**usual, **changes}


def new_rule(name: str = "no-force", **changes: Any) -> dict[str, Any]:
    return new_item(name, **{"kind": "invariant", "severity": "HARD_FAIL", "content": {"rule": RULE}, **changes})


def candidate(name: str, **changes: Any) -> dict[str, Any]:
    """A path of one action that is a deployment."""
    members = ("tags", "prerequisites", "cites", "resources")
    action = {"id": name, "tags": ["deploy"], **{key: changes.pop(key) for key in members if key in changes}}
    return {"id": name, "actions": [action], "features": {**FEATURES, **changes}}


def problem(*candidates: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"candidates": list(candidates), "weights": WEIGHTS, **members}


def trial(number: int, *, with_item: bool = True, outcome: str = "success", **changes: Any) -> dict[str, Any]:
    usual = {
        "trial_id": f"t{number}",
        "context": f"c{number % 2}",
        "with_item": with_item,
        "outcome": outcome,
        "seed": number,
        "artefact_hash": f"{number:064x}",
    }
    return {**usual, **changes}


#: Enough for tests A and B: one failure without the item, five successes with it in two contexts.
TRIALS = [trial(0, with_item=False, outcome="failure"), *(trial(number) for number in range(1, 6))]


def waiting_for(name: str) -> dict[str, Any]:
    """A scenario in which something can be done only once the item is CANON."""
    return problem(candidate("now", ttv_us=9_000), candidate("then", prerequisites=[name]))


#: One path for each code that a problem alone can raise, under these bounds and bans, and no other than that code.
DENIED = {
    "AUTHORITY_BOUNDARY_FAIL": candidate("a", cites=[{"id": "nobody", "hash": "0" * 64}]),
    "COST_BOUND_EXCEEDED": candidate("a", cost_usd_micros=1_001),
    "INVARIANT_VIOLATION": candidate("a", tags=["deploy", "force"]),
    "MISSING_CANON_PREREQS": candidate("a", prerequisites=["nobody"]),
    "RISK_BOUND_EXCEEDED": candidate("a", risk_ppm=50_001),
    "SUCCESS_PROB_TOO_LOW": candidate("a", success_ppm=499_999),
}
BOUNDS = {"max_cost_usd_micros": 1_000, "max_risk_ppm": 50_000, "min_success_ppm": 500_000}
BANS = [{"id": "no-force", "rule": {"op": "forbids", "field": "tags", "name": "force"}}]


class Desk:
    """Orders to the canon of one tenant. `digest`: of the last item that rose to CANON."""

    digest = ""

    def __init__(self, state: World, tenant: str = "acme") -> None:
        self.state = state
        self.tenant = tenant
        self.now_us = NOW_US

    async def order(self, act: str, given: dict[str, Any], key: str = "") -> dict[str, Any]:
        """What is said to an order; each comes a second after the one before."""
        self.now_us += 1_000_000
        return await self.state.mediator.canon(Order(self.tenant, act, self.now_us, given, key))

    async def done(self, act: str, given: dict[str, Any], key: str = "") -> dict[str, Any]:
        """The answer to an order that was carried out."""
        said = await self.order(act, given, key)
        assert "problem" not in said, said
        body: dict[str, Any] = said["body"]
        return body

    async def refused(self, act: str, given: dict[str, Any]) -> str:
        """The code of a refusal, which leaves nothing behind."""
        before = await self.state.rows("SELECT * FROM canon_item")
        entries = await self.state.rows("SELECT COUNT(*) FROM ledger")
        said = await self.order(act, given)
        assert "problem" in said, said
        assert await self.state.rows("SELECT * FROM canon_item") == before
        assert await self.state.rows("SELECT COUNT(*) FROM ledger") == entries
        return str(said["problem"]["code"])

    async def decide(self, **given: Any) -> dict[str, Any]:
        return await self.done(DECIDE, given)

    async def change(self, **given: Any) -> dict[str, Any]:
        return await self.done(CHANGE, given)

    async def promote(self, name: str, **given: Any) -> dict[str, Any]:
        return await self.done(PROMOTE, {"itemId": name, **given})

    async def raise_to_canon(self, plain: dict[str, Any], scenarios: Iterable[dict[str, Any]] | None = None) -> str:
        """Propose an item and have it pass every test; returns the hash of what it says."""
        name = plain["id"]
        await self.change(**plain)
        assert (await self.promote(name, evidenceRefs=["entry:0"]))["outcome"] == "ALLOW"
        shown = [waiting_for(name)] if scenarios is None else list(scenarios)
        done = await self.promote(name, trials=TRIALS, scenarios=shown)
        assert done["outcome"] == "ALLOW", done
        self.digest = str(done["item"]["content_hash"])
        return self.digest

    async def levels(self) -> dict[str, str]:
        return {item["id"]: item["level"] for item in (await self.done(ITEMS, {}))["data"]}

    async def item(self, name: str) -> dict[str, Any]:
        return await self.done(ITEM, {"id": name})

    async def why_not(self, action: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        given = {"limit": limit, **({} if action is None else {"actionId": action})}
        found: list[dict[str, Any]] = (await self.done(WHY_NOT, given))["data"]
        return found

    async def table(self) -> Snapshot:
        return await self.state.database.transact(lambda sql: snapshot_in(sql, hasher(), self.tenant))

    async def replayed(self, **until: int) -> Snapshot:
        return await self.state.database.transact(lambda sql: store_at(sql, hasher(), self.tenant, **until))

    async def changes(self) -> list[Change]:
        return await self.state.database.transact(lambda sql: changes_in(sql, hasher(), self.tenant))

    async def evidence(self, sequence: int) -> dict[str, Any]:
        """What is kept beside an entry."""
        ((text,),) = await self.state.rows(
            "SELECT evidence FROM ledger WHERE tenant = ? AND seq = ?", self.tenant, sequence
        )
        found: dict[str, Any] = json.loads(str(text))
        return found
