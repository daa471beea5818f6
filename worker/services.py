"""What the application is given by its host: ports, the catalogue, and every limit by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.api.auth import Keyring
from worker.cache.settings import CacheSettings
from worker.failed_attempts import FailureLog
from worker.guard.guarding import GuardSettings
from worker.live import LiveNotes
from worker.login_throttle import LoginThrottle
from worker.mediator import MediatorPort
from worker.metrics import Metrics
from worker.ports import Clock, Ids, Scorer, Signer
from worker.routing.catalogue import CompiledCatalogue
from worker.sessions.session_metrics import SessionMetrics
from worker.sessions.settings import SessionsSettings
from worker.sessions.spool_port import SpoolPort
from worker.strict_json import JsonLimits
from worker.telemetry import Telemetry
from worker.upstream.attempts import AttemptLimits
from worker.upstream.dispatch import Dispatcher
from worker.upstream.watch import ProviderWatch


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request. `request_us`: longest time from request read to last byte, whatever the covenant says.

    `keep_alive_us`: after so long without a byte a stream's client gets a comment, 0 = never.
    `last_send_us`: how long a stream's last bytes wait for a client that doesn't read, also after the deadline.
    Of live feeds: `live_poll_us` between two looks, `live_limit_us` until one ends, `live_keep_alive_us` without a
    sign of life, `live_connections` at a time in a process. `ledger_batch`: entries verified in one transaction.
    `canon_bytes`: of the body of a call to /api/canon.
    """

    json: JsonLimits = field(default_factory=JsonLimits)
    request_us: int = 300_000_000
    keep_alive_us: int = 15_000_000
    last_send_us: int = 10_000_000
    attempts: AttemptLimits = field(default_factory=AttemptLimits)
    live_poll_us: int = 50_000
    live_limit_us: int = 300_000_000
    live_keep_alive_us: int = 15_000_000
    live_connections: int = 32
    canon_bytes: int = 524_288
    ledger_batch: int = 32


@dataclass(frozen=True, slots=True)
class Services:
    """The application's collaborators; `host` names the runtime in /health.

    `metrics`, `watch`, `failures`, `live`, `session_metrics` and `logins` are what this process has seen: a host makes
    them once, and no decision reads them. `spool`: of reported sessions, None = the host keeps none.
    """

    mediator: MediatorPort
    dispatcher: Dispatcher
    scorer: Scorer
    clock: Clock
    ids: Ids
    catalogue: CompiledCatalogue
    configured: frozenset[str]
    keyring: Keyring
    limits: Limits
    host: str = "cpython"
    admin_digest: str = field(default="", repr=False)
    metrics: Metrics = field(default_factory=Metrics)
    watch: ProviderWatch = field(default_factory=ProviderWatch)
    failures: FailureLog = field(default_factory=FailureLog)
    live: LiveNotes = field(default_factory=LiveNotes)
    guard: GuardSettings = field(default_factory=GuardSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    telemetry: Telemetry = field(default_factory=Telemetry)
    signer: Signer | None = None
    sessions: SessionsSettings = field(default_factory=SessionsSettings)
    session_metrics: SessionMetrics = field(default_factory=SessionMetrics)
    spool: SpoolPort | None = None
    logins: LoginThrottle = field(default_factory=LoginThrottle)
