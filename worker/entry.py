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

# What is imported only when it is needed, so that the snapshot that an isolate starts from holds it ready.
import worker.api.openapi.document
import worker.canon.desk
import worker.covenant.steps
import worker.guard.contacts
import worker.guard.credentials
import worker.guard.numbers  # noqa: F401
from wasm_classifier.correction import Correction
from worker.access_settings import names_in_catalogue
from worker.app import Application, create_app
from worker.classification import CorrectedScorer, ReferenceScorer
from worker.configuration import Configuration, read_configuration
from worker.edge.asgi import serve
from worker.edge.bindings import read_variable
from worker.edge.fetch_transport import FetchTransport
from worker.edge.host import EdgeClock, EdgeIds
from worker.edge.kernel_module import KernelScorer
from worker.edge.log import RequestConsole, set_up_logging
from worker.edge.mediation import ObjectMediator, RemoteMediator
from worker.edge.mediator_agent import MediatorObject, ObjectHost, TextMediator
from worker.edge.pages import page_of
from worker.edge.remote_spool import RemoteSpool, has_sessions
from worker.edge.session_spool import ObjectSpool, SessionObject, build_spool
from worker.edge.webcrypto_signer import WebCryptoSigner
from worker.errors import StateError
from worker.mediator import Mediator
from worker.metrics import Metrics
from worker.ports import Scorer
from worker.services import Services
from worker.sessions.relay import Outboxes
from worker.settings_table import SETTINGS
from worker.upstream.dispatch import Dispatcher, UpstreamLimits

__all__ = ["Default", "MediatorAgent", "SessionSpool"]

#: Each look of a live feed is a subrequest, of which a request may have as few as 1,000
#: (https://developers.cloudflare.com/workers/platform/limits/#subrequests): looking this often, for 400 s.
LEAST_LIVE_POLL_US = 400_000
#: So is each step of a verification: with this many entries a step, a log of half a million can be verified.
LEDGER_BATCH = 512
#: A tenant's kept answers share an isolate's 128 MB with other objects
#: (https://developers.cloudflare.com/workers/platform/limits/#memory).
MOST_CACHE_BYTES = 8 * 1024 * 1024
#: A kept answer crosses to the tenant's object and back inside JSON text.
MOST_CACHE_ENTRY_BYTES = 1024 * 1024


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


async def load_scorer(correction: Correction | None) -> Scorer:
    """The kernel where one was uploaded, else the reference, which says the same more slowly; a correction needs it."""
    if correction is not None:
        return CorrectedScorer(correction)
    scorer = KernelScorer()
    try:
        await scorer.load()
    except StateError as problem:
        js.console.warn(f"Classification runs in pure Python. {problem}")
        return ReferenceScorer()
    return scorer


async def build_services(env: Any) -> Services:
    """The services of an isolate."""
    redacting = set_up_logging(env)
    configuration, ids = configuration_of(env), EdgeIds()
    cache = configuration.cache
    signer = None if configuration.signing_seed is None else WebCryptoSigner(configuration.signing_seed)
    if signer is not None:
        await signer.load()
    return Services(
        mediator=RemoteMediator(env),
        dispatcher=Dispatcher(FetchTransport(), configuration.access, UpstreamLimits()),
        scorer=await load_scorer(configuration.correction),
        clock=EdgeClock(),
        ids=ids,
        catalogue=configuration.catalogue,
        configured=configuration.configured,
        keyring=configuration.keyring(),
        admin_digest=configuration.admin_digest,
        guard=configuration.guard,
        signer=signer,
        sessions=configuration.sessions,
        spool=RemoteSpool(env, configuration.sessions.partitions) if has_sessions(env) else None,
        cache=replace(cache, max_entry_bytes=min(cache.max_entry_bytes, MOST_CACHE_ENTRY_BYTES)),
        limits=replace(
            configuration.limits,
            live_poll_us=max(configuration.limits.live_poll_us, LEAST_LIVE_POLL_US),
            ledger_batch=LEDGER_BATCH,
        ),
        telemetry=replace(
            configuration.telemetry, observer=RequestConsole(redacting) if configuration.log_requests == "on" else None
        ),
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
        page = await page_of(request.js_object, self.env)
        if page is not None:
            return page
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
        set_up_logging(host.env)
        await host.hasher.load()
        configuration = configuration_of(host.env)
        answers = configuration.answers(host.clock, MOST_CACHE_BYTES)
        has_spool, config = has_sessions(host.env), configuration.mediator_config(host.hasher)
        mediator = Mediator(host.database, host.hasher, config, answers, has_spool=has_spool)
        if not has_spool:
            return ObjectMediator(mediator, host.clock, host.set_alarm)
        outboxes = Outboxes(mediator, RemoteSpool(host.env, configuration.sessions.partitions), host.clock)
        return ObjectMediator(mediator, host.clock, host.set_alarm, outboxes.push_all)


class SessionSpool(SessionObject):
    """One partition of the spool."""

    @staticmethod
    async def build(host: ObjectHost) -> ObjectSpool:
        """Open the partition, and deliver what it holds."""
        set_up_logging(host.env)
        return await build_spool(host, configuration_of(host.env).sessions, RemoteMediator(host.env))
