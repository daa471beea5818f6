"""Puts leasing together: the tasks that keep leases, and the Transport that uses them. One object for each process."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final

from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.hostedai.admin import HostedAiAdmin
from gateway.hostedai.client import HostedAiClient
from gateway.hostedai.desk import LeaseDesk
from gateway.hostedai.dialect import HOLDER, PROVIDER, LeaseSettings
from gateway.hostedai.driver import LeaseDriver, ModelsHealth
from gateway.hostedai.keeper import LeaseKeeper
from gateway.hostedai.lease import Rules
from gateway.hostedai.lease_store import LeaseStore
from gateway.hostedai.leased_transport import LeasedTransport
from worker.errors import StateError
from worker.ports import Clock, Ids, Transport
from worker.upstream.providers import ProviderAccess

LEASES_FILE: Final = "leases.db"


class Leasing:
    """Leases of this process over the panel that the settings name. `transport`: what requests go through."""

    def __init__(
        self,
        settings: LeaseSettings,
        state: Path,
        transport: Transport,
        access: ProviderAccess,
        clock: Clock,
        ids: Ids,
        rules: Rules | None = None,
    ) -> None:
        assert access.provider == PROVIDER
        self._settings = settings
        self._database = SqliteDatabase(str(state / LEASES_FILE))
        self._file = state / LEASES_FILE
        self.store = LeaseStore(self._database, rules or Rules())
        client = HostedAiClient(transport, clock, settings.panel)
        admin = None
        if settings.admin is not None:
            admin = HostedAiAdmin(transport, clock, settings.admin.panel, settings.admin.user, settings.admin.password)
        self.desk = LeaseDesk(client, self.store, clock, ids, settings.desk, admin)
        self.keeper = LeaseKeeper(self.desk, self.store, clock, settings)
        self.driver = LeaseDriver(
            client,
            ModelsHealth(transport, clock, access.headers, settings.pods.check_us),
            self.store,
            clock,
            settings.pods,
            ids.new("driver"),
            is_idle=self.keeper.is_idle,
            changed=self.desk.note,
        )
        self.desk.driver = self.driver
        self.transport = LeasedTransport(transport, self.desk, self.keeper, clock, settings)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open the store and begin to keep leases. Raises: StateError."""
        self._file.touch(mode=0o600)
        await self._database.open()
        await self.store.open()
        await self.store.set_budget(HOLDER, self._settings.budget_usd_micros)
        await self.desk.refresh()
        self._tasks = [asyncio.create_task(self.driver.run()), asyncio.create_task(self.keeper.run())]

    async def stop(self) -> None:
        """End the tasks. What is leased stays leased: the next start finds it, or it is let go when it is idle."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(StateError):
            await self.keeper.flush()
        await self._database.close()
