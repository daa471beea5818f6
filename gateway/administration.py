"""The administration as commands use it: a running Harpoon's /admin, or the same endpoints over the state folder here.

Over the state folder no server is needed, and one that runs does no harm: each act is one transaction of the database,
which lets one writer in at a time, and a server reads a tenant's terms anew for every request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from gateway.client import Client, refusal
from gateway.failure import CommandFailed
from gateway.settings import HostSettings

if TYPE_CHECKING:
    from worker.sessions.spool_port import SpoolPort

NO_OFFICE = (
    "whose tenants? Give the administrator's token of a running server (--admin-token or HARPOON_ADMIN_TOKEN), or say "
    "--local for the state folder of this machine"
)


class Office(Protocol):
    """Answers one call of the administration. Raises: ClientFailed."""

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str | int) -> Any: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_office(url: str, admin_token: str, local: bool) -> Office:
    """The administration of the server at `url`, or of this machine's state. Raises: CommandFailed."""
    if local:
        from gateway.commands.offline import local_settings

        return LocalOffice(local_settings())
    if not admin_token:
        raise CommandFailed(NO_OFFICE)
    return RemoteOffice(Client(url, admin_token, "or say --local"))


class RemoteOffice:
    """A running Harpoon's administration."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.__exit__(kind, error, trace)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str | int) -> Any:
        """Raises: ClientFailed."""
        return self._client.send(method, path, None if body is None else json.dumps(body).encode(), **query)


class LocalOffice:
    """The administration of one state folder, in this process; a token of its own opens it."""

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings
        self._token = f"hk_admin_{secrets.token_hex(32)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open between two calls."""

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str | int) -> Any:
        """Raises: ClientFailed; CommandFailed for a state folder that can't be used."""
        from worker.errors import StateError

        try:
            return asyncio.run(self._ask(method, path, body, query))
        except (StateError, OSError) as problem:
            raise CommandFailed(f"the state folder {self._settings.state} can't be used: {problem}") from problem

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str | int]) -> Any:
        import httpx
        from starlette.routing import Router

        from gateway.adapters.host import PySha3Hasher, SystemClock, SystemIds
        from gateway.adapters.sqlite_database import SqliteDatabase
        from gateway.app import DATABASE_FILE
        from worker.api.admin import Office as Desk
        from worker.api.admin import admin_routes
        from worker.api.auth import admin_digest
        from worker.mediator import Mediator

        settings = self._settings
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        (settings.state / DATABASE_FILE).touch(mode=0o600)
        database, hasher = SqliteDatabase(str(settings.state / DATABASE_FILE)), PySha3Hasher()
        async with contextlib.AsyncExitStack() as stack:
            await database.open()
            stack.push_async_callback(database.close)
            await hasher.load()
            configuration = settings.configuration
            mediator = Mediator(database, hasher, configuration.mediator_config(hasher))
            await mediator.open()
            spool = await _spool_of(settings, stack)
            desk = Desk(
                mediator,
                SystemClock(),
                SystemIds(),
                configuration.catalogue,
                admin_digest(self._token),
                configuration.limits.json,
                spool,
            )
            transport = httpx.ASGITransport(Router(admin_routes(desk)))
            headers = {"authorization": f"Bearer {self._token}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
                answer = await client.request(method, path, json=body, params=query)
        if answer.status_code >= 300:
            raise refusal(answer.content, answer.status_code)
        return answer.json()


async def _spool_of(settings: HostSettings, stack: contextlib.AsyncExitStack) -> SpoolPort | None:
    """The spool in the state folder, None if there is none yet."""
    from gateway.adapters.sqlite_database import SqliteDatabase
    from gateway.sessions.runtime import DATABASE_FILE
    from worker.sessions.spool import Spool

    path = settings.state / DATABASE_FILE
    if not path.exists():
        return None
    database = SqliteDatabase(str(path))
    await database.open()
    stack.push_async_callback(database.close)
    spool = Spool(database)
    await spool.open()
    return spool
