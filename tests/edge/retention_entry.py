"""The product's Worker that keeps evidence for seconds; for tests, never deployed: a setting counts in days."""

from __future__ import annotations

from dataclasses import replace

from product_entry import Default, SessionSpool, configuration_of
from product_entry import MediatorAgent as ProductAgent

from worker.edge.mediation import ObjectMediator
from worker.edge.mediator_agent import ObjectHost, TextMediator
from worker.ledger_settings import Retention
from worker.mediator import Mediator

__all__ = ["Default", "MediatorAgent", "SessionSpool"]

#: Longer than a request of three seconds, and its grace, are held: their alarm finds nothing to drop yet.
KEEP_US = 8_000_000


class MediatorAgent(ProductAgent):
    """One tenant's state, of which little is kept."""

    @staticmethod
    async def build(host: ObjectHost) -> TextMediator:
        await host.hasher.load()
        config = replace(configuration_of(host.env).mediator_config(host.hasher), retention=Retention(KEEP_US))
        return ObjectMediator(Mediator(host.database, host.hasher, config), host.clock, host.set_alarm)
