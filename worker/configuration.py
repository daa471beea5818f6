"""What an operator may set, from plain names and values: the same on both hosts, checked before anything runs.

A host hands over its environment as a mapping; nothing here looks anything up by itself. Secrets stay out of reprs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from worker.access_settings import names_of, read_access
from worker.admitting import MediatorConfig, catalogue_hash
from worker.api.auth import Keyring, admin_digest
from worker.catalogue_settings import adapt_catalogue, choice_setting, whole_setting
from worker.errors import HarpoonError, SettingsError
from worker.guard.guarding import INJECTION_MODES, PERSONAL_DATA_MODES, REDACT_MODES, GuardSettings
from worker.money import parse_usd
from worker.ports import Hasher
from worker.routing.catalogue import Catalogue, CompiledCatalogue, compile_catalogue, parse_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.services import Limits
from worker.strict_json import JsonLimits, parse_json
from worker.tenants.limit_settings import limits_from_settings, per_tenant
from worker.tenants.limits import NO_LIMITS, LimitSet
from worker.upstream.attempts import AttemptLimits
from worker.upstream.providers import ProviderAccess


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
    Setting(
        "HARPOON_ADMIN_TOKEN", "hk_admin_<secret>: opens /admin and lets stored keys in; unset = neither", secret=True
    ),
    Setting("HARPOON_STORED_KEYS", "keys made by `harpoon keys` are let in: on, off, or auto = with /admin", "auto"),
    Setting("HARPOON_BUDGET_USD", "lifetime budget: an amount for every tenant, or tenant=amount,..."),
    Setting("HARPOON_LIMIT_REQUESTS_PER_MINUTE", "a number for every tenant, or tenant=number,...; unset = no limit"),
    Setting("HARPOON_LIMIT_TOKENS_PER_MINUTE", "likewise: tokens of input and output"),
    Setting("HARPOON_LIMIT_CONCURRENT_REQUESTS", "likewise: requests at a time"),
    Setting("HARPOON_LIMIT_USD_PER_REQUEST", "the most a request may cost, for every tenant, or tenant=amount,..."),
    Setting("HARPOON_LIMIT_USD_PER_HOUR", "likewise: a budget for each hour (UTC)"),
    Setting("HARPOON_LIMIT_USD_PER_DAY", "likewise, for each day"),
    Setting("HARPOON_LIMIT_USD_PER_MONTH", "likewise, for each month"),
    Setting("HARPOON_LIMIT_USD_PER_USER_PER_DAY", "likewise, for each day of each user named by x-user-id"),
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
    Setting("HARPOON_MAX_RETRY_AFTER_S", "longest retry-after of a provider that is waited for, in seconds", "5"),
    Setting("HARPOON_FIRST_BYTE_TIMEOUT_S", "longest wait for a plain answer or a stream's first event, in s", "120"),
    Setting("HARPOON_KEEP_ALIVE_S", "a silent stream's client gets a comment after so many seconds; 0 = never", "15"),
    Setting("HARPOON_REDACT", "personal data in prompts: off, policy = a covenant asks for it, or always", "policy"),
    Setting("HARPOON_GUARD_INJECTION", "a prompt that reads like an attack on instructions: off, flag or deny", "off"),
    Setting("HARPOON_GUARD_PII", "a prompt with personal data or a secret in it: off, flag, redact or deny", "off"),
    Setting("HARPOON_GUARD_MAX_CHARACTERS", "most text of a request that is looked through for those", "200000"),
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
    Setting("WORKERS_AI_BASE_URL", "another address for Workers AI than the one with CLOUDFLARE_ACCOUNT_ID in it"),
    Setting("OPENROUTER_API_KEY", "OpenRouter", secret=True),
    Setting("OPENROUTER_BASE_URL", "another address for OpenRouter"),
    Setting("CLOUDFLARE_ACCOUNT_ID", "the Cloudflare account of Workers AI and AI Gateway"),
    Setting("AI_GATEWAY_ID", "the name of your AI Gateway"),
    Setting("AI_GATEWAY_TOKEN", "its token", secret=True),
    Setting("AI_GATEWAY_BASE_URL", "another address for AI Gateway, up to /v1"),
    Setting(
        "HARPOON_AI_GATEWAY",
        "off, provider or compat: how providers with a key that AI Gateway lists are reached",
        "off",
    ),
    Setting("HOSTED_AI_VIA", "direct, or gateway:custom-<slug>/v1 = a custom provider of AI Gateway"),
    Setting("GROQ_VIA", "direct, gateway or compat; through AI Gateway the key may be stored there"),
    Setting("OPENAI_VIA", "likewise"),
    Setting("WORKERS_AI_VIA", "likewise"),
    Setting("OPENROUTER_VIA", "likewise"),
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
    admin_digest: str = field(default="", repr=False)
    stored_keys: bool = False
    default_limits: LimitSet = NO_LIMITS
    tenant_limits: dict[str, LimitSet] = field(default_factory=dict)
    guard: GuardSettings = field(default_factory=GuardSettings)

    @property
    def configured(self) -> frozenset[str]:
        """The providers that can be called."""
        return frozenset(self.access)

    def keyring(self) -> Keyring:
        """Raises: SettingsError for a token of another form."""
        return Keyring.from_tokens(self.tokens, open_access=self.open_access, stored_keys=self.stored_keys)

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
    estimates = choice_setting(values, "HARPOON_ESTIMATES", ("observed", "catalogue"))
    return Configuration(
        tokens=tuple(token.strip() for token in values["HARPOON_TOKENS"].split(",") if token.strip()),
        open_access=choice_setting(values, "HARPOON_OPEN", ("0", "1")) == "1",
        default_cap=default_cap,
        caps=caps,
        catalogue=compile_catalogue(_in_force(source, access)),
        access=access,
        frozen_estimates=estimates == "catalogue",
        admin_digest=admin,
        stored_keys=stored_keys == "on" or (stored_keys == "auto" and bool(admin)),
        default_limits=default_limits,
        tenant_limits=tenant_limits,
        guard=GuardSettings(
            redact=choice_setting(values, "HARPOON_REDACT", REDACT_MODES),
            injection=choice_setting(values, "HARPOON_GUARD_INJECTION", INJECTION_MODES),
            personal_data=choice_setting(values, "HARPOON_GUARD_PII", PERSONAL_DATA_MODES),
            max_characters=whole_setting(values, "HARPOON_GUARD_MAX_CHARACTERS", 1, 100_000_000),
        ),
        limits=Limits(
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
