"""Destinations as the routes describe them, made into adapters.

Secrets come from the environment, relative paths are within the state folder. What only some routes ask for is imported
when they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from httpx import InvalidURL

from gateway.adapters.connection_pool import Resolver
from gateway.adapters.provider_transport import ProviderTransport, TransportSettings
from gateway.sessions.jsonl import JsonlDestination, JsonlSettings
from gateway.sessions.sqlite_store import SqliteStore, SqliteStoreSettings
from worker.errors import SettingsError
from worker.ports import Clock, Transport
from worker.sessions.destination import Destination
from worker.sessions.destination_options import (
    JSONL,
    LOG,
    NATS,
    OTEL,
    POSTGRES,
    PROMETHEUS,
    QUEUE,
    SQLITE,
    WEBHOOK,
    OptionValue,
    type_of,
)
from worker.sessions.destination_plan import begins_early, schedule_of
from worker.sessions.destinations.log import LogDestination
from worker.sessions.destinations.prometheus import SessionCounters
from worker.sessions.session_metrics import SessionMetrics

__all__ = ["Builder", "begins_early", "schedule_of"]

Options = Mapping[str, OptionValue]


@dataclass(slots=True)
class Builder:
    """Makes destinations. `folder`: where files without a path of their own go."""

    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    clock: Clock
    metrics: SessionMetrics
    _transports: dict[bool, ProviderTransport] = field(default_factory=dict)

    def build(self, name: str, options: Options) -> Destination:
        """The adapter of one destination. Raises: SettingsError, which names a variable and never shows its value."""
        makers: dict[str, Callable[[str, Options], Destination]] = {
            WEBHOOK: self._webhook,
            JSONL: self._jsonl,
            SQLITE: self._sqlite,
            POSTGRES: self._postgres,
            NATS: self._nats,
            PROMETHEUS: self._prometheus,
            OTEL: self._otel,
            LOG: lambda name, options: LogDestination(name),
            QUEUE: _queue,
        }
        try:
            return makers[type_of(name, options.get("type"))](name, options)
        except (ValueError, InvalidURL) as problem:
            # The class alone: the message may quote an address with its password.
            raise SettingsError(f"the destination {name} can't be made: {type(problem).__name__}") from None

    async def close(self) -> None:
        """Close what destinations share."""
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()

    def _webhook(self, name: str, options: Options) -> Destination:
        from worker.sessions.destinations.webhook import PLAIN, Webhook, WebhookSettings
        from worker.sessions.webhook import WebhookSecret

        secrets = tuple([WebhookSecret.from_text(self._secret(name, one)) for one in _names(options, "secret_env")])
        headers = {}
        if "authorization_env" in options:
            headers["authorization"] = self._secret(name, _names(options, "authorization_env")[0])
        settings = WebhookSettings(
            url=str(options["url"]),
            secrets=secrets,
            format=str(options.get("format", PLAIN)),
            headers=headers,
            timeout_us=int(cast("int", options.get("timeout_ms", 10_000))) * 1_000,
            at_once=int(cast("int", options.get("at_once", 8))),
        )
        return Webhook(settings, self._transport(allow_private=bool(options.get("allow_private"))), self.clock)

    def _transport(self, *, allow_private: bool) -> Transport:
        """One for all webhooks that may go to the same addresses."""
        from gateway.adapters.guarded_resolver import GuardedResolver

        if allow_private not in self._transports:
            settings = TransportSettings(user_agent="harpoon-sessions")
            resolver = Resolver(settings.dns_cache_s)
            self._transports[allow_private] = ProviderTransport(
                settings=settings, resolve=resolver if allow_private else GuardedResolver(resolver)
            )
        return self._transports[allow_private]

    def _jsonl(self, name: str, options: Options) -> Destination:
        rotate_bytes = int(cast("int", options.get("rotate_bytes", 0)))
        path = self._path(options, f"{name}.jsonl")
        return JsonlDestination(JsonlSettings(path, bool(options.get("fsync")), rotate_bytes))

    def _sqlite(self, name: str, options: Options) -> Destination:
        return SqliteStore(SqliteStoreSettings(self._path(options, f"{name}.db"), bool(options.get("fsync"))))

    def _postgres(self, name: str, options: Options) -> Destination:
        from gateway.sessions.postgres_store import PostgresSettings, PostgresStore

        url = self._secret(name, _names(options, "url_env")[0])
        table = str(options.get("table", "session_completed"))
        return PostgresStore(PostgresSettings(url, table, _timeout_s(options)))

    def _nats(self, name: str, options: Options) -> Destination:
        from gateway.sessions.nats_stream import NatsSettings, NatsStream

        url = self._secret(name, _names(options, "url_env")[0]) if "url_env" in options else str(options["url"])
        subject, stream = str(options.get("subject", "sessions.completed")), str(options.get("stream", "SESSIONS"))
        return NatsStream(NatsSettings(url, subject, stream, _timeout_s(options)), self.clock)

    def _prometheus(self, name: str, options: Options) -> Destination:
        counters = self.metrics.counters[name] = SessionCounters()
        return counters

    def _otel(self, name: str, options: Options) -> Destination:
        from gateway.sessions.otel_sessions import OtelSessions

        return OtelSessions()

    def _path(self, options: Options, usual: str) -> Path:
        # Of two paths joined, an absolute second one stands for both.
        return self.folder / str(options.get("path", usual))

    def _secret(self, name: str, variable: str) -> str:
        value = self.environment.get(variable, "").strip()
        if not value:
            raise SettingsError(f"the destination {name} needs the environment variable {variable}", param=variable)
        return value


def _queue(name: str, _options: Options) -> Destination:
    raise SettingsError(f"the destination {name} is a queue, which only the edge has")


def _names(options: Options, key: str) -> tuple[str, ...]:
    names = options[key]
    return names if isinstance(names, tuple) else (str(names),)


def _timeout_s(options: Options) -> float:
    return int(cast("int", options.get("timeout_ms", 10_000))) / 1_000
