"""What the panel keeps of what teams hold: pods, their exposed services, and the stretches that are billed."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.simulator.pools.card import Tenant
from gateway.simulator.pools.cluster import Subscription
from gateway.simulator.pools.gauge import Gauge

#: Words of the platform for a pod and a subscription.
POD_PENDING, POD_RUNNING, POD_FAILED, POD_STOPPED, POD_ENDING = "Pending", "Running", "Failed", "stopped", "Terminating"
SUBSCRIBING, SUBSCRIBED, UNSUBSCRIBING = "subscribing", "subscribed", "un_subscribing"


class ApiError(Exception):
    """A call that is refused. Attributes: http_status; code: the platform's own, 0 = none; message."""

    def __init__(self, http_status: int, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.message = message
        self.code = code


@dataclass(slots=True)
class Stretch:
    """A time in which one rate is paid. Args: end_us: None while it goes on. rate_ppm: of the hold's hourly price."""

    start_us: int
    rate_ppm: int
    end_us: int | None = None


@dataclass(slots=True)
class Exposure:
    """A port of a pod as the outside reaches it."""

    id: int
    pod: str
    service_name: str
    pod_port: int
    node_port: int
    protocol: str
    service_type: str
    created_us: int


@dataclass(slots=True)
class Pod:
    """A pod. `serves_from_us`: when its server answers; None while that is unknown. `gauge`: see `PodServer`."""

    name: str
    position: int
    is_stopped: bool = False
    is_starting: bool = False
    serves_from_us: int | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    gauge: Gauge | None = None


@dataclass(slots=True)
class Hold:
    """A subscription or an instance: a team's hold on slots, as the panel sees it.

    Attributes: visible_us: from when lists show it. hourly_usd_micros: of all its slots. leaving_us: when its end was
    asked for. gone_us: when its row went; then it is history, for billing.
    """

    subscription: Subscription
    vgpus: int
    share_percent: int
    hourly_usd_micros: int
    visible_us: int
    created_us: int
    instance_id: str = ""
    name: str = ""
    image_uuid: str = ""
    instance_type_id: str = ""
    leaving_us: int | None = None
    gone_us: int | None = None
    is_stuck: bool = False
    is_neighbour: bool = False
    pods: list[Pod] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def id(self) -> int:
        return self.subscription.id

    @property
    def team(self) -> str:
        return self.subscription.team

    @property
    def pool(self) -> int:
        return self.subscription.pool

    def tenant(self, pod: Pod) -> Tenant | None:
        """What the pool model runs for a pod; None while it is not there."""
        tenants = self.subscription.tenants
        return tenants[pod.position] if pod.position < len(tenants) else None

    def pay(self, now_us: int, rate_ppm: int) -> None:
        """From now on another rate is paid; the stretch before it ends."""
        self.stop_paying(now_us)
        self.stretches.append(Stretch(now_us, rate_ppm))

    def stop_paying(self, now_us: int) -> None:
        """Nothing more is paid from now on."""
        if self.stretches and self.stretches[-1].end_us is None:
            self.stretches[-1].end_us = now_us


def status_of(hold: Hold) -> str:
    """What a subscription is in."""
    if hold.leaving_us is not None:
        return UNSUBSCRIBING
    return SUBSCRIBED if hold.subscription.tenants else SUBSCRIBING


def pod_status_of(hold: Hold, pod: Pod) -> str:
    """What a pod is in."""
    tenant = hold.tenant(pod)
    if hold.leaving_us is not None:
        return POD_ENDING
    if tenant is None or pod.is_starting:
        return POD_PENDING
    if pod.is_stopped:
        return POD_STOPPED
    return POD_FAILED if tenant.failed else POD_RUNNING
