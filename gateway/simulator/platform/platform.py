"""The platform itself: who holds what, what their pods are in, and how it changes. No HTTP here, and no quirk of form.

Times are the pool model's microseconds; `date_of` makes dates of them. Every call comes after `catch_up`.
"""

from __future__ import annotations

from typing import Final, Protocol

from gateway.simulator.platform.clock import PlatformClock
from gateway.simulator.platform.faults import Faults
from gateway.simulator.platform.neighbours import Neighbour, send_traffic
from gateway.simulator.platform.pump import Pump
from gateway.simulator.platform.quirks import Dice
from gateway.simulator.platform.records import ApiError, Exposure, Hold, Pod
from gateway.simulator.platform.settings import PlatformSettings
from gateway.simulator.pools.chance import Chance
from gateway.simulator.pools.cluster import ALREADY, INSUFFICIENT, NO_ACCESS, UNKNOWN_POOL, Cluster, Refused
from gateway.simulator.pools.cluster import UNSUBSCRIBING as LEAVING
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import MILLION

INSUFFICIENT_CODE: Final = 10_189_007
NO_ACCESS_CODE: Final = 12_370_004
GPUAAS_ID: Final = 1
REGION_ID: Final = 1
#: A stopped pod is paid at a quarter of its rate.
STOPPED_PPM: Final = 250_000
_FIRST_NODE_PORT: Final = 31_000
_NEVER_READY: Final = "pending"


class NodePorts(Protocol):
    """Ports by which pods are reached from outside."""

    def open(self) -> int:
        """A port that is listened on from now on."""
        ...

    def close(self, port: int) -> None:
        """Nobody listens there any more."""
        ...


class CountedPorts:
    """Numbers only: where pods are reached without a socket."""

    def __init__(self) -> None:
        self._next = _FIRST_NODE_PORT

    def open(self) -> int:
        self._next += 1
        return self._next - 1

    def close(self, port: int) -> None:
        """There is nothing to close."""


