"""The user panel of hosted.ai over a Transport: one method per call, nothing repeated, every answer read leniently.

A call that changes something and may have taken effect without our knowing ends as Unclear or Unreadable; who called
reads again before repeating it. Lists that a filter by team does not reliably filter are filtered here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import httpx

from gateway.hostedai import models
from gateway.hostedai.errors import NotAsked, Unclear, Unreadable, error_of, is_error_object
from gateway.hostedai.settings import API_KEY, BEARER
from gateway.hostedai.shapes import Row, find, identity, number, object_of, read_body, read_error, rows_of, text
from worker.ports import Clock, NotSent, NotSentInTime, Transport
from worker.upstream.http_request import build_request

T = TypeVar("T")
PER_PAGE: Final = 100
#: Before a read is repeated.
PAUSE_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class PanelTimes:
    """Longest time of a call in microseconds, by what first-party clients use; the panel may be that slow."""

    connect_us: int = 5_000_000
    get_us: int = 15_000_000
    post_us: int = 30_000_000
    subscribe_us: int = 15_000_000
    available_pools_us: int = 30_000_000
    instances_us: int = 60_000_000


@dataclass(frozen=True, slots=True)
class Panel:
    """Where a panel is and what opens it. `url`: up to /api, which is added if it is missing.

    `repeats`: how often a read is repeated that a server's failure answered.
    """

    url: str
    key: str = field(default="", repr=False)
    auth: str = API_KEY
    times: PanelTimes = field(default_factory=PanelTimes)
    max_answer_bytes: int = 8 * 1024 * 1024
    max_pages: int = 50
    repeats: int = 2

    @property
    def base(self) -> str:
        """The address that every path is relative to."""
        url = self.url.rstrip("/")
        return url if url.endswith("/api") else f"{url}/api"


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """A hold on a pool. `share_percent`: 0 = none guaranteed; whole-GPU pools take none."""

    pool_id: int
    team: str
    share_percent: int = 0
    vgpus: int = 1
    is_vip: bool = False
    instance_type_id: str = ""
    storage_block_id: str = ""
    image_uuid: str = ""

    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {
            "pool_id": self.pool_id,
            "team_id": self.team,
            "is_vip_priority": self.is_vip,
            "vgpus": self.vgpus,
            "guaranteed_gpu_share_percent": self.share_percent,
            "instance_type_id": self.instance_type_id,
            "shared_volumes": [],
            "ephemeral_storage_block_id": self.storage_block_id,
            "image_uuid": self.image_uuid,
            "ifb_subscription_id": "",
            "port_guid": "",
        }


class PanelCalls:
    """One exchange with a panel, whichever: sends, bounds its time, and says how it ended in the tree of errors."""

    def __init__(self, transport: Transport, clock: Clock, panel: Panel) -> None:
        self._transport = transport
        self._clock = clock
        self._panel = panel
        self._auth: list[tuple[bytes, bytes]] = _auth_header(panel)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, Any] | None = None,
        limit_us: int,
    ) -> Any:
        """The body of a success, read. Raises: HostedAiError."""
        value, _ = await self.exchange(method, path, query=query, body=body, limit_us=limit_us)
        return value

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, Any] | None = None,
        limit_us: int,
    ) -> tuple[Any, httpx.Headers]:
        """The body of a success with its headers. Raises: HostedAiError; of a call that may be repeated NotAsked."""
        url = httpx.URL(f"{self._panel.base}{path}{'?' + urlencode(query) if query else ''}")
        headers = [(b"accept", b"application/json"), *self._auth]
        content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        if body is not None:
            headers.append((b"content-type", b"application/json"))
        times = self._panel.times
        request = build_request(
            method,
            url,
            headers,
            content,
            connect_timeout_s=times.connect_us / 1_000_000,
            read_timeout_s=limit_us / 1_000_000,
        )
        try:
            async with self._clock.timeout(limit_us):
                status, answered, data = await self._send(request)
        except TimeoutError as problem:
            raise Unclear(f"hosted.ai did not answer {method} {path} in time") from problem
        if status not in (200, 201, 204):
            value, words = read_error(data)
            raise error_of(status, value, words)
        value = read_body(data)
        if is_error_object(value):
            raise error_of(status, value, "")
        return value, answered

    async def _send(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        path = request.url.path
        try:
            response = await self._transport.handle_async_request(request)
        except (NotSent, NotSentInTime, httpx.UnsupportedProtocol) as problem:
            raise NotAsked("hosted.ai's panel can't be reached") from problem
        except httpx.TransportError as problem:
            raise Unclear(f"hosted.ai's panel broke off at {path}") from problem
        data = bytearray()
        try:
            stream = response.stream
            assert isinstance(stream, httpx.AsyncByteStream), "a Transport answers with an asynchronous stream"
            async for chunk in stream:
                data += chunk
                if len(data) > self._panel.max_answer_bytes:
                    raise Unreadable("hosted.ai answered more than can be read", http_status=response.status_code)
        except httpx.TransportError as problem:
            raise Unclear(f"hosted.ai's panel broke off at {path}") from problem
        finally:
            await response.aclose()
        return response.status_code, response.headers, bytes(data)


class HostedAiClient:
    """The user panel, as one team may use it."""

    def __init__(self, transport: Transport, clock: Clock, panel: Panel) -> None:
        self._calls = PanelCalls(transport, clock, panel)
        self._clock = clock
        self._repeats = panel.repeats
        self._times = panel.times
        self._max_pages = panel.max_pages

    async def _get(self, path: str, query: Mapping[str, object], limit_us: int = 0) -> Any:
        """A read; one that was answered with a server's failure is repeated, because nothing can come of it twice."""
        for _ in range(self._repeats):
            try:
                return await self._calls.call("GET", path, query=query, limit_us=limit_us or self._times.get_us)
            except Unclear as problem:
                if problem.http_status < 500:
                    raise
            await self._clock.sleep(PAUSE_US)
        return await self._calls.call("GET", path, query=query, limit_us=limit_us or self._times.get_us)

    async def _post(self, path: str, body: Mapping[str, Any], limit_us: int = 0) -> Any:
        return await self._calls.call("POST", path, body=body, limit_us=limit_us or self._times.post_us)

    async def regions(self, team: str) -> list[models.Region]:
        """The regions where the team may have pools. Raises: HostedAiError."""
        return _each(await self._get("/gpuaas/available-regions", {"team_id": team}), models.region_of, "regions")

    async def available_pools(self, team: str, gpuaas_id: int) -> list[models.PoolOffer]:
        """The pools of one cluster that the team may subscribe to, with prices; it may take 20 seconds."""
        query = {"team_id": team, "gpuaas_id": gpuaas_id}
        found = await self._get("/gpuaas/available-pools", query, self._times.available_pools_us)
        return _each(found, models.pool_of, "pools")

    async def all_pools(self) -> list[models.PoolOffer]:
        """Every pool there is, without prices or free places."""
        return _each(await self._get("/gpuaas/all-pools", {}), models.pool_of, "pools")

    async def compatible_pools(self, service_id: str, team: str, region_id: int) -> list[models.PoolOffer]:
        """The pools that a service can run in, with sharing ratio and shares: the newer flow."""
        query = {"service_id": service_id, "team_id": team, "region_id": region_id}
        found = await self._get("/service/i/compatible-gpu-pools", query, self._times.available_pools_us)
        return _each(found, models.pool_of, "pools")

    async def quote(self, pool_id: int, team: str, *, vgpus: int = 1, hours: int = 1) -> models.Quote:
        """What a subscription would cost."""
        body = {"pool_id": pool_id, "vgpus": vgpus, "duration_hours": hours, "team_id": team}
        return models.quote_of(object_of(await self._post("/gpuaas/calculate-pool-subscription", body), "data"))

    async def subscribe(self, request: SubscribeRequest) -> int | None:
        """Take a hold on a pool; its id if the panel says it. Changes something: an Unclear end needs a re-read."""
        found = await self._post("/gpuaas/pool/subscribe", request.body(), self._times.subscribe_us)
        row = found if isinstance(found, Mapping) else {}
        given = row.get("subscription_id", row.get("id"))
        try:
            return None if given in (None, "") else identity(given)
        except Unreadable:
            return None

    async def unsubscribe(self, subscription_id: int, team: str, pool_id: int) -> None:
        """Give a hold back; it is gone when its row is. Changes something."""
        body = {"subscription_id": subscription_id, "team_id": team, "pool_id": pool_id}
        await self._post("/gpuaas/pool/unsubscribe", body)

    async def subscriptions(self, team: str, known: Collection[int] = ()) -> list[models.Subscription]:
        """The team's holds, all pages of them; rows of other teams, and rows that don't say whose, are left out.

        Args: known: ids that are the team's for sure; a row of one of them counts though it doesn't say whose it is.
        """
        found: dict[int, models.Subscription] = {}
        untold = {str(one) for one in known}
        seen: set[str] = set()
        for page in range(self._max_pages):
            query = {"team_id": team, "page": page, "per_page": PER_PAGE}
            value = await self._get("/gpuaas/pool-subscription", query, self._times.instances_us)
            rows = rows_of(value, "subscriptions")
            # Only the team's own rows are read: whatever is wrong with another's must not hide or shadow them.
            mine = [models.subscription_of(row) for row in rows if text(row.get("team_id")) == team]
            found |= {row.id: row for row in mine}
            for row in rows:
                if not text(row.get("team_id")) and text(find(row, "id", "subscription_id")) in untold:
                    one = replace(models.subscription_of(row), team=team)
                    found.setdefault(one.id, one)
            ids = {text(find(row, "id", "subscription_id")) for row in rows}
            if not _has_more(value, page, len(rows)) or ids <= seen:
                break
            seen |= ids
        return list(found.values())

    async def connection_info(self, team: str, subscription_id: int) -> list[models.Pod]:
        """The pods of one hold as its connection info has them."""
        query = {"team_id": team, "subscription_id": subscription_id}
        rows = rows_of(await self._get("/gpuaas/connection-info", query))
        pods = [row.get("pods") for row in rows if str(row.get("id")) == str(subscription_id)]
        return [models.pod_of(pod) for one in pods if isinstance(one, list) for pod in one if isinstance(pod, Mapping)]

    async def act_on_pod(self, pod_name: str, subscription_id: int, action: str) -> None:
        """Have a pod start, stop or restart. Changes something."""
        body = {"pod_name": pod_name, "pool_subscription_id": subscription_id, "pod_action": action}
        await self._post("/pods/action", body)

    async def expose(
        self, pod_name: str, subscription_id: int, *, port: int, name: str, scheme: str = "http"
    ) -> models.ExposedService | None:
        """Open a port of a pod to the outside; None if the panel doesn't say where. Changes something."""
        body = {
            "pod_name": pod_name,
            "pool_subscription_id": subscription_id,
            "port": port,
            "service_name": name,
            "protocol": "TCP",
            "service_type": scheme,
        }
        found = await self._post("/pods/expose-service", body)
        return _service(found)

    async def exposed(self, subscription_id: int, name: str) -> models.ExposedService | None:
        """A service that was exposed under this name, None if there is none."""
        query = {"service_name": name, "pool_subscription_id": subscription_id}
        found = await self._get("/pods/expose-service/status", query)
        if isinstance(found, Mapping) and found.get("service_exists") is False:
            return None
        return _service(found)

    async def instances(self, team: str) -> list[Row]:
        """The team's instances as the panel lists them (first page of 100), rows of other teams left out."""
        query = {"page": 0, "per_page": PER_PAGE, "team_id": team}
        rows = rows_of(await self._get("/instances/unified", query, self._times.instances_us))
        return [row for row in rows if _team_of(row) == team]

    async def metered(self, team: str, start: str, end: str) -> list[models.Usage]:
        """What was metered per subscription. Args: start, end: YYYY-MM-DD; the end's day is not part of it."""
        found: list[models.Usage] = []
        for page in range(1, self._max_pages + 1):
            query = {"start_date": start, "end_date": end, "page": page, "itemsPerPage": 500}
            value = await self._get(f"/gpuaas/{quote(team, safe='')}/metrics", query)
            rows = _each(value, models.usage_of, "metrics")
            found += rows
            if len(rows) < 500:
                break
        return found

    async def usage_graph(self, team: str, start_s: int, end_s: int, granularity: str = "1h") -> list[Row]:
        """Points of the team's use over time. Args: start_s, end_s: Unix seconds; granularity: 1h, 1d or 1w."""
        query = {"start_timestamp": start_s, "end_timestamp": end_s, "granularity": granularity}
        return rows_of(await self._get(f"/gpuaas/{quote(team, safe='')}/metrics-graph", query))

    async def bill(self, team: str, start: str, end: str) -> models.Bill:
        """The team's bill. Args: start, end: YYYY-MM-DDTHH:mm, UTC."""
        path = f"/team-billing/summary/{quote(team, safe='')}/{quote(start, safe=':')}/{quote(end, safe=':')}"
        return models.bill_of(object_of(await self._get(path, {"timezone": "UTC"}), "data"))

    async def create_instance(self, body: Mapping[str, Any]) -> str:
        """Make an instance of a service (the newer flow); its id, empty if the panel doesn't say. Changes something."""
        found = await self._post("/service/i/create-instance", body)
        if isinstance(found, str):
            return found
        return text(found.get("id")) if isinstance(found, Mapping) else ""

    async def delete_instance(self, instance_id: str) -> None:
        """Give an instance back. Changes something."""
        path = f"/instance/{quote(instance_id, safe='')}"
        await self._calls.call("DELETE", path, limit_us=self._times.post_us)


def _auth_header(panel: Panel) -> list[tuple[bytes, bytes]]:
    if not panel.key:
        return []
    if panel.auth == BEARER:
        return [(b"authorization", b"Bearer " + panel.key.encode())]
    return [(b"x-api-key", panel.key.encode())]


def _each(value: Any, read: Callable[[Row], T], *wrappers: str) -> list[T]:
    return [read(row) for row in rows_of(value, *wrappers)]


def _service(value: Any) -> models.ExposedService | None:
    try:
        row = object_of(value, "data", "service")
    except Unreadable:
        return None
    found = models.service_of(row)
    return found if found.name or found.port else None


def _has_more(value: Any, page: int, count: int) -> bool:
    """Whether a list says that there is another page, or looks like it."""
    if isinstance(value, Mapping):
        pages = number(value.get("total_pages"))
        if pages is not None:
            return page + 1 < pages
    return count >= PER_PAGE


def _team_of(row: Row) -> str:
    team = row.get("team")
    return text(row.get("team_id")) or (text(team.get("id")) if isinstance(team, Mapping) else "")
