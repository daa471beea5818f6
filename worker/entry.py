"""The edge composition root: bindings in, the application and the tenants' objects, wired, out.

Nothing is built at import, because randomness, time and the environment exist only inside a handler; what the first
request of an isolate builds holds no I/O of its own, so later requests may use it too.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

from workers import WorkerEntrypoint

from worker.app import Application, create_app
from worker.classification import ReferenceScorer
from worker.configuration import SETTINGS, Configuration, read_configuration
from worker.edge.asgi import serve
from worker.edge.bindings import read_variable
from worker.edge.fetch_transport import FetchTransport
from worker.edge.host import EdgeClock, EdgeIds
from worker.edge.mediation import ObjectMediator, RemoteMediator
from worker.edge.mediator_agent import MediatorObject, ObjectHost, TextMediator
from worker.mediator import Mediator
from worker.metrics import Metrics
from worker.services import Services
from worker.upstream.dispatch import Dispatcher, UpstreamLimits

__all__ = ["Default", "MediatorAgent"]

#: Each look of a live feed is a subrequest, of which a request may have as few as 1,000
#: (https://developers.cloudflare.com/workers/platform/limits/#subrequests): looking this often, for 400 s.
LEAST_LIVE_POLL_US = 400_000


@lru_cache(maxsize=4)
def _configuration(values: tuple[tuple[str, str], ...], simulator_url: str | None) -> Configuration:
    return read_configuration(dict(values), simulator_url)


def configuration_of(env: Any) -> Configuration:
    """The configuration in the Worker's variables and secrets. Raises: SettingsError or CatalogueError."""
    values = tuple((setting.name, read_variable(env, setting.name)) for setting in SETTINGS)
    gateway = read_variable(env, "GATEWAY_URL").rstrip("/")
    return _configuration(values, f"{gateway}/simulator/v1" if gateway else None)


def build_services(env: Any) -> Services:
    """The services of an isolate."""
    configuration, ids = configuration_of(env), EdgeIds()
    return Services(
        mediator=RemoteMediator(env),
        dispatcher=Dispatcher(FetchTransport(), configuration.access, UpstreamLimits()),
        scorer=ReferenceScorer(),
        clock=EdgeClock(),
        ids=ids,
        catalogue=configuration.catalogue,
        configured=configuration.configured,
        keyring=configuration.keyring(),
        limits=replace(configuration.limits, live_poll_us=max(configuration.limits.live_poll_us, LEAST_LIVE_POLL_US)),
        host="workerd",
        # An isolate has no number of its own.
        metrics=Metrics(ids.new("isolate")[:16]),
    )


class Default(WorkerEntrypoint):
    """Serves every request of this isolate: bindings do not change while it lives, so its first request builds all."""

    _services: ClassVar[Services | None] = None
    _app: ClassVar[Application | None] = None

    async def fetch(self, request: Any) -> Any:
        """Answer one request."""
        services, app = Default._services, Default._app
        if services is None or app is None:
            services = Default._services = build_services(self.env)
            app = Default._app = create_app(services)
        return await serve(app, request, self.ctx, max_body_bytes=services.limits.json.max_bytes)


class MediatorAgent(MediatorObject):
    """One tenant's state."""

    @staticmethod
    async def build(host: ObjectHost) -> TextMediator:
        """Open the tenant's tables and wire its mediator."""
        await host.hasher.load()
        mediator = Mediator(host.database, host.hasher, configuration_of(host.env).mediator_config(host.hasher))
        await mediator.open()
        return ObjectMediator(mediator, host.clock, host.set_alarm)
