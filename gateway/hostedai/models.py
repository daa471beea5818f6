"""The platform's things as we need them: checked values, made of rows of any known shape.

A row's members have several names over the versions; the first that has a value counts. Money is in micro-dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.hostedai.errors import Unreadable
from gateway.hostedai.shapes import Row, find, identity, micros_of_hours, number, text, usd_micros

RUNNING_PODS: Final = frozenset(("running", "active", "ready"))
#: From these a pod does not come back by itself.
BROKEN_PODS: Final = frozenset(
    ("failed", "error", "terminated", "succeeded", "crashloopbackoff", "stopped", "evicted", "deleted")
)
STOPPED_POD: Final = "stopped"
HELD_STATUSES: Final = frozenset(("subscribed", "active", "running"))
LEAVING_STATUSES: Final = frozenset(("un_subscribing", "unsubscribing", "unsubscribed", "deleting"))
_FOLDED = {ord(upper): ord(upper) + 32 for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def _status(value: Any) -> str:
    return text(value).strip().translate(_FOLDED)


@dataclass(frozen=True, slots=True)
class Region:
    """A region that a team may use. `gpuaas_id`: its cluster, 0 = not said."""

    id: int
    name: str
    gpuaas_id: int = 0


@dataclass(frozen=True, slots=True)
class PoolOffer:
    """A pool as a team sees it. `total_vgpus`, `sharing_ratio`, `hourly_usd_micros`: None = not said.

    `shares_percent`: the shares it can guarantee, empty = not said. `is_private`: None = not said.
    """

    id: int
    name: str
    gpu_model: str = ""
    available_vgpus: int = 0
    total_vgpus: int | None = None
    hourly_usd_micros: int | None = None
    sharing_ratio: int | None = None
    shares_percent: tuple[int, ...] = ()
    scheduler_mode: str = ""
    gpuaas_id: int = 0
    is_private: bool | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a subscription. `status` in lower case."""

    name: str
    status: str

    @property
    def is_running(self) -> bool:
        """Whether it serves."""
        return self.status in RUNNING_PODS

    @property
    def is_broken(self) -> bool:
        """Whether it will not serve again by itself."""
        return self.status in BROKEN_PODS


@dataclass(frozen=True, slots=True)
class Subscription:
    """A team's hold on a pool. `team`: empty if the row doesn't say whose it is. `status` in lower case."""

    id: int
    pool_id: int
    team: str
    status: str
    pods: tuple[Pod, ...] = ()
    pool_name: str = ""

    @property
    def is_leaving(self) -> bool:
        """Whether it is on its way out."""
        return self.status in LEAVING_STATUSES


@dataclass(frozen=True, slots=True)
class ExposedService:
    """A service of a pod as the outside reaches it. `port` 0 = none yet."""

    id: int
    name: str
    pod_name: str
    ip: str
    port: int
    status: str
    scheme: str = "http"
    path: str = ""

    @property
    def is_reachable(self) -> bool:
        """Whether there is an address to try."""
        return bool(self.ip) and self.port > 0 and self.status not in BROKEN_PODS

    @property
    def base_url(self) -> str:
        """Where its OpenAI-compatible API is."""
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{self.scheme}://{host}:{self.port}{self.path or '/v1'}"


@dataclass(frozen=True, slots=True)
class Quote:
    """What a subscription would cost."""

    hourly_usd_micros: int
    total_usd_micros: int
    currency: str


