"""The container's composition root: settings in, an ASGI application with everything wired behind it out.

Start-up order: lock the state folder, open the database, settle what a killed process left, then serve. Shut-down is
the reverse. Concrete adapters are constructed here and nowhere else; what only some settings ask for, such as the
simulator, leases and OpenTelemetry, is imported when they do (tests/gateway/test_lean_start.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.adapters.ed25519_signer import Ed25519Signer, kept_seed
from gateway.adapters.host import PySha3Hasher, SystemClock, SystemIds
from gateway.adapters.http_protocol import ReceiveLimits
from gateway.adapters.process_lock import StateLock
from gateway.adapters.provider_transport import ProviderTransport, TransportSettings
from gateway.adapters.request_observer import RequestObserver, Sink
from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.adapters.wasmtime_kernel import KernelScorer
from gateway.log import RequestLog, format_for, logs_requests, set_up_logging
from gateway.otel_settings import OtelSettings, check_packages, otel_secrets, read_otel
from gateway.pages import PageRoute, load_pages
from gateway.sessions.runtime import SessionRuntime
from gateway.settings import HostSettings, read_settings
from wasm_classifier.correction import Correction
from worker.app import create_app
from worker.classification import CorrectedScorer, ReferenceScorer
from worker.errors import SettingsError, StateError
from worker.mediator import Mediator
from worker.metrics import Metrics
from worker.ports import Scorer, Transport
from worker.probing import probe_quiet
from worker.services import Services
from worker.upstream.dispatch import Dispatcher, UpstreamLimits
from worker.upstream.providers import ProviderAccess

if TYPE_CHECKING:
    from gateway.hostedai.leasing import Leasing
    from gateway.simulator.transport import SimulatorTransport

DATABASE_FILE = "harpoon.db"
SWEEP_EVERY_S = 1
RETAIN_EVERY_S = 3_600
GC_FIRST_GENERATION = 20_000
_log = logging.getLogger("harpoon")


class Gateway:
    """The ASGI application of one worker process; it serves once its start-up has finished."""

    def __init__(self, settings: HostSettings, otel: OtelSettings | None = None, secrets: tuple[str, ...] = ()) -> None:
        self._settings = settings
        self._otel = otel
        self._secrets = (*settings.secrets, *secrets)
        #: What the server holds clients to while it receives from them (gateway/adapters/http_protocol.py).
        self.receive_limits = ReceiveLimits(head_us=settings.head_timeout_us, body_us=settings.body_timeout_us)
        self._app: ASGIApp | None = None
        self._signer: Ed25519Signer | None = None
        self._leasing: Leasing | None = None
        self._resources = contextlib.AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            assert self._app is not None, "the server must run the lifespan protocol"
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except (StateError, SettingsError, OSError) as problem:
            await send({"type": "lifespan.startup.failed", "message": f"harpoon can't start: {problem}"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Open everything, recover, begin to serve. Raises: StateError; SettingsError for routes; OSError."""
        settings, stack = self._settings, self._resources
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Its -wal and -shm get the same mode from SQLite, whatever the umask of the server that runs this.
        (settings.state / DATABASE_FILE).touch(mode=0o600)
        lock = StateLock(settings.state)
        alone = await asyncio.to_thread(lock.try_exclusive)
        stack.callback(lock.release)
        database = SqliteDatabase(str(settings.state / DATABASE_FILE))
        await database.open()
        stack.push_async_callback(database.close)
        hasher, clock = PySha3Hasher(), SystemClock()
        await hasher.load()
        answers = settings.configuration.answers(clock)
        mediator_config = settings.configuration.mediator_config(hasher)
        mediator = Mediator(database, hasher, mediator_config, answers, has_spool=True)
        await mediator.open()
        sessions = SessionRuntime(settings.configuration.sessions, settings.state, clock, SystemIds(), os.environ)
        stack.push_async_callback(sessions.stop)
        await sessions.start(alone=alone)
        if alone:
            swept = await mediator.sweep(clock.now_us(), everything=True)
            if swept:
                _log.warning("settled %d reservations of a killed process at their worst case", swept)
            await sessions.catch_up(mediator)
            lock.share()
        sessions.relay(mediator, hasher)
        sweeper = asyncio.create_task(_sweep_for_ever(mediator, clock))
        stack.push_async_callback(_cancel, sweeper)
        if settings.configuration.retention.keep_us:
            stack.push_async_callback(_cancel, asyncio.create_task(_retain_for_ever(mediator, clock)))
        self._signer = Ed25519Signer(settings.configuration.signing_seed or kept_seed(settings.state))
        await self._signer.load()
        scorer = await load_scorer(correction=settings.configuration.correction)
        self._app = self._compose(mediator, clock, scorer, sessions)
        if self._leasing is not None:
            await self._leasing.start()
            stack.push_async_callback(self._leasing.stop)
        # What lives now lives until the end, so the collector need not look at it again and may look less often: two to
        # three per cent of the streams a second at 16 connections, measured side by side; plain answers gain nothing.
        # It has nothing to find before: a start leaves some 500 objects of garbage, in 0.2 MB, and looking takes 20 ms.
        gc.freeze()
        gc.enable()
        gc.set_threshold(GC_FIRST_GENERATION, 20, 20)

    def _compose(self, mediator: Mediator, clock: SystemClock, scorer: Scorer, sessions: SessionRuntime) -> ASGIApp:
        settings = self._settings
        configuration = settings.configuration
        models = frozenset(r.served_id for r in configuration.catalogue.routes if r.simulated)
        models = frozenset() if configuration.sessions.is_alone else models  # nobody chats there
        simulator, mounts = _simulator(models, clock, settings.simulator_speed) if models else (None, [])
        transport = ProviderTransport(
            simulator=simulator,
            settings=TransportSettings(
                max_connections=settings.max_connections, max_connections_per_host=settings.max_connections_per_host
            ),
        )
        self._resources.push_async_callback(transport.aclose)
        dispatched, access = self._leased(transport, clock)
        services = Services(
            mediator=mediator,
            dispatcher=Dispatcher(dispatched, access, UpstreamLimits()),
            scorer=scorer,
            clock=clock,
            ids=SystemIds(),
            catalogue=configuration.catalogue,
            configured=configuration.configured,
            keyring=configuration.keyring(),
            admin_digest=configuration.admin_digest,
            limits=configuration.limits,
            guard=configuration.guard,
            signer=self._signer,
            cache=configuration.cache,
            metrics=Metrics(str(os.getpid())),
            sessions=configuration.sessions,
            session_metrics=sessions.metrics,
            spool=sessions.spool,
            telemetry=replace(configuration.telemetry, observer=self._observer()),
        )
        if settings.probe_us:
            probing = asyncio.create_task(_probe_for_ever(services, settings.probe_us))
            self._resources.push_async_callback(_cancel, probing)
        self._resources.enter_context(_before_stopping(services.live.close))
        return create_app(services, [*mounts, PageRoute(load_pages())])

    def _leased(self, transport: Transport, clock: SystemClock) -> tuple[Transport, Mapping[str, ProviderAccess]]:
        """What requests go through and where: as it is, unless pools of hosted.ai are leased."""
        access, leases = self._settings.configuration.access, self._settings.leases
        if leases is None:
            return transport, access
        from gateway.hostedai.dialect import PROVIDER, leased_access
        from gateway.hostedai.leasing import Leasing

        if PROVIDER not in access:
            return transport, access
        self._leasing = Leasing(leases, self._settings.state, transport, access[PROVIDER], clock, SystemIds())
        return self._leasing.transport, leased_access(access, leases)

    def _observer(self) -> RequestObserver | None:
        """Who is told of finished requests; None if nothing is logged or exported of them."""
        settings, sinks = self._settings, list[Sink]()
        if logs_requests(settings.configuration.log_requests, settings.log_level):
            sinks.append(RequestLog(sys.stderr, format_for(settings.log_format, sys.stderr), self._secrets))
        exporter = None
        if self._otel is not None:
            from gateway.adapters.otel_exporter import OtelExporter

            exporter = OtelExporter(self._otel, str(os.getpid()))
            sinks.append(exporter)
            self._resources.push_async_callback(asyncio.to_thread, exporter.close)
        if not sinks:
            return None
        observer = RequestObserver(sinks, None if exporter is None else exporter.samples)
        self._resources.push_async_callback(asyncio.to_thread, observer.close)
        return observer

    async def stop(self) -> None:
        """Close everything in reverse order."""
        self._app = None
        await self._resources.aclose()


