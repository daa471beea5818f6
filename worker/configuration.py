"""What an operator may set, from plain names and values: the same on both hosts, checked before anything runs.

A host hands over its environment as a mapping; nothing here looks anything up by itself. Secrets stay out of reprs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wasm_classifier.correction import Correction, CorrectionError
from wasm_classifier.correction import from_plain as correction_from_plain
from worker.access_settings import names_of, read_access
from worker.admitting import MediatorConfig, catalogue_hash
from worker.api.auth import Keyring, admin_digest
from worker.cache.answers import Answers
from worker.cache.settings import CACHE_MODES, MEBIBYTE, CacheSettings
from worker.canon.canon_settings import CanonSettings, canon_settings
from worker.canon.interference_pools import pool_capacities
from worker.catalogue_settings import adapt_catalogue, choice_setting, whole_setting
from worker.errors import HarpoonError, SettingsError
from worker.guard.guarding import INJECTION_MODES, PERSONAL_DATA_MODES, REDACT_MODES, GuardSettings
from worker.ledger_settings import Retention, retention, signing_seed
from worker.money import parse_usd
from worker.ports import Clock, Hasher
from worker.routing.catalogue import Catalogue, CompiledCatalogue, compile_catalogue, parse_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.services import Limits
from worker.sessions.settings import SessionsSettings, sessions_settings
from worker.settings_table import SETTINGS
from worker.strict_json import JsonLimits, parse_json
from worker.telemetry import LOG_REQUESTS_MODES, TRACE_MODES, Telemetry
from worker.tenants.limit_settings import limits_from_settings, per_tenant
from worker.tenants.limits import NO_LIMITS, LimitSet
from worker.upstream.ai_gateway import MAX_CACHE_TTL_S
from worker.upstream.attempts import AttemptLimits
from worker.upstream.providers import ProviderAccess


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything set, checked. Money in micro-dollars, time in microseconds."""

    tokens: tuple[str, ...] = field(repr=False)
    open_access: bool
    default_cap: int | None
    caps: dict[str, int]
    catalogue: CompiledCatalogue = field(repr=False)
    access: dict[str, ProviderAccess] = field(repr=False)
    frozen_estimates: bool
    limits: Limits
    admin_digest: str = field(default="", repr=False)
    stored_keys: bool = False
    default_limits: LimitSet = NO_LIMITS
    tenant_limits: dict[str, LimitSet] = field(default_factory=dict)
    guard: GuardSettings = field(default_factory=GuardSettings)
    canon: CanonSettings = field(default_factory=CanonSettings)
    correction: Correction | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    log_requests: str = "auto"
    signing_seed: bytes | None = field(default=None, repr=False)
    retention: Retention = field(default_factory=Retention)
    cache: CacheSettings = field(default_factory=CacheSettings)
    pool_capacities: Mapping[str, int] = field(default_factory=dict)
    sessions: SessionsSettings = field(default_factory=SessionsSettings)

    @property
    def configured(self) -> frozenset[str]:
        """The providers that can be called."""
        return frozenset(self.access)

    def keyring(self) -> Keyring:
        """Raises: SettingsError for a token of another form."""
        return Keyring.from_tokens(self.tokens, open_access=self.open_access, stored_keys=self.stored_keys)

    def answers(self, clock: Clock, most_bytes: int | None = None) -> Answers | None:
        """An answer cache for a mediator, None if it is off. `most_bytes`: what the host has room for."""
        if not self.cache.is_on:
            return None
        room = self.cache.max_bytes if most_bytes is None else min(most_bytes, self.cache.max_bytes)
        return Answers(clock, lambda route: self.catalogue.by_id[route].model, room)

    def mediator_config(self, hasher: Hasher) -> MediatorConfig:
        """What the mediator has to know of it."""
        return MediatorConfig(
            catalogue=self.catalogue,
            catalogue_hash=catalogue_hash(hasher, self.catalogue),
            configured=self.configured,
            caps=self.caps,
            default_cap=self.default_cap,
            limits=self.tenant_limits or None,
            default_limits=self.default_limits,
            frozen_estimates=self.frozen_estimates,
            canon=self.canon,
            retention=self.retention,
            pool_capacities=self.pool_capacities,
        )


def read_configuration(given: Mapping[str, str], simulator_url: str | None = None) -> Configuration:
    """The configuration that the given names and values make. An error's `param` is the setting that is wrong.

    Args: given: settings by name; absent or empty = default. simulator_url: where this host finds the simulator, None
    = where the catalogue says.
    Raises: SettingsError or CatalogueError naming the setting.
    """
    values = {setting.name: given.get(setting.name) or setting.default for setting in SETTINGS}
    source = _catalogue(values["HARPOON_CATALOGUE_JSON"], values)
    values |= {name: given.get(name, "") for name in names_of(source) if name not in values}
    access = read_access(values, source, simulator_url)
    default_cap, caps = per_tenant("HARPOON_BUDGET_USD", values["HARPOON_BUDGET_USD"], parse_usd)
    default_limits, tenant_limits = limits_from_settings(values)
    admin = admin_digest(values["HARPOON_ADMIN_TOKEN"])
    stored_keys = choice_setting(values, "HARPOON_STORED_KEYS", ("auto", "on", "off"))
    catalogue = compile_catalogue(_in_force(source, access))
    return Configuration(
        tokens=tuple(token.strip() for token in values["HARPOON_TOKENS"].split(",") if token.strip()),
        open_access=choice_setting(values, "HARPOON_OPEN", ("0", "1")) == "1",
        default_cap=default_cap,
        caps=caps,
        catalogue=catalogue,
        pool_capacities=pool_capacities(values["HARPOON_POOL_CAPACITY"], catalogue),
        access=access,
        frozen_estimates=choice_setting(values, "HARPOON_ESTIMATES", ("observed", "catalogue")) == "catalogue",
        admin_digest=admin,
        stored_keys=stored_keys == "on" or (stored_keys == "auto" and bool(admin)),
        default_limits=default_limits,
        tenant_limits=tenant_limits,
        correction=_correction(values["HARPOON_CORRECTION_JSON"]),
        canon=canon_settings(values),
        guard=_guard(values),
        telemetry=_telemetry(values),
        signing_seed=signing_seed(values),
        retention=retention(values),
        log_requests=choice_setting(values, "HARPOON_LOG_REQUESTS", LOG_REQUESTS_MODES),
        cache=_cache(values),
        sessions=sessions_settings(values),
        limits=_limits(values),
    )


