"""Does what leases say is next, at the time they say, and tells them how it went; one process of several does so.

Each lease is a row that was stored before anything was done for it. A process that takes over begins by telling every
live lease that it was recovered, which makes each of them read before it does anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

from gateway.hostedai import errors, models
from gateway.hostedai.client import HostedAiClient, SubscribeRequest
from gateway.hostedai.lease import (
    HELD_BY_HAND,
    NO_ACCESS,
    NO_CAPACITY,
    NOT_VALID,
    SET_BACK_US,
    Accepted,
    Checked,
    Doing,
    Due,
    Event,
    Lease,
    NotSent,
    ReadFailed,
    Recovered,
    Refused,
    Row,
    Rows,
    Service,
    State,
    Unsure,
)
from gateway.hostedai.lease_store import LeaseStore, NotSteering
from gateway.hostedai.reconciler import EVERY_US, Reconciler
from worker.errors import IntegrityError, StateError
from worker.ports import Clock, Transport
from worker.upstream.http_request import build_request

#: How long the wheel is held without being held on to; a process that dies is replaced after that.
STEERING_US: Final = 30_000_000
#: Before what could not be done at all is tried again.
PAUSE_US: Final = 1_000_000
_RECONCILING: Final = "reconciling"
_log = logging.getLogger("harpoon")


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What a pod is made of and where it serves. Empty ids leave the choice to the platform."""

    port: int = 8_000
    scheme: str = "http"
    instance_type_id: str = ""
    storage_block_id: str = ""
    image_uuid: str = ""
    check_us: int = 10_000_000


class Health(Protocol):
    """Says whether an endpoint answers."""

    async def __call__(self, base_url: str) -> bool:
        """True if it serves. Raises nothing for what a network does."""
        ...


class ModelsHealth:
    """An endpoint is healthy if GET <base>/models is answered with 200."""

    def __init__(self, transport: Transport, clock: Clock, headers: httpx.Headers, limit_us: int) -> None:
        self._transport = transport
        self._clock = clock
        self._headers = headers
        self._limit_us = limit_us

    async def __call__(self, base_url: str) -> bool:
        """True if it serves."""
        limit_s = self._limit_us / 1_000_000
        try:
            url = httpx.URL(base_url + "/models")
        except httpx.InvalidURL:
            return False
        request = build_request("GET", url, self._headers, b"", connect_timeout_s=limit_s, read_timeout_s=limit_s)
        try:
            async with self._clock.timeout(self._limit_us):
                response = await self._transport.handle_async_request(request)
                await response.aclose()
        except (httpx.TransportError, httpx.UnsupportedProtocol, TimeoutError):
            return False
        return response.status_code == 200


def row_of(subscription: models.Subscription, pod_name: str) -> Row:
    """A subscription as a lease looks at it; of several pods the one it has, else the first that runs."""
    running = sorted(pod.name for pod in subscription.pods if pod.is_running)
    chosen = pod_name if pod_name in running else next(iter(running), "")
    if chosen:
        state = "running"
    elif subscription.pods and all(pod.is_broken for pod in subscription.pods):
        state = "broken"
    else:
        state = "pending"
    return Row(
        subscription.id, subscription.pool_id, subscription.team, subscription.is_leaving, chosen or pod_name, state
    )