@contextlib.contextmanager
def _before_stopping(action: Callable[[], None]) -> Iterator[None]:
    """Have `action` done when a signal tells the server to stop, before the server hears of it.

    A server says so by itself only when every connection has ended, and its worker processes offer no other place.
    """
    earlier: dict[int, Callable[[int, FrameType | None], object]] = {}

    def on_signal(number: int, frame: FrameType | None) -> None:
        action()
        earlier[number](number, frame)

    # Python lets no other thread handle signals; a server that runs in one is not told to stop by them.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handled = signal.getsignal(number)
            if callable(handled):
                earlier[number] = handled
                signal.signal(number, on_signal)
    try:
        yield
    finally:
        for told, handler in earlier.items():
            signal.signal(told, handler)


def _simulator(models: frozenset[str], clock: SystemClock, speed: int) -> tuple[SimulatorTransport, list[BaseRoute]]:
    """The simulator in this process, and its route: over HTTP it needs no token, so it is there only while in force."""
    from gateway.simulator.app import create_app as create_simulator_app
    from gateway.simulator.demo_pools import demo_pools
    from gateway.simulator.exchange import Simulator, SimulatorSettings
    from gateway.simulator.transport import SimulatorTransport

    simulator = Simulator(SimulatorSettings(models), clock, demo_pools(speed))
    return SimulatorTransport(simulator), [Mount("/simulator", create_simulator_app(simulator))]