class Platform:
    """One region with its pools. `holds`: all there ever were, by id; `ports` may be replaced before the first call."""

    def __init__(self, settings: PlatformSettings, clock: PlatformClock) -> None:
        self.settings = settings
        self.clock = clock
        self.engine = Engine(settings.parameters, settings.seed)
        self.cluster = Cluster(self.engine, settings.pools)
        self.pump = Pump(self.engine, clock)
        self.dice = Dice(settings.quirks, settings.seed)
        self.faults = Faults(settings.faults)
        self.ports: NodePorts = CountedPorts()
        #: Every pool there ever was, and the cards: which pool each is in, 0 = none.
        self.specs = dict(self.cluster.pools)
        self.cards: dict[str, int] = {}
        self.holds: dict[int, Hold] = {}
        self._live: dict[int, Hold] = {}
        self.exposures: dict[int, Exposure] = {}
        self.teams: dict[str, str] = {}
        self.sessions: dict[str, int] = {}
        self._names = Chance(settings.seed + 1_000_003)
        self._next_exposure = 1
        self._closed_ports: set[int] = set()
        for pool in [one.id for one in settings.pools for _ in range(one.gpus)] + [0] * settings.spare_gpus:
            self.cards[f"GPU-{self.fresh_uuid()}"] = pool
        for number, neighbour in enumerate(settings.neighbours):
            self._move_in(neighbour, settings.seed * 7_919 + number)
        self.engine.run_until(settings.warm_up_us)
        self.pump.begin_now()

    @property
    def now_us(self) -> int:
        """The pool model's time."""
        return self.engine.now_us

    def utc_us(self, time_us: int) -> int:
        """Microseconds since 1970 of a time of the model."""
        return self.settings.epoch_us + time_us - self.settings.warm_up_us

    def model_us(self, utc_us: int) -> int:
        """The inverse of `utc_us`."""
        return utc_us - self.settings.epoch_us + self.settings.warm_up_us

    def fresh_uuid(self) -> str:
        """A UUID of version 4 out of the seed."""
        bits = self._names.below(1 << 128) & ~(0xF << 76) & ~(0x3 << 62) | 4 << 76 | 2 << 62
        digits = f"{bits:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def bar(self, team: str, pool: int) -> None:
        """Let no resource policy of the team reach the pool."""
        self.cluster.barred.add((team, pool))

    # --- holds --------------------------------------------------------------------------------------------------

    def live_holds(self) -> list[Hold]:
        """Those whose row has not gone, oldest first."""
        return list(self._live.values())

    def hold_of(self, identity: int) -> Hold:
        """Raises: ApiError."""
        hold = self.holds.get(identity)
        if hold is None or hold.gone_us is not None:
            raise ApiError(404, "subscription not found")
        return hold

    def held_by(self, team: str, pool: int) -> Hold | None:
        """The team's hold on a pool, if there is one."""
        return next((hold for hold in self.live_holds() if hold.team == team and hold.pool == pool), None)

    def slot_hourly(self, pool: int) -> int:
        """Price of one slot for an hour, in micro-dollars: the card's, by its slots."""
        spec = self.specs[pool]
        return spec.hourly_usd_micros // spec.sharing_ratio

    def subscribe(self, team: str, pool: int, *, vgpus: int, share_percent: int, vip: bool = False) -> Hold:
        """Take slots now and have pods after a while. Raises: ApiError."""
        if not 1 <= vgpus <= 64:
            raise ApiError(400, "vgpus must be at least 1")
        try:
            subscription = self.cluster.subscribe(
                team, pool, self.settings.server, vgpus=vgpus, share_percent=share_percent, vip=vip
            )
        except Refused as refused:
            raise self.refusal(refused.reason, str(refused)) from refused
        now_us, limit_us = self.now_us, self.settings.parameters.pending_limit_us
        spec = self.cluster.pools[pool]
        hourly = spec.hourly_usd_micros * subscription.slices * vgpus // spec.sharing_ratio
        hold = Hold(subscription, vgpus, share_percent, hourly, now_us, now_us)
        for position, card in enumerate(subscription.cards):
            name = f"vanilla-worker-{card.index}-{self.fresh_uuid()}-pool{pool}"
            hold.pods.append(Pod(name, position))
        self.holds[hold.id] = self._live[hold.id] = hold
        self.teams.setdefault(team, f"team {len(self.teams) + 1}")
        hold.pay(now_us, MILLION)
        self.engine.at(now_us + limit_us, lambda: self._end_pending(hold))
        self._play_quirks_of(hold)
        return hold

    def _play_quirks_of(self, hold: Hold) -> None:
        if self.dice.shows("late_rows"):
            hold.visible_us = self.now_us + self.dice.between("late_rows", 2, 20) * MILLION
        if self.dice.shows("pending_pods"):
            self.never_ready(hold)
        if self.dice.shows("pod_failures"):
            delay_s = self.dice.between("pod_failures", 30, 600)
            self.engine.at(self.now_us + delay_s * MILLION, lambda: self.fail_pods(hold))

    def never_ready(self, hold: Hold) -> None:
        """Its pods stay pending until they are deleted for it; nothing happens to pods that run."""
        if not hold.subscription.tenants:
            hold.subscription.status = _NEVER_READY

    def _end_pending(self, hold: Hold) -> None:
        if not hold.subscription.tenants and hold.leaving_us is None:
            self.vanish(hold)

    def refusal(self, reason: str, message: str = "") -> ApiError:
        """What a refusal of the model is in HTTP."""
        if reason == ALREADY:
            return ApiError(409, "Already subscribed")
        odd = self.dice.shows("odd_statuses")
        if reason == NO_ACCESS:
            status = (400, 403, 422, 409)[self.dice.one_of("odd_statuses", 4)] if odd else 500
            return ApiError(status, "team does not have resource access permission", NO_ACCESS_CODE)
        if reason == UNKNOWN_POOL:
            return ApiError(404, "pool not found")
        if reason == INSUFFICIENT:
            status = (500, 409, 422, 403)[self.dice.one_of("odd_statuses", 4)] if odd else 400
            return ApiError(
                status, "subscription resources validation failed: Insufficient resources", INSUFFICIENT_CODE
            )
        return ApiError(400, message or "invalid request")

    def unsubscribe(self, hold: Hold) -> None:
        """End a hold: its pods at once, its slots when its row goes. Asking again ends a stuck one."""
        if hold.leaving_us is not None:
            if hold.is_stuck and self.now_us - hold.leaving_us >= 60 * MILLION:
                self.vanish(hold)
            return
        hold.leaving_us = self.now_us
        hold.is_stuck = self.dice.shows("stuck_unsubscribing")
        hold.subscription.status = LEAVING
        for pod in hold.pods:
            if hold.tenant(pod) is not None:
                self.cluster.stop_pod(hold.subscription, pod.position)
        self._close_ports(hold)
        self.engine.at(self.now_us + self.settings.unsubscribe_us, lambda: None if hold.is_stuck else self.vanish(hold))
        self.engine.at(self.now_us + self.settings.stuck_us, lambda: self.vanish(hold))

    def stick(self, hold: Hold) -> None:
        """Let a row that is leaving stay."""
        hold.is_stuck = hold.leaving_us is not None

    def vanish(self, hold: Hold) -> None:
        """Take the row away with all that is behind it."""
        if hold.gone_us is not None:
            return
        hold.gone_us = self.now_us
        del self._live[hold.id]
        hold.stop_paying(self.now_us)
        self._close_ports(hold)
        self.cluster.release(hold.subscription)

    def fail_pods(self, hold: Hold) -> None:
        """Let its running pods fail; the subscription stays as it is."""
        for pod in hold.pods:
            tenant = hold.tenant(pod)
            if tenant is not None and not pod.is_stopped:
                self.engine.fail(tenant)

    # --- pods ---------------------------------------------------------------------------------------------------

    def pod_named(self, name: str) -> tuple[Hold, Pod]:
        """Raises: ApiError."""
        for hold in self.live_holds():
            for pod in hold.pods:
                if pod.name == name:
                    return hold, pod
        raise ApiError(404, "pod not found")

    def act(self, hold: Hold, pod: Pod, action: str) -> None:
        """start, stop or restart a pod. Raises: ApiError."""
        if action not in ("start", "stop", "restart"):
            raise ApiError(400, "pod_action must be start, stop or restart")
        if hold.leaving_us is not None or hold.tenant(pod) is None:
            raise ApiError(400, "pod is not in a state for this action")
        if (action == "stop" and pod.is_stopped) or (action == "start" and not pod.is_stopped):
            return
        self.cluster.stop_pod(hold.subscription, pod.position)
        pod.is_stopped = pod.is_stopped or action == "stop"
        pod.is_starting = action != "stop"
        self._pay_for(hold)
        if pod.is_starting:
            self.engine.at(self.now_us + self.settings.restart_us, lambda: self._start(hold, pod))

    def _start(self, hold: Hold, pod: Pod) -> None:
        if hold.leaving_us is not None or hold.gone_us is not None or not pod.is_starting:
            return
        self.cluster.start_pod(hold.subscription, pod.position)
        pod.is_stopped = pod.is_starting = False
        pod.serves_from_us = self.now_us + self.settings.model_load_us
        self._pay_for(hold)

    def _pay_for(self, hold: Hold) -> None:
        stopped = sum([pod.is_stopped for pod in hold.pods])
        full = len(hold.pods) - stopped
        rate_ppm = (full * MILLION + stopped * STOPPED_PPM) // len(hold.pods)
        if hold.stretches[-1].rate_ppm != rate_ppm:
            hold.pay(self.now_us, rate_ppm)

    def serves_from_us(self, hold: Hold, pod: Pod) -> int | None:
        """When the pod's server answers; None while its pod doesn't run."""
        tenant = hold.tenant(pod)
        if tenant is None or tenant.card is None or tenant.failed or hold.leaving_us is not None:
            return None
        if pod.serves_from_us is not None:
            return pod.serves_from_us
        ready_us = hold.subscription.ready_us
        return None if ready_us is None else ready_us + self.settings.model_load_us

    def expose(self, pod: Pod, service_name: str, port: int, protocol: str, service_type: str) -> Exposure:
        """Make a port of a pod reachable; the same again is the same. Raises: ApiError if no port is free."""
        for one in self.exposures.values():
            if (one.pod, one.service_name, one.pod_port) == (pod.name, service_name, port):
                return one
        try:
            node_port = self.ports.open()
        except OSError as problem:
            raise ApiError(500, "no node port is free") from problem
        found = Exposure(
            self._next_exposure, pod.name, service_name, port, node_port, protocol, service_type, self.now_us
        )
        self._next_exposure += 1
        self.exposures[found.id] = found
        self._closed_ports.discard(found.node_port)
        return found

    def unexpose(self, identity: int) -> None:
        """Raises: ApiError."""
        if identity not in self.exposures:
            raise ApiError(404, "service not found")
        port = self.exposures.pop(identity).node_port
        self._closed_ports.add(port)
        self.ports.close(port)

    def exposures_of(self, hold: Hold) -> list[Exposure]:
        """What of a hold's pods is exposed, oldest first."""
        names = {pod.name for pod in hold.pods}
        return [one for one in self.exposures.values() if one.pod in names]

    def pod_at(self, node_port: int) -> str | None:
        """The pod that is exposed at a port."""
        return next((one.pod for one in self.exposures.values() if one.node_port == node_port), None)

    def is_closed(self, port: int) -> bool:
        """Whether a node port was in use, and is no more."""
        return port in self._closed_ports

    def _close_ports(self, hold: Hold) -> None:
        for one in self.exposures_of(hold):
            self.unexpose(one.id)

    # --- the others ---------------------------------------------------------------------------------------------

    def _move_in(self, neighbour: Neighbour, seed: int) -> None:
        spec = self.cluster.pools[neighbour.pool]
        subscription = self.cluster.subscribe(
            neighbour.team, spec.id, self.settings.server, share_percent=neighbour.share_percent
        )
        hourly = spec.hourly_usd_micros * subscription.slices // spec.sharing_ratio
        hold = Hold(subscription, 1, neighbour.share_percent, hourly, 0, 0, is_neighbour=True)
        hold.pods.append(Pod(f"vanilla-worker-{subscription.cards[0].index}-{self.fresh_uuid()}-pool{spec.id}", 0))
        hold.pay(0, MILLION)
        self.holds[hold.id] = self._live[hold.id] = hold
        self.teams.setdefault(neighbour.team, f"team {len(self.teams) + 1}")

        def begin() -> None:
            tenant = hold.tenant(hold.pods[0])
            if tenant is not None:
                send_traffic(self.engine, neighbour, tenant, seed)
            elif hold.gone_us is None and hold.subscription.ended_us is None:
                self.engine.at(self.engine.now_us + 10 * MILLION, begin)
            else:
                self.vanish(hold)

        self.engine.at(0, begin)