class LeaseDriver:
    """Drives every live lease of a store while this process steers.

    Args: is_idle: whether a lease has not been used for so long that no further block should be paid. changed: told
    of every lease that was decided on.
    """

    def __init__(
        self,
        client: HostedAiClient,
        health: Health,
        store: LeaseStore,
        clock: Clock,
        pods: PodSettings,
        holder: str,
        *,
        is_idle: Callable[[Lease], bool] = lambda _: False,
        changed: Callable[[Lease], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._health = health
        self._store = store
        self._clock = clock
        self._pods = pods
        self._holder = holder
        self._is_idle = is_idle
        self._changed = changed
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._epoch = 0
        rules = store.rules
        self._longest_pause_us = max(rules.renew_us, rules.slow_poll_us, rules.poll_us) + SET_BACK_US
        self.reconciler = Reconciler(client, store, clock, changed)

    @property
    def steers(self) -> bool:
        """Whether this process is the one that drives."""
        return self._epoch > 0

    def wake(self) -> None:
        """Look at the leases at once: something was added or stopped."""
        self._woken.set()

    async def run(self) -> None:
        """Drive for ever; ends when it is cancelled, with everything under way called off."""
        try:
            while True:
                wait_us = await self._turn()
                with contextlib.suppress(TimeoutError):
                    async with self._clock.timeout(wait_us):
                        await self._woken.wait()
                self._woken.clear()
        finally:
            tasks = list(self._busy.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._epoch:
                with contextlib.suppress(StateError):
                    await self._store.let_go(self._holder)

    async def _turn(self) -> int:
        """Begin what is due; how long there is nothing to do, in microseconds."""
        try:
            if not await self._steer():
                return STEERING_US // 3
            now_us, wait_us = self._clock.now_us(), STEERING_US // 3
            for lease in await self._store.live():
                if lease.id in self._busy:
                    continue
                # What is due later than any pause lasts was put off by a clock that has been set back since.
                if 0 < lease.due_us - now_us <= self._longest_pause_us:
                    wait_us = min(wait_us, lease.due_us - now_us)
                    continue
                self._begin(lease.id, self._drive(lease))
            if not 0 < self.reconciler.due_us - now_us <= EVERY_US and _RECONCILING not in self._busy:
                self._begin(_RECONCILING, self._reconcile())
            until_us = self.reconciler.due_us - now_us
            return max(1, min(wait_us, until_us if until_us > 0 else wait_us))
        except IntegrityError as problem:
            _log.error("leases can't be driven, will try again: %s", problem)
            return PAUSE_US

    async def _steer(self) -> bool:
        if not await self._store.steer(self._holder, self._clock.now_us(), STEERING_US):
            self._epoch = 0
            return False
        if self._store.epoch != self._epoch or not self._epoch:
            self._epoch = self._store.epoch
            for lease in await self._store.live():
                self._changed(await self._store.happen(lease.id, Recovered(), self._clock.now_us(), turn=None))
        return True

    def _begin(self, name: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._busy[name] = task
        task.add_done_callback(lambda ended: self._done(name, ended))

    def _done(self, name: str, ended: asyncio.Task[None]) -> None:
        """What ended by surprise counts as under way for a while, so that it is not begun again at once."""
        if ended.cancelled() or (surprise := ended.exception()) is None:
            self._free(name)
            return
        _log.error("%s ended by %s, will try again", name, type(surprise).__name__)
        self._clock.call_later(PAUSE_US, lambda: self._free(name))

    def _free(self, name: str) -> None:
        self._busy.pop(name, None)
        self._woken.set()

    async def _reconcile(self) -> None:
        try:
            await self.reconciler.run()
        except IntegrityError as problem:
            _log.error("holds can't be compared with leases, will try again: %s", problem)

    async def _drive(self, lease: Lease) -> None:
        try:
            self._changed(await self.step(lease))
        except NotSteering:
            self._epoch = 0
        except IntegrityError as problem:
            _log.error("lease %s can't be stored, will try again: %s", lease.id, problem)
            await self._clock.sleep(PAUSE_US)

    async def step(self, lease: Lease) -> Lease:
        """Do what is next for a lease, and store what came of it. Raises: StateError; NotSteering."""
        if lease.state is State.HELD:
            lease = await self._store.happen(lease.id, Due(), self._clock.now_us(), turn=lease.turn)
        if not lease.is_live:
            return lease
        event = await self._perform(lease)
        idle = self._is_idle(lease)
        return await self._store.happen(lease.id, event, self._clock.now_us(), turn=lease.turn, is_idle=idle)

    async def _perform(self, lease: Lease) -> Event:
        if lease.doing is Doing.READ:
            return await self._read(lease)
        if lease.doing is Doing.CHECK:
            return Checked(await self._health(lease.base_url))
        if lease.doing is Doing.FIND_SERVICE:
            return await self._find_service(lease)
        try:
            if lease.doing is Doing.SUBSCRIBE:
                return Accepted(await self._client.subscribe(self._request(lease)))
            if lease.doing is Doing.EXPOSE:
                return await self._expose(lease)
            assert lease.subscription_id is not None, "what has no id is read, not released"
            await self._client.unsubscribe(lease.subscription_id, lease.team, lease.pool_id)
            return Accepted()
        except errors.HostedAiError as problem:
            _log.info("lease %s, %s: %s", lease.id, lease.doing, problem)
            return _outcome(problem)

    def _request(self, lease: Lease) -> SubscribeRequest:
        return SubscribeRequest(
            pool_id=lease.pool_id,
            team=lease.team,
            share_percent=lease.share_percent,
            vgpus=lease.vgpus,
            is_vip=lease.is_vip,
            instance_type_id=self._pods.instance_type_id,
            storage_block_id=self._pods.storage_block_id,
            image_uuid=self._pods.image_uuid,
        )

    async def _read(self, lease: Lease) -> Event:
        try:
            known = () if lease.subscription_id is None else (lease.subscription_id,)
            found = await self._client.subscriptions(lease.team, known)
        except errors.HostedAiError as problem:
            _log.info("lease %s, read: %s", lease.id, problem)
            return ReadFailed()
        return Rows(tuple(row_of(one, lease.pod_name) for one in found))

    async def _find_service(self, lease: Lease) -> Event:
        assert lease.subscription_id is not None, "a pod was seen, so its subscription was"
        try:
            found = await self._client.exposed(lease.subscription_id, lease.service_name)
        except errors.NotFound:
            return Service()
        except errors.HostedAiError:
            return ReadFailed()
        return _service(lease, found)

    async def _expose(self, lease: Lease) -> Event:
        assert lease.subscription_id is not None, "a pod was seen, so its subscription was"
        found = await self._client.expose(
            lease.pod_name,
            lease.subscription_id,
            port=self._pods.port,
            name=lease.service_name,
            scheme=self._pods.scheme,
        )
        return _service(lease, found)


def _service(lease: Lease, found: models.ExposedService | None) -> Service:
    """What a lease learns of its service; one of another pod is none of it."""
    if found is None or (found.pod_name and found.pod_name != lease.pod_name):
        return Service()
    return Service(found.base_url if found.is_reachable else None, exists=True)


def _outcome(problem: errors.HostedAiError) -> Event:
    """What a failed change means: surely nothing, a refusal, or nobody knows."""
    if isinstance(problem, errors.NotAsked | errors.ComeBack):
        return NotSent()
    if isinstance(problem, errors.Unclear | errors.Unreadable):
        return Unsure()
    for kind, reason in _REASONS:
        if isinstance(problem, kind):
            return Refused(reason)
    return Refused(NOT_VALID)


_REASONS: Final[tuple[tuple[type[errors.HostedAiError], str], ...]] = (
    (errors.NoCapacity, NO_CAPACITY),
    (errors.NoAccess, NO_ACCESS),
    (errors.NotAuthorised, NO_ACCESS),
    (errors.AlreadyHeld, HELD_BY_HAND),
)
