"""A tenant's agents, and what they ask of one another's time."""

from __future__ import annotations

from typing import Any

from tests.worker.canon.store_kit import Desk, new_item
from worker.canon.order import AGENTS, INTERFERENCE


def pool_item(name: str = "gpu", **resource: Any) -> dict[str, Any]:
    return new_item(name, kind="table", content={"resource": {"capacity": 2, **resource}})


def action(name: str = "serve", work_us: int = 10, **uses: int) -> dict[str, Any]:
    return {"id": name, "work_us": work_us, **({"uses": uses} if uses else {})}


class Agents(Desk):
    """Orders of a tenant whose agents share something."""

    async def commit(self, agent: str, said: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        given = {"agentId": agent, "action": said or action(gpu=1), **more}
        return await self.done(INTERFERENCE, given)

    async def act(self, act: str, agent: str, **more: Any) -> dict[str, Any]:
        return await self.done(INTERFERENCE, {"act": act, "agentId": agent, **more})

    async def agents(self) -> dict[str, int | None]:
        found = await self.done(AGENTS, {})
        return {one["agentId"]: one["expected_ttv_us"] for one in found["commitments"]}
