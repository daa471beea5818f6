"""What the application is given by its host: ports, the catalogue, and every limit by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.api.auth import Keyring
from worker.mediator import MediatorPort
from worker.ports import Clock, Ids, Scorer
from worker.routing.catalogue import CompiledCatalogue
from worker.strict_json import JsonLimits
from worker.upstream.attempts import AttemptLimits
from worker.upstream.dispatch import Dispatcher


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request. `request_us`: longest time from request read to last byte, whatever the covenant says.

    `last_send_us`: how long a stream's last bytes wait for a client that doesn't read, also after the deadline.
    """

    json: JsonLimits = field(default_factory=JsonLimits)
    request_us: int = 300_000_000
    last_send_us: int = 10_000_000
    attempts: AttemptLimits = field(default_factory=AttemptLimits)


@dataclass(frozen=True, slots=True)
class Services:
    """The application's collaborators; `host` names the runtime in /health."""

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
