"""How a provider is reached: base URL and key, kept apart from what its models can do. A key never shows in a repr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from worker.errors import SettingsError
from worker.routing.catalogue import Catalogue

USER_AGENT = b"harpoon/0.1"
POOL_HEADER = b"x-harpoon-pool"
SIMULATED_HEADER = "x-harpoon-simulated"


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """Where one provider's chat completions are, and the headers that open them, by pool where the provider asks.

    `silence_timeout_us`: how long it may say nothing, 0 = as long as any.
    """

    provider: str
    chat_url: httpx.URL
    headers: httpx.Headers = field(repr=False)
    headers_by_pool: Mapping[str, httpx.Headers] = field(repr=False, default_factory=dict)
    silence_timeout_us: int = 0

    @property
    def models_url(self) -> httpx.URL:
        """Where it lists its models: beside the chat completions."""
        return self.chat_url.copy_with(path=self.chat_url.path.removesuffix("/chat/completions") + "/models")

    def headers_for(self, pool: str) -> httpx.Headers:
        """The headers of a request to a route on `pool`; not to be changed."""
        return self.headers_by_pool.get(pool, self.headers)


def chat_url(base_url: str, setting: str | None = None) -> httpx.URL:
    """`base_url` + /chat/completions; an empty path stands for /v1. Raises: SettingsError if it is no http(s) URL."""
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL as problem:
        raise SettingsError("a provider's base URL is not a URL", param=setting) from problem
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError("a provider's base URL must begin with https:// or http:// and name a host", param=setting)
    path = url.path.rstrip("/") or "/v1"
    return url.copy_with(path=f"{path}/chat/completions", fragment=None)


_UPPER = {
    ord(lower): ord(upper)
    for lower, upper in zip("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", strict=True)
}


def setting_prefix(provider: str) -> str:
    """What the names of a provider's settings begin with: `HOSTED_AI` for `hosted-ai`."""
    return provider.replace("-", "_").translate(_UPPER)


def build_access(
    catalogue: Catalogue, base_urls: Mapping[str, str], api_keys: Mapping[str, str]
) -> dict[str, ProviderAccess]:
    """Access to every provider that has a base URL, by provider id. Raises: SettingsError, its `param` the setting."""
    access: dict[str, ProviderAccess] = {}
    for provider in catalogue.providers:
        base_url = base_urls.get(provider.id)
        if not base_url:
            continue
        prefix = setting_prefix(provider.id)
        headers = [
            (b"content-type", b"application/json"),
            (b"accept-encoding", b"identity"),
            (b"user-agent", USER_AGENT),
        ]
        key = api_keys.get(provider.id)
        if key:
            if not key.isascii() or any(character <= " " for character in key):
                raise SettingsError(
                    f"the API key of {provider.id} has characters no key has", param=f"{prefix}_API_KEY"
                )
            headers.append((b"authorization", b"Bearer " + key.encode()))
        pools = [pool.id for pool in catalogue.pools] if provider.simulated else []
        access[provider.id] = ProviderAccess(
            provider.id,
            chat_url(base_url, f"{prefix}_BASE_URL"),
            httpx.Headers(headers),
            {pool: httpx.Headers([*headers, (POOL_HEADER, pool.encode())]) for pool in pools},
        )
    return access
