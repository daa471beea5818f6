"""The edge composition root: bindings in, the application and the tenants' objects, wired, out.

Nothing is built at import, because randomness, time and the environment exist only inside a handler; what the first
request of an isolate builds holds no I/O of its own, so later requests may use it too.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

import js
from workers import WorkerEntrypoint

from worker.access_settings import names_in_catalogue
from worker.app import Application, create_app
from worker.classification import ReferenceScorer
from worker.configuration import SETTINGS, Configuration, read_configuration
from worker.edge.asgi import serve
from worker.edge.bindings import read_variable
from worker.edge.fetch_transport import FetchTransport
from worker.edge.host import EdgeClock, EdgeIds
from worker.edge.kernel_module import KernelScorer
from worker.edge.log import redact_logs
from worker.edge.mediation import ObjectMediator, RemoteMediator
from worker.edge.mediator_agent import MediatorObject, ObjectHost, TextMediator
from worker.errors import StateError
from worker.mediator import Mediator
from worker.metrics import Metrics
from worker.ports import Scorer
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
    own = names_in_catalogue(read_variable(env, "HARPOON_CATALOGUE_JSON"))
    names = dict.fromkeys([*(setting.name for setting in SETTINGS), *own])
    values = tuple((name, read_variable(env, name)) for name in names)
    gateway = read_variable(env, "GATEWAY_URL").rstrip("/")
    return _configuration(values, f"{gateway}/simulator/v1" if gateway else None)


async def load_scorer() -> Scorer:
    """The kernel where one was uploaded, else the reference, which says the same more slowly."""
    scorer = KernelScorer()
    try:
        await scorer.load()
    except StateError as problem:
        js.console.warn(f"Classification runs in pure Python. {problem}")
        return ReferenceScorer()
    return scorer


async def build_services(env: Any) -> Services:
    """The services of an isolate."""
    redact_logs(env)
    configuration, ids = configuration_of(env), EdgeIds()
    return Services(
        mediator=RemoteMediator(env),
        dispatcher=Dispatcher(FetchTransport(), configuration.access, UpstreamLimits()),
        scorer=await load_scorer(),
        clock=EdgeClock(),
        ids=ids,
        catalogue=configuration.catalogue,
        configured=configuration.configured,
        keyring=configuration.keyring(),
        admin_digest=configuration.admin_digest,
        guard=configuration.guard,
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
            built = await build_services(self.env)
            # Another first request may have been quicker meanwhile: what it built is what all of them use.
            services = Default._services = Default._services or built
            app = Default._app = Default._app or create_app(services)
        return await serve(app, request, self.ctx, max_body_bytes=services.limits.json.max_bytes)


class MediatorAgent(MediatorObject):
    """One tenant's state."""

    @staticmethod
    async def build(host: ObjectHost) -> TextMediator:
        """Wire the tenant's mediator, which opens its tables once a caller is known."""
        await host.hasher.load()
        mediator = Mediator(host.database, host.hasher, configuration_of(host.env).mediator_config(host.hasher))
        return ObjectMediator(mediator, host.clock, host.set_alarm)