def _limits(values: Mapping[str, str]) -> Limits:
    return Limits(
        json=JsonLimits(
            max_bytes=whole_setting(values, "HARPOON_MAX_BODY_BYTES", 1, 100 * 1024 * 1024),
            max_members=whole_setting(values, "HARPOON_MAX_BODY_MEMBERS", 1, 100_000_000),
        ),
        request_us=whole_setting(values, "HARPOON_REQUEST_TIMEOUT_S", 1, 86_400) * 1_000_000,
        attempts=AttemptLimits(
            max_retries=whole_setting(values, "HARPOON_MAX_RETRIES", 0, 5),
            max_fallbacks=whole_setting(values, "HARPOON_MAX_FALLBACKS", 0, 16),
            first_byte_us=whole_setting(values, "HARPOON_FIRST_BYTE_TIMEOUT_S", 1, 86_400) * 1_000_000,
            max_retry_after_us=whole_setting(values, "HARPOON_MAX_RETRY_AFTER_S", 0, 60) * 1_000_000,
        ),
        keep_alive_us=whole_setting(values, "HARPOON_KEEP_ALIVE_S", 0, 3_600) * 1_000_000,
        live_poll_us=whole_setting(values, "HARPOON_LIVE_POLL_MS", 10, 60_000) * 1_000,
        live_limit_us=whole_setting(values, "HARPOON_LIVE_LIMIT_S", 1, 86_400) * 1_000_000,
        live_connections=whole_setting(values, "HARPOON_LIVE_CONNECTIONS", 0, 10_000),
    )


def _guard(values: Mapping[str, str]) -> GuardSettings:
    return GuardSettings(
        redact=choice_setting(values, "HARPOON_REDACT", REDACT_MODES),
        injection=choice_setting(values, "HARPOON_GUARD_INJECTION", INJECTION_MODES),
        personal_data=choice_setting(values, "HARPOON_GUARD_PII", PERSONAL_DATA_MODES),
        max_characters=whole_setting(values, "HARPOON_GUARD_MAX_CHARACTERS", 1, 100_000_000),
    )


def _telemetry(values: Mapping[str, str]) -> Telemetry:
    """What is observed, without the observer, which is the host's."""
    return Telemetry(
        trace=choice_setting(values, "HARPOON_TRACE", TRACE_MODES),
        to_providers=choice_setting(values, "HARPOON_TRACE_PROVIDERS", ("on", "off")) == "on",
    )


def _cache(values: Mapping[str, str]) -> CacheSettings:
    return CacheSettings(
        mode=choice_setting(values, "HARPOON_CACHE", CACHE_MODES),
        ttl_us=whole_setting(values, "HARPOON_CACHE_TTL_S", 1, MAX_CACHE_TTL_S) * 1_000_000,
        max_bytes=whole_setting(values, "HARPOON_CACHE_MAX_BYTES", 64 * 1024, 64 * 1024 * MEBIBYTE),
        max_entry_bytes=whole_setting(values, "HARPOON_CACHE_MAX_ENTRY_BYTES", 1, 16 * MEBIBYTE),
    )


def _correction(text: str) -> Correction | None:
    name = "HARPOON_CORRECTION_JSON"
    try:
        return correction_from_plain(parse_json(text.encode())) if text else None
    except HarpoonError as problem:
        raise SettingsError(f"{name}: {problem.message}", param=name) from problem
    except CorrectionError as problem:
        raise SettingsError(f"{name}: {problem}", param=name) from problem


def _catalogue(text: str, values: Mapping[str, str]) -> Catalogue:
    catalogue = DEFAULT_CATALOGUE
    try:
        if text:
            catalogue = parse_catalogue(parse_json(text.encode()))
            compile_catalogue(catalogue)
        adapted = adapt_catalogue(catalogue, values)
        compile_catalogue(adapted)
    except SettingsError:
        raise
    except HarpoonError as problem:
        name = "HARPOON_CATALOGUE_JSON"
        raise SettingsError(f"the catalogue can't be used: {problem.message}", param=name) from problem
    return adapted


def _in_force(source: Catalogue, access: Mapping[str, ProviderAccess]) -> Catalogue:
    """The catalogue without a simulator that is off: a stand-in is no candidate where the real thing serves."""
    off = {provider.id for provider in source.providers if provider.simulated and provider.id not in access}
    return replace(
        source,
        providers=tuple(provider for provider in source.providers if provider.id not in off),
        offers=tuple(offer for offer in source.offers if offer.provider not in off),
    )