async def load_scorer(path: Path | None = None, correction: Correction | None = None) -> Scorer:
    """The kernel where it was built, else the reference, which says the same more slowly.

    Args:
        path: the kernel's file, if it isn't the one beside `wasm_classifier`.
        correction: what was learned; the reference alone can apply it.
    """
    if correction is not None:
        return CorrectedScorer(correction)
    scorer = KernelScorer(path)
    try:
        await scorer.load()
    except StateError as problem:
        _log.info("classification runs in pure Python: %s", problem)
        return ReferenceScorer()
    return scorer


async def _sweep_for_ever(mediator: Mediator, clock: SystemClock) -> None:
    """Settle orphans as they expire: those of a process that died while others lived."""
    while True:
        await asyncio.sleep(SWEEP_EVERY_S)
        try:
            await mediator.sweep(clock.now_us())
        except StateError as problem:
            _log.error("orphaned reservations could not be settled, will try again: %s", problem)


async def _retain_for_ever(mediator: Mediator, clock: SystemClock) -> None:
    """Drop old evidence now and every hour, where a retention is set."""
    while True:
        try:
            await mediator.retain(clock.now_us())
        except StateError as problem:
            _log.error("old evidence could not be dropped, will try again: %s", problem)
        await asyncio.sleep(RETAIN_EVERY_S)


async def _probe_for_ever(services: Services, every_us: int) -> None:
    """See now and then whether the providers are there that nobody has called meanwhile."""
    while True:
        await services.clock.sleep(every_us)
        await probe_quiet(services, every_us)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def build() -> Gateway:
    """The application for a server's worker process: settings come from its environment alone.

    Another server than `harpoon serve` is told by itself where to listen. SERVICE_HOST must say the same, because it
    decides whether a token is needed.
    """
    return build_from(read_settings(os.environ, {}, None))


def build_from(settings: HostSettings) -> Gateway:
    """The application for settings that are read already, in a server's one process."""
    otel, secrets = read_otel(os.environ), otel_secrets(os.environ)
    if otel is not None:
        check_packages()
    log_format = format_for(settings.log_format, sys.stderr)
    set_up_logging(settings.log_level, (*settings.secrets, *secrets), log_format)
    return Gateway(settings, otel, secrets)
