"""The keys of the configuration file, and the setting each of them writes."""

from __future__ import annotations

from typing import Final

from worker.catalogue_settings import LABEL_SETTINGS

#: Under this key, as at the top, settings stand by their own names.
SETTINGS_SECTION: Final = "settings"
#: Keys of a label, and the end of their settings' names.
_OF_A_LABEL: Final = {
    "repo": "REPO",
    "context_limit": "CONTEXT_LIMIT",
    "temperature": "TEMPERATURE",
    "top_p": "TOP_P",
    "max_new_tokens": "MAX_NEW_TOKENS",
    "enable_thinking": "ENABLE_THINKING",
}
#: Keys of a provider, and the end of their settings' names.
_OF_A_PROVIDER: Final = {"base_url": "BASE_URL", "api_key": "API_KEY"}
#: Section of each provider of the catalogue, and the beginning of its settings' names.
PROVIDER_SECTIONS: Final = {
    "hosted_ai": "HOSTED_AI",
    "native": "NATIVE",
    "groq": "GROQ",
    "openai": "OPENAI",
    "openrouter": "OPENROUTER",
    "workers_ai": "WORKERS_AI",
}
#: Dotted key to setting.
KEYS: Final = {
    **{
        f"models.{label}.{key}": prefix + ending
        for label, prefix in LABEL_SETTINGS.items()
        for key, ending in _OF_A_LABEL.items()
    },
    "harpoon.hygiene_threshold": "HARPOON_HYGIENE_THRESHOLD",
    "harpoon.max_iterations": "HARPOON_MAX_ITERATIONS",
    "harpoon.thread_count": "HARPOON_THREAD_COUNT",
    **{
        f"{section}.{key}": f"{prefix}_{ending}"
        for section, prefix in PROVIDER_SECTIONS.items()
        for key, ending in _OF_A_PROVIDER.items()
    },
    "hosted_ai.pool": "HOSTED_AI_POOL_ID",
    "hosted_ai.overcommit": "HOSTED_AI_OVERCOMMIT",
    "hosted_ai.timeout_secs": "HOSTED_AI_TIMEOUT_S",
    "hosted_ai.max_retries": "HOSTED_AI_MAX_RETRIES",
    "native.models": "NATIVE_MODELS",
    "native.attests": "NATIVE_ATTESTS",
    "native.regions": "NATIVE_REGIONS",
    "service.host": "SERVICE_HOST",
    "service.port": "SERVICE_PORT",
    "service.log_level": "SERVICE_LOG_LEVEL",
}
#: Keys that may say `null`: it means what leaving them out means.
NULLABLE: Final = frozenset({"harpoon.thread_count"})
SECTIONS: Final = frozenset(
    [
        SETTINGS_SECTION,
        "models",
        "harpoon",
        "service",
        *PROVIDER_SECTIONS,
        *(f"models.{name}" for name in LABEL_SETTINGS),
    ]
)


def keys_of(section: str) -> list[str]:
    """The keys that may stand in a section ("" = the top of the file), apart from settings' own names."""
    start = f"{section}." if section else ""
    found = [key for key in [*SECTIONS, *KEYS] if key.startswith(start) and key != section]
    return sorted({key[len(start) :].split(".")[0] for key in found})
