"""What an operator may set, from plain names and values: the same on both hosts, checked before anything runs.

A host hands over its environment as a mapping; nothing here looks anything up by itself. Secrets stay out of reprs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from worker.admitting import MediatorConfig, catalogue_hash
from worker.api.auth import Keyring, tenant_of
from worker.catalogue_settings import adapt_catalogue, choice_setting, whole_setting
from worker.errors import HarpoonError, SettingsError
from worker.money import parse_usd
from worker.ports import Hasher
from worker.routing.catalogue import Catalogue, CompiledCatalogue, compile_catalogue, parse_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.routing.deployments import DEPLOYMENTS, HOSTED_AI, SIMULATOR, provider_of_deployment
from worker.services import Limits
from worker.strict_json import JsonLimits, parse_json
from worker.upstream.attempts import AttemptLimits
from worker.upstream.providers import ProviderAccess, build_access, setting_prefix


@dataclass(frozen=True, slots=True)
class Setting:
    """One name an operator may set: what it does, and what holds if it isn't set.

    `later`: why it is accepted though nothing reads it yet; empty = it is in force.
    """

    name: str
    help: str
    default: str = ""
    secret: bool = False
    later: str = ""


SETTINGS = (
    Setting("HARPOON_TOKENS", "tokens of the form hk_<tenant>_<secret>, separated by commas", secret=True),
    Setting("HARPOON_OPEN", "1 = serve without a token when none is set (only where nobody else can connect)", "0"),
    Setting("HARPOON_BUDGET_USD", "lifetime budget: an amount for every tenant, or tenant=amount,..."),
    Setting("HARPOON_CATALOGUE_JSON", "a catalogue of your own, as JSON text (see `harpoon catalogue`)"),
    Setting("HARPOON_SIMULATOR", "on, off, or auto = only while no real provider is configured", "auto"),
    Setting("DEPLOYMENT_MODE", "native, hosted_ai or lightweight: only that provider; unset = all that are configured"),
    Setting(
        "HARPOON_ESTIMATES", "observed, or catalogue = never learn, equal requests get equal decisions", "observed"
    ),
    Setting("HARPOON_REQUEST_TIMEOUT_S", "longest time of one request, in seconds", "300"),
    Setting("HARPOON_MAX_BODY_BYTES", "largest request body, in bytes", str(10 * 1024 * 1024)),
    Setting("HARPOON_MAX_BODY_MEMBERS", "most commas and colons of a request body's JSON, outside strings", "100000"),
    Setting("HARPOON_MAX_RETRIES", "how often a request that never arrived is sent again", "1"),
    Setting("HARPOON_MAX_FALLBACKS", "how many further routes are tried", "1"),
    Setting("HARPOON_LIVE_POLL_MS", "how often a live feed looks for news, in milliseconds", "50"),
    Setting("HARPOON_LIVE_LIMIT_S", "longest connection of a live feed, in seconds", "300"),
    Setting("HARPOON_LIVE_CONNECTIONS", "most live feeds at a time, for each process", "32"),
    Setting("HOSTED_AI_BASE_URL", "an OpenAI-compatible server on your hosted.ai pods; an empty path stands for /v1"),
    Setting("HOSTED_AI_API_KEY", "its key", secret=True),
    Setting("HOSTED_AI_POOL_ID", "the pool that server is: only its routes exist; unset = every pool of the catalogue"),
    Setting("HOSTED_AI_OVERCOMMIT", "most workloads on one GPU that you accept: a number, true = any, false = 1"),
    Setting("HOSTED_AI_TIMEOUT_S", "longest silence of that server before an attempt counts as failed", "120"),
    Setting("NATIVE_BASE_URL", "an OpenAI-compatible server of your own: mlx_lm, vLLM, Ollama"),
    Setting("NATIVE_API_KEY", "its key", secret=True),
    Setting("NATIVE_MODELS", "the models it serves, by id or label, such as qwen; unset = all that the catalogue says"),
    Setting("NATIVE_ATTESTS", "requirements of covenants that it fulfils, such as local_only,no_logging"),
    Setting("NATIVE_REGIONS", "where it stands, such as DE"),
    Setting("GROQ_API_KEY", "Groq", secret=True),
    Setting("GROQ_BASE_URL", "another address for Groq"),
    Setting("OPENAI_API_KEY", "OpenAI", secret=True),
    Setting("OPENAI_BASE_URL", "another address for OpenAI, or any OpenAI-compatible server"),
    Setting("WORKERS_AI_API_KEY", "Workers AI", secret=True),
    Setting("WORKERS_AI_BASE_URL", "https://api.cloudflare.com/client/v4/accounts/<account>/ai/v1"),
    Setting("HARPOON_GEMMA_REPO", "what a native server calls the model of the label gemma; names the label too"),
    Setting("HARPOON_GEMMA_CONTEXT_LIMIT", "most tokens of input and output together, where gemma is asked for"),
    Setting("HARPOON_GEMMA_TEMPERATURE", "sent where gemma is asked for and the client set none"),
    Setting("HARPOON_GEMMA_TOP_P", "likewise"),
    Setting("HARPOON_GEMMA_MAX_NEW_TOKENS", "most tokens of output, likewise"),
    Setting("HARPOON_GEMMA_ENABLE_THINKING", "true or false, likewise"),
    Setting("HARPOON_QWEN_REPO", "what a native server calls the model of the label qwen; names the label too"),
    Setting("HARPOON_QWEN_CONTEXT_LIMIT", "most tokens of input and output together, where qwen is asked for"),
    Setting("HARPOON_QWEN_TEMPERATURE", "sent where qwen is asked for and the client set none"),
    Setting("HARPOON_QWEN_TOP_P", "likewise"),
    Setting("HARPOON_QWEN_MAX_NEW_TOKENS", "most tokens of output, likewise"),
    Setting("HARPOON_QWEN_ENABLE_THINKING", "true or false, likewise"),
)


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

    @property
    def configured(self) -> frozenset[str]:
        """The providers that can be called."""
        return frozenset(self.access)

    def keyring(self) -> Keyring:
        """Raises: SettingsError for a token of another form."""
        return Keyring.from_tokens(self.tokens, open_access=self.open_access)

    def mediator_config(self, hasher: Hasher) -> MediatorConfig:
        """What the mediator has to know of it."""
        return MediatorConfig(
            catalogue=self.catalogue,
            catalogue_hash=catalogue_hash(hasher, self.catalogue),
            configured=self.configured,
            caps=self.caps,
            default_cap=self.default_cap,
            frozen_estimates=self.frozen_estimates,
        )


def read_configuration(given: Mapping[str, str], simulator_url: str | None = None) -> Configuration:
    """The configuration that the given names and values make. An error's `param` is the setting that is wrong.

    Args: given: settings by name; absent or empty = default. simulator_url: where this host finds the simulator, None
    = where the catalogue says.
    Raises: SettingsError or CatalogueError naming the setting.
    """
    values = {setting.name: given.get(setting.name) or setting.default for setting in SETTINGS}
    source = _catalogue(values["HARPOON_CATALOGUE_JSON"], values)
    access = _access(values, source, simulator_url)
    default_cap, caps = _budgets(values["HARPOON_BUDGET_USD"])
    estimates = choice_setting(values, "HARPOON_ESTIMATES", ("observed", "catalogue"))
    return Configuration(
        tokens=tuple(token.strip() for token in values["HARPOON_TOKENS"].split(",") if token.strip()),
        open_access=choice_setting(values, "HARPOON_OPEN", ("0", "1")) == "1",
        default_cap=default_cap,
        caps=caps,
        catalogue=compile_catalogue(_in_force(source, access)),
        access=access,
        frozen_estimates=estimates == "catalogue",
        limits=Limits(
            json=JsonLimits(
                max_bytes=whole_setting(values, "HARPOON_MAX_BODY_BYTES", 1, 100 * 1024 * 1024),
                max_members=whole_setting(values, "HARPOON_MAX_BODY_MEMBERS", 1, 100_000_000),
            ),
            request_us=whole_setting(values, "HARPOON_REQUEST_TIMEOUT_S", 1, 86_400) * 1_000_000,
            attempts=AttemptLimits(
                max_retries=whole_setting(values, "HARPOON_MAX_RETRIES", 0, 5),
                max_fallbacks=whole_setting(values, "HARPOON_MAX_FALLBACKS", 0, 16),
            ),
            live_poll_us=whole_setting(values, "HARPOON_LIVE_POLL_MS", 10, 60_000) * 1_000,
            live_limit_us=whole_setting(values, "HARPOON_LIVE_LIMIT_S", 1, 86_400) * 1_000_000,
            live_connections=whole_setting(values, "HARPOON_LIVE_CONNECTIONS", 0, 10_000),
        ),
    )


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


def _budgets(text: str) -> tuple[int | None, dict[str, int]]:
    default: int | None = None
    caps: dict[str, int] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        tenant, equals, amount = (piece.strip() for piece in part.partition("="))
        try:
            if not equals:
                if default is not None:
                    raise ValueError("there is more than one amount for every tenant")
                default = parse_usd(part)
            # A limit for a tenant that can't exist would limit nobody.
            elif tenant in caps or tenant_of(f"hk_{tenant}_secret") != tenant:
                raise ValueError(f"{tenant!r} is there twice or is no tenant's name (a-z, 0-9, -)")
            else:
                caps[tenant] = parse_usd(amount)
        except ValueError as problem:
            raise SettingsError(f"HARPOON_BUDGET_USD: {problem}", param="HARPOON_BUDGET_USD") from problem
    return default, caps


def _access(values: Mapping[str, str], source: Catalogue, simulator_url: str | None) -> dict[str, ProviderAccess]:
    """A provider is configured by its key where it has a public address, else by its base URL."""
    simulator = choice_setting(values, "HARPOON_SIMULATOR", ("auto", "off", "on"))
    mode = _mode(values, source, simulator)
    base_urls: dict[str, str] = {}
    keys: dict[str, str] = {}
    for provider in source.providers:
        if provider.id == SIMULATOR or mode not in (None, provider.id):
            continue
        prefix = setting_prefix(provider.id)
        base_url, key = values.get(f"{prefix}_BASE_URL", ""), values.get(f"{prefix}_API_KEY", "")
        if base_url or (key and provider.default_base_url):
            base_urls[provider.id] = base_url or provider.default_base_url
            keys[provider.id] = key
    if simulator == "on" or mode == SIMULATOR or (simulator == "auto" and not base_urls):
        for provider in source.providers:
            if provider.simulated:
                base_urls[provider.id] = simulator_url or provider.default_base_url
    access = build_access(source, base_urls, keys)
    silence_us = whole_setting(values, "HOSTED_AI_TIMEOUT_S", 1, 3_600) * 1_000_000
    if HOSTED_AI in access:
        access[HOSTED_AI] = replace(access[HOSTED_AI], silence_timeout_us=silence_us)
    return access


def _mode(values: Mapping[str, str], source: Catalogue, simulator: str) -> str | None:
    """The only provider that may serve, None = any. Raises: SettingsError."""
    name = values["DEPLOYMENT_MODE"]
    mode = provider_of_deployment(name) if name else None
    if name and mode is None:
        raise SettingsError(f"DEPLOYMENT_MODE must be one of {DEPLOYMENTS}", param="DEPLOYMENT_MODE")
    if mode not in (None, SIMULATOR) and all(provider.id != mode for provider in source.providers):
        raise SettingsError(f"DEPLOYMENT_MODE: the catalogue has no provider {mode!r}", param="DEPLOYMENT_MODE")
    if mode == SIMULATOR and simulator == "off":
        raise SettingsError(
            "DEPLOYMENT_MODE lightweight is the simulator, and HARPOON_SIMULATOR is off", param="DEPLOYMENT_MODE"
        )
    return mode
