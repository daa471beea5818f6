"""Every name an operator may set on either host, with what it does and what holds without it.

How the values are read is `worker/configuration.py`'s; which further names a host has is the host's.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    Setting("HARPOON_CORRECTION_JSON", "a correction of the classifier, as JSON text (`harpoon learn` writes it)"),
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
    Setting("HARPOON_LOG_REQUESTS", "a line in the log for each request: on, off, or auto = at level info", "auto"),
    Setting("HARPOON_TRACE", "W3C traces: always, off, or auto = those that callers name or that are recorded", "auto"),
    Setting("HARPOON_TRACE_PROVIDERS", "whether providers are told which trace a request belongs to: on or off", "on"),
    Setting("HARPOON_CACHE", "kept answers: off, ask = for requests with cf-aig-cache-ttl or -key, or on", "off"),
    Setting("HARPOON_CACHE_TTL_S", "how long an answer is kept if its request doesn't say, in seconds", "300"),
    Setting("HARPOON_CACHE_MAX_BYTES", "most memory for kept answers, in bytes, per process", str(32 * 1024 * 1024)),
    Setting("HARPOON_CACHE_MAX_ENTRY_BYTES", "largest answer that is kept, in bytes", str(256 * 1024)),
    Setting("LEDGER_SIGNING_KEY", "64 hexadecimal digits: the Ed25519 key that signs ledger checkpoints", secret=True),
    Setting("LEDGER_EVIDENCE_RETENTION_DAYS", "decision records are dropped after so many days; 0 = never", "0"),
    Setting("LEDGER_RETENTION_EVENTS", "on = session.completed events too, once they are in the spool", "off"),
    Setting("HARPOON_SURFACES", "all, or sessions = nothing but the sessions API, its dashboard and health", "all"),
    Setting("SCR_API_KEY", "what services send to report sessions, at least 16 characters", secret=True),
    Setting("SCR_TENANT", "whose the sessions are that are reported with SCR_API_KEY or a public key", "default"),
    Setting("SCR_PUBLIC_KEYS", "keys for pages, which can only report, separated by commas", secret=True),
    Setting("SCR_ALLOWED_ORIGINS", "pages that may report: https://app.example.com,..."),
    Setting("SCR_SPOOL_MAX_EVENTS", "events that may wait for the slowest destination; beyond it a 429", "1000000"),
    Setting("SCR_PARTITIONS", "at the edge: how many objects share the spool, 1 to 64; never fewer than before", "1"),
    Setting("SCR_DURABILITY", "what a reported session survives: process = kill -9, power = its loss too", "process"),
    Setting("SCR_DESTINATIONS", "which destinations of the routes are on: billing,analytics,...; unset = all"),
    Setting("SCR_ROUTES", "the file with the routes, such as routes.yaml; read again when it changes"),
    Setting("SCR_ROUTES_JSON", "the routes as JSON text, for hosts without files"),
    Setting("SCR_RETENTION_DAYS", "delivered sessions are dropped from the spool after so many days; 0 = never", "30"),
    Setting("SCR_DASHBOARD_USER", "who logs in to the dashboard"),
    Setting("SCR_DASHBOARD_PASSWORD", "with which password, at least 12 characters", secret=True),
    Setting("HARPOON_CANON_MAX_ITEMS", "most items of a tenant's canon", "500"),
    Setting("HARPOON_CANON_MAX_CANDIDATES", "most candidates of one call to /api/canon/decide", "200"),
    Setting("HARPOON_POOL_CAPACITY", "requests a provider's pool serves at full speed: provider@pool=4,..."),
    Setting("HARPOON_INTERFERENCE_EPS_US", "how much later any agent's action may make another agent", "0"),
    Setting("HARPOON_IDEMPOTENCY_KEPT", "answers kept for idempotency keys, per tenant; 0 = keys do nothing", "1000"),
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