@dataclass(frozen=True, slots=True)
class PoolBill:
    """What the platform billed for one pool in a period. `hours_us`: pool hours, in microseconds."""

    pool_name: str
    hours_us: int
    usd_micros: int
    subscription_rate_usd_micros: int | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """A team's bill for a period."""

    total_usd_micros: int
    currency: str
    pools: tuple[PoolBill, ...] = ()
    storage_usd_micros: int = 0
    instance_usd_micros: int = 0
    base_usd_micros: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What the platform metered for one subscription in a period. `subscription_id` 0 = not said."""

    subscription_id: int
    pool_name: str
    hours_us: int
    usd_micros: int
    status: str


def region_of(row: Row) -> Region:
    """Raises: Unreadable."""
    found = find(row, "id", "region_id")
    name = text(find(row, "region_name", "name", "location"))
    return Region(identity(found), name, number(row.get("gpuaas_id")) or 0)


def pool_of(row: Row) -> PoolOffer:
    """Raises: Unreadable."""
    ratio = number(find(row, "sharing_ratio", "oversubscription_ratio"))
    settings = row.get("scheduler_mode_settings")
    shares = row.get("available_tq_percentages")
    locked = isinstance(settings, dict) and settings.get("locked_to_minimum_guarantee") is True
    offered = [number(share) for share in shares] if isinstance(shares, list) else []
    if locked and isinstance(settings, dict):
        offered = [number(settings.get("default_minimum_guarantee"))]
    visibility = text(row.get("visibility"))
    hourly = usd_micros(find(row, "pricing_hourly", "price_per_hour"))
    return PoolOffer(
        id=identity(find(row, "id", "pool_id")),
        name=text(find(row, "pool_label", "pool_name", "name")),
        gpu_model=text(find(row, "gpu_model_type", "gpu_model")),
        available_vgpus=max(0, number(row.get("available_vgpus")) or 0),
        total_vgpus=number(row.get("total_vgpus")),
        hourly_usd_micros=hourly if hourly is None or hourly >= 0 else None,
        sharing_ratio=ratio if ratio is not None and ratio > 0 else None,
        shares_percent=tuple(share for share in offered if share is not None and 0 < share <= 100),
        scheduler_mode=text(row.get("scheduler_mode")),
        gpuaas_id=number(find(row, "gpuaas_id", "cluster_id")) or 0,
        is_private=None if not visibility else visibility == "private",
    )


def subscription_of(row: Row) -> Subscription:
    """Raises: Unreadable."""
    pods = row.get("pods")
    return Subscription(
        id=identity(find(row, "id", "subscription_id")),
        pool_id=identity(row.get("pool_id")),
        team=text(row.get("team_id")),
        status=_status(row.get("status")),
        pods=tuple(pod_of(pod) for pod in pods if _is_named(pod)) if isinstance(pods, list) else (),
        pool_name=text(find(row, "pool_label", "pool_name")),
    )


def _is_named(pod: Any) -> bool:
    """Whether a pod is there already: one that is still being made has no name, and must not hide its row."""
    return isinstance(pod, dict) and bool(text(find(pod, "pod_name", "name")))


def pod_of(row: Row) -> Pod:
    """Raises: Unreadable."""
    name = text(find(row, "pod_name", "name"))
    if not name:
        raise Unreadable("hosted.ai answered a pod without a name")
    return Pod(name, _status(find(row, "pod_status", "status")))


def service_of(row: Row) -> ExposedService:
    """Raises: Unreadable."""
    kind = _status(find(row, "service_type", "type"))
    return ExposedService(
        id=number(find(row, "id", "service_id")) or 0,
        name=text(find(row, "service_name", "name")),
        pod_name=text(row.get("pod_name")),
        ip=text(find(row, "ip", "service_ip")),
        port=number(find(row, "node_port", "external_port")) or 0,
        status=_status(row.get("status")),
        scheme="https" if kind == "https" else "http",
    )


def quote_of(row: Row) -> Quote:
    """Raises: Unreadable if it has no price."""
    hourly, total = usd_micros(row.get("hourly_cost")), usd_micros(row.get("total_cost"))
    if hourly is None or total is None:
        raise Unreadable("hosted.ai answered a quote without a price")
    return Quote(hourly, total, _currency(row.get("currency")))


def bill_of(row: Row) -> Bill:
    """Raises: Unreadable if it has no total."""
    total = usd_micros(row.get("total_cost"))
    if total is None:
        raise Unreadable("hosted.ai answered a bill without a total")
    pools = row.get("gpuaas_summary")
    return Bill(
        total_usd_micros=total,
        currency=_currency(row.get("currency")),
        pools=tuple(_pool_bill(one) for one in pools if isinstance(one, dict)) if isinstance(pools, list) else (),
        storage_usd_micros=_sum_of(row.get("shared_storage_billing_summary")),
        instance_usd_micros=_sum_of(row.get("instance_billing_summary")),
        base_usd_micros=usd_micros(row.get("monthly_base_cost")) or 0,
    )


def _pool_bill(row: Row) -> PoolBill:
    return PoolBill(
        pool_name=text(find(row, "pool_label", "pool_name")),
        hours_us=micros_of_hours(row.get("pool_hours")) or 0,
        usd_micros=usd_micros(find(row, "total", "total_cost", "cost")) or 0,
        subscription_rate_usd_micros=usd_micros(row.get("subscription_rate")),
    )


def usage_of(row: Row) -> Usage:
    """Raises: Unreadable."""
    return Usage(
        subscription_id=number(find(row, "subscription_id", "id")) or 0,
        pool_name=text(find(row, "pool_label", "pool_name")),
        hours_us=micros_of_hours(row.get("hours_used")) or 0,
        usd_micros=usd_micros(row.get("cost")) or 0,
        status=_status(row.get("status")),
    )


def _sum_of(rows: Any) -> int:
    found = rows if isinstance(rows, list) else []
    return sum(usd_micros(find(row, "cost", "total")) or 0 for row in found if isinstance(row, dict))


def _currency(value: Any) -> str:
    return text(value.get("code")) if isinstance(value, dict) else text(value)
