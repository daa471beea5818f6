"""The admin panel of hosted.ai, as far as making pools needs it: one session, and deletes that are looked after.

An admin delete answers the same whether it worked or not, so it counts only when a re-read no longer finds the thing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

from gateway.hostedai.client import Panel, PanelCalls
from gateway.hostedai.errors import HostedAiError, NotAuthorised, NotFound, Unclear, Unreadable
from gateway.hostedai.models import pool_of, region_of
from gateway.hostedai.shapes import Row, find, identity, number, object_of, rows_of
from gateway.hostedai.shapes import text as text_of
from worker.ports import Clock, Transport

#: A session is taken to last an hour, and is renewed five minutes before.
SESSION_US: Final = 55 * 60 * 1_000_000
LOOKS_AFTER_DELETE: Final = 5
PAUSE_AFTER_DELETE_US: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class PoolRequest:
    """A pool to be made. `gpu_uuids`: whole physical GPUs. `security_level`: low, medium or high."""

    gpuaas_id: int
    name: str
    sharing_ratio: int
    quantum_s: int
    gpu_uuids: tuple[str, ...]
    security_level: str

    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {
            "gpuaas_id": self.gpuaas_id,
            "pool": {
                "pool_name": self.name,
                "sharing_ratio": self.sharing_ratio,
                "time_quantum_in_sec": self.quantum_s,
                "attach_gpu_ids": list(self.gpu_uuids),
                "security_level": self.security_level,
            },
        }


@dataclass(frozen=True, slots=True)
class AdminPool:
    """A pool as its operator sees it. `slot_rows`: rows of `gpus`, of which each physical GPU has sharing_ratio."""

    id: int
    name: str
    sharing_ratio: int
    quantum_s: int
    security_level: str
    slot_rows: int

    @property
    def gpus(self) -> int:
        """How many physical GPUs that makes."""
        return self.slot_rows // max(1, self.sharing_ratio)


@dataclass(frozen=True, slots=True)
class FreeGpu:
    """A GPU that no pool has."""

    uuid: str
    model: str
    memory_mb: int


@dataclass(frozen=True, slots=True)
class HoldingTeam:
    """A team that holds slots of a pool. `memory_mb`: what it may take, 0 = not said."""

    team: str
    memory_mb: int
    status: str


@dataclass(slots=True)
class _Session:
    token: str = field(repr=False)
    ends_us: int = 0


class HostedAiAdmin:
    """The admin panel, signed in when it is first needed."""

    def __init__(self, transport: Transport, clock: Clock, panel: Panel, user: str, password: str) -> None:
        self._transport = transport
        self._clock = clock
        self._panel = panel
        self._user = user
        self._password = password
        self._session: _Session | None = None

    def __repr__(self) -> str:
        return f"HostedAiAdmin({self._panel.url!r}, user={self._user!r})"

    async def _sign_in(self) -> _Session:
        calls = PanelCalls(self._transport, self._clock, replace(self._panel, key=""))
        body = {"username": self._user, "password": self._password}
        value, headers = await calls.exchange("POST", "/login", body=body, limit_us=self._panel.times.post_us)
        token = text_of(object_of(value, "data").get("token")) or _cookie_token(headers)
        if not token:
            raise Unreadable("hosted.ai's admin panel gave no session")
        self._session = _Session(token, self._clock.monotonic_us() + SESSION_US)
        return self._session

    async def _call(self, method: str, path: str, **given: Any) -> Any:
        """One exchange, signed in; signs in again once if the session has ended. Raises: HostedAiError."""
        limit_us = self._panel.times.get_us if method == "GET" else self._panel.times.post_us
        session = self._session
        if session is None or session.ends_us <= self._clock.monotonic_us():
            session = await self._sign_in()
        for attempt in (0, 1):
            calls = PanelCalls(self._transport, self._clock, replace(self._panel, key=session.token, auth="bearer"))
            try:
                return await calls.call(method, path, limit_us=limit_us, **given)
            except NotAuthorised as problem:
                if attempt or problem.http_status != 401:
                    raise
                session = await self._sign_in()
        raise AssertionError("two attempts end in an answer or an error")

    async def regions(self) -> list[Any]:
        """Every region."""
        return [region_of(row) for row in rows_of(await self._call("GET", "/regions"), "regions")]

    async def clusters(self) -> list[tuple[int, int, str]]:
        """Every GPUaaS cluster: id, region, status."""
        rows = rows_of(await self._call("GET", "/gpuaas"))
        return [
            (identity(row.get("id")), number(row.get("region_id")) or 0, text_of(row.get("status"))) for row in rows
        ]

    async def nodes(self, region_id: int) -> list[Row]:
        """The nodes of a region, as the panel lists them."""
        return rows_of(await self._call("GET", "/gpuaas/node/list", query={"region_id": region_id}), "nodes")

    async def free_gpus(self, gpuaas_id: int) -> list[FreeGpu]:
        """The GPUs of a cluster that no pool has."""
        rows = rows_of(await self._call("GET", f"/gpuaas/{gpuaas_id}/pool/available_gpus"), "gpus")
        return [
            FreeGpu(text_of(row.get("uuid")), text_of(row.get("gpu_model")), number(row.get("memory_in_mb")) or 0)
            for row in rows
        ]

    async def pools(self, gpuaas_id: int) -> list[AdminPool]:
        """The pools of a cluster."""
        rows = rows_of(await self._call("GET", f"/gpuaas/{gpuaas_id}/pool/list"), "pools")
        return [_admin_pool(row) for row in rows]

    async def pool(self, pool_id: int) -> AdminPool | None:
        """One pool, None if there is none."""
        try:
            found = await self._call("GET", f"/gpuaas/pool/{pool_id}")
        except NotFound:
            return None
        return _admin_pool(object_of(found, "pool", "data")) if found else None

    async def create_pool(self, request: PoolRequest) -> AdminPool:
        """Make a pool, unless one of its name is there already; read again before anything is said to have failed.

        Raises: HostedAiError.
        """
        held = await self._named(request)
        if held is not None:
            return held
        try:
            await self._call("POST", "/gpuaas/pool/create", body=request.body())
        except (Unclear, Unreadable):
            found = await self._named(request)
            if found is None:
                raise
            return found
        found = await self._named(request)
        if found is None:
            raise Unclear("hosted.ai said that the pool was made, but doesn't list it")
        return found

    async def _named(self, request: PoolRequest) -> AdminPool | None:
        return next((pool for pool in await self.pools(request.gpuaas_id) if pool.name == request.name), None)

    async def delete_pool(self, pool_id: int) -> None:
        """Delete a pool, and look until it is gone. Raises: HostedAiError; Unclear if it is still there."""
        for _ in range(LOOKS_AFTER_DELETE):
            with contextlib.suppress(Unclear, Unreadable, NotFound):  # the look says what became of it
                await self._call("DELETE", f"/gpuaas/pool/{pool_id}/delete")
            await self._clock.sleep(PAUSE_AFTER_DELETE_US)
            if await self.pool(pool_id) is None:
                return
        raise Unclear("hosted.ai said nothing against deleting the pool, but still lists it")

    async def remove_gpus(self, pool_id: int, gpu_uuids: Sequence[str]) -> None:
        """Take GPUs out of a pool: documented as a POST, called as a GET by first-party code; tried in that order."""
        try:
            await self._call("POST", f"/gpuaas/pool/{pool_id}/remove_gpus", body={"gpu_uuids": list(gpu_uuids)})
        except HostedAiError as problem:
            if problem.http_status not in (404, 405):
                raise
            query = {"gpu_uuids": ",".join(gpu_uuids)}
            await self._call("GET", f"/gpuaas/pool/{pool_id}/remove_gpus", query=query)

    async def holding_teams(self, pool_id: int) -> list[HoldingTeam]:
        """The teams that hold slots of a pool, whoever they are: what overcommit admission counts."""
        query = {"sort_least_consumed": 1, "from_time_seconds": 0, "page": 0, "limit": 100}
        rows = rows_of(await self._call("GET", f"/gpuaas/pool/{pool_id}/subscribed_teams", query=query), "teams")
        return [
            HoldingTeam(text_of(row.get("team_id")), number(row.get("total_ram_mb")) or 0, text_of(row.get("status")))
            for row in rows
        ]


def _admin_pool(row: Row) -> AdminPool:
    offer = pool_of(row)
    gpus = row.get("gpus")
    return AdminPool(
        id=offer.id,
        name=offer.name,
        sharing_ratio=offer.sharing_ratio or 1,
        quantum_s=number(find(row, "time_quantum_in_sec")) or 0,
        security_level=text_of(row.get("security_level")),
        slot_rows=len(gpus) if isinstance(gpus, list) else 0,
    )


def _cookie_token(headers: Mapping[str, str] | httpx.Headers) -> str:
    """The token of a Set-Cookie `token=...`, empty if there is none."""
    for part in (headers.get("set-cookie") or "").split(";"):
        name, separator, value = part.strip().partition("=")
        if separator and name == "token":
            return value
    return ""
