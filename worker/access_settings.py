"""Which providers the settings reach, and how: directly or through Cloudflare AI Gateway, with which key.

A provider is configured by its key where it has a public address, else by its base URL, or by its way through the
gateway, where a key may be stored already. The names of a provider's settings follow from its id, so that a provider
of the operator's own catalogue has settings too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from worker.catalogue_settings import choice_setting, whole_setting
from worker.errors import HarpoonError, SettingsError
from worker.routing.catalogue import Catalogue, Provider, parse_catalogue
from worker.routing.deployments import DEPLOYMENTS, HOSTED_AI, SIMULATOR, provider_of_deployment
from worker.strict_json import parse_json
from worker.upstream.ai_gateway import DIRECT, gateway_of, read_via
from worker.upstream.providers import ProviderAccess, build_access, setting_prefix

#: Ends of the names of a provider's settings: its address, its key, how it is reached.
OF_A_PROVIDER: Final = ("BASE_URL", "API_KEY", "VIA")
WORKERS_AI: Final = "workers-ai"
WORKERS_AI_BASE_URL: Final = "https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1"
#: What HARPOON_AI_GATEWAY may say, and the way it means for every provider that the gateway lists and we have a key of.
_WAYS: Final = {"off": DIRECT, "provider": "gateway", "compat": "compat"}


def names_in_catalogue(text: str) -> tuple[str, ...]:
    """The names of settings that the providers of a catalogue (JSON) have; none if it can't be read."""
    try:
        source = parse_catalogue(parse_json(text.encode())) if text else None
    except (HarpoonError, UnicodeEncodeError):
        source = None
    return names_of(source) if source is not None else ()


def names_of(source: Catalogue) -> tuple[str, ...]:
    """The names of settings that a catalogue's providers have."""
    return tuple(f"{setting_prefix(one.id)}_{end}" for one in source.providers for end in OF_A_PROVIDER)


def read_access(
    values: Mapping[str, str], source: Catalogue, simulator_url: str | None = None
) -> dict[str, ProviderAccess]:
    """How each configured provider is called, by id. Raises: SettingsError, its `param` the setting."""
    simulator = choice_setting(values, "HARPOON_SIMULATOR", ("auto", "off", "on"))
    way_of_all = _WAYS[choice_setting(values, "HARPOON_AI_GATEWAY", tuple(_WAYS))]
    gateway = gateway_of(
        values["CLOUDFLARE_ACCOUNT_ID"],
        values["AI_GATEWAY_ID"],
        values["AI_GATEWAY_TOKEN"],
        values["AI_GATEWAY_BASE_URL"],
    )
    mode = _mode(values, source, simulator)
    base_urls: dict[str, str] = {}
    keys: dict[str, str] = {}
    ways: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for provider in source.providers:
        prefix = setting_prefix(provider.id)
        if prefix in taken:
            raise SettingsError(
                f"two providers of the catalogue have settings that begin with {prefix}_",
                param="HARPOON_CATALOGUE_JSON",
            )
        taken.add(prefix)
        if provider.id == SIMULATOR or mode not in (None, provider.id):
            continue
        base_url, keys[provider.id] = _address(values, provider), values.get(f"{prefix}_API_KEY", "")
        way = _way(values, provider, way_of_all, bool(keys[provider.id]))
        if way[0] != DIRECT:
            ways[provider.id] = way
        elif values.get(f"{prefix}_BASE_URL") or (keys[provider.id] and base_url):
            base_urls[provider.id] = base_url
    if simulator == "on" or mode == SIMULATOR or (simulator == "auto" and not base_urls and not ways):
        for provider in source.providers:
            if provider.simulated:
                base_urls[provider.id] = simulator_url or provider.default_base_url
    return _patient(build_access(source, base_urls, keys, ways, gateway), values)


def _patient(access: dict[str, ProviderAccess], values: Mapping[str, str]) -> dict[str, ProviderAccess]:
    silence_us = whole_setting(values, "HOSTED_AI_TIMEOUT_S", 1, 3_600) * 1_000_000
    if HOSTED_AI in access:
        access[HOSTED_AI] = replace(access[HOSTED_AI], silence_timeout_us=silence_us)
    return access


def _address(values: Mapping[str, str], provider: Provider) -> str:
    """Where a provider is: as set, where the catalogue says, or, of Workers AI, under the account."""
    given = values.get(f"{setting_prefix(provider.id)}_BASE_URL") or provider.default_base_url
    if not given and provider.id == WORKERS_AI and values["CLOUDFLARE_ACCOUNT_ID"]:
        return WORKERS_AI_BASE_URL.format(account=values["CLOUDFLARE_ACCOUNT_ID"])
    return given


def _way(values: Mapping[str, str], provider: Provider, way_of_all: str, has_key: bool) -> tuple[str, str]:
    """How a provider is reached, and its path at the gateway: its own setting, else the one for all. SettingsError."""
    prefix = setting_prefix(provider.id)
    name, has_address = f"{prefix}_VIA", bool(values.get(f"{prefix}_BASE_URL"))
    if values.get(name):
        way = read_via(values[name], provider.id, name)
        if way[0] != DIRECT and has_address:
            raise SettingsError(f"{name} and {prefix}_BASE_URL exclude each other: leave one of them out", param=name)
        return way
    if way_of_all == DIRECT or not has_key or has_address:
        return DIRECT, ""
    try:
        return read_via(way_of_all, provider.id, name)
    except SettingsError:
        return DIRECT, ""  # the gateway doesn't list it


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
