"""The container's composition root: settings in, an ASGI application with everything wired behind it out.

Start-up order: lock the state folder, open the database, settle what a killed process left, then serve. Shut-down is
the reverse. Concrete adapters are constructed here and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.adapters.aiohttp_transport import ProviderTransport, TransportSettings
from gateway.adapters.host import PySha3Hasher, SystemClock, SystemIds
from gateway.adapters.http_protocol import ReceiveLimits
from gateway.adapters.process_lock import StateLock
from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.adapters.wasmtime_kernel import KernelScorer
from gateway.log import set_up_logging
from gateway.settings import HostSettings, read_settings
from gateway.simulator.app import create_app as create_simulator_app
from gateway.simulator.exchange import Simulator, SimulatorSettings
from gateway.simulator.pace import sleep_us
from gateway.simulator.transport import SimulatorTransport
from worker.app import create_app
from worker.classification import ReferenceScorer
from worker.errors import StateError
from worker.mediator import Mediator
from worker.metrics import Metrics
from worker.ports import Scorer
from worker.services import Services
from worker.upstream.dispatch import Dispatcher, UpstreamLimits

DATABASE_FILE = "harpoon.db"
SWEEP_EVERY_S = 1
GC_FIRST_GENERATION = 20_000
_log = logging.getLogger("harpoon")


class Gateway:
    """The ASGI application of one worker process; it serves once its start-up has finished."""

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings
        #: What the server holds clients to while it receives from them (gateway/adapters/http_protocol.py).
        self.receive_limits = ReceiveLimits(head_us=settings.head_timeout_us, body_us=settings.body_timeout_us)
        self._app: ASGIApp | None = None
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
        except (StateError, OSError) as problem:
            await send({"type": "lifespan.startup.failed", "message": f"harpoon can't start: {problem}"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Open everything, recover, begin to serve. Raises: StateError; OSError for the state folder."""
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
        mediator = Mediator(database, hasher, settings.configuration.mediator_config(hasher))
        await mediator.open()
        if alone:
            swept = await mediator.sweep(clock.now_us(), everything=True)
            if swept:
                _log.warning("settled %d reservations of a killed process at their worst case", swept)
            lock.share()
        sweeper = asyncio.create_task(_sweep_for_ever(mediator, clock))
        stack.push_async_callback(_cancel, sweeper)
        self._app = self._compose(mediator, clock, await load_scorer())
        # What lives now lives until the end, so the collector need not look at it again and may look less often: two to
        # three per cent of the streams a second at 16 connections, measured side by side; plain answers gain nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_FIRST_GENERATION, 20, 20)

    def _compose(self, mediator: Mediator, clock: SystemClock, scorer: Scorer) -> ASGIApp:
        settings = self._settings
        configuration = settings.configuration
        models = frozenset(r.served_id for r in configuration.catalogue.routes if r.simulated)
        simulator = Simulator(
            SimulatorSettings(models=models, speed=settings.simulator_speed), clock=clock, sleep=sleep_us
        )
        transport = ProviderTransport(
            simulator=SimulatorTransport(simulator),
            settings=TransportSettings(
                max_connections=settings.max_connections, max_connections_per_host=settings.max_connections_per_host
            ),
        )
        self._resources.push_async_callback(transport.aclose)
        services = Services(
            mediator=mediator,
            dispatcher=Dispatcher(transport, configuration.access, UpstreamLimits()),
            scorer=scorer,
            clock=clock,
            ids=SystemIds(),
            catalogue=configuration.catalogue,
            configured=configuration.configured,
            keyring=configuration.keyring(),
            admin_digest=configuration.admin_digest,
            limits=configuration.limits,
            guard=configuration.guard,
            metrics=Metrics(str(os.getpid())),
        )
        self._resources.enter_context(_before_stopping(services.live.close))
        # Over HTTP the simulator needs no token, so it is there only while it stands in for a provider.
        return create_app(services, [Mount("/simulator", create_simulator_app(simulator))] if models else [])

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


async def load_scorer(path: Path | None = None) -> Scorer:
    """The kernel where it was built, else the reference, which says the same more slowly.

    Args:
        path: the kernel's file, if it isn't the one beside `wasm_classifier`.
    """
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


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def build() -> Gateway:
    """The application for a server's worker process: settings come from its environment alone.

    Another server than `harpoon serve` is told by itself where to listen. SERVICE_HOST must say the same, because it
    decides whether a token is needed.
    """
    settings = read_settings(os.environ, {}, None)
    set_up_logging(settings.log_level, settings.secrets)
    return Gateway(settings)
