"""How a provider is reached: addresses and key, kept apart from what its models can do. A key never shows in a repr.

A provider is called directly, or through Cloudflare AI Gateway (worker/upstream/ai_gateway.py) by its own paths there
or by `/compat`, which serves chat only: its other endpoints then go by the provider's paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from worker.errors import SettingsError
from worker.routing.catalogue import Catalogue, Provider
from worker.routing.tables import CHAT, EMBEDDINGS, RESPONSES
from worker.upstream.ai_gateway import COMPAT, DIRECT, GatewaySettings, gateway_url

USER_AGENT = b"harpoon/0.1"
POOL_HEADER = b"x-harpoon-pool"
SIMULATED_HEADER = "x-harpoon-simulated"
#: Where OpenAI's endpoints are behind a base URL.
ENDPOINT_PATHS = {CHAT: "/chat/completions", EMBEDDINGS: "/embeddings", RESPONSES: "/responses"}


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """Where one provider's endpoints are, and the headers that open them, by pool where the provider asks.

    `urls`: by endpoint. `via`: direct, gateway or compat. `model_prefix`: what a chat model's id begins with there.
    `silence_timeout_us`: how long it may say nothing, 0 = as long as any.
    """

    provider: str
    urls: Mapping[str, httpx.URL]
    models_url: httpx.URL
    headers: httpx.Headers = field(repr=False)
    headers_by_pool: Mapping[str, httpx.Headers] = field(repr=False, default_factory=dict)
    silence_timeout_us: int = 0
    via: str = DIRECT
    model_prefix: str = ""

    @property
    def chat_url(self) -> httpx.URL:
        """Where its chat completions are."""
        return self.urls[CHAT]

    @property
    def is_through_gateway(self) -> bool:
        """Whether Cloudflare AI Gateway stands between."""
        return self.via != DIRECT

    def headers_for(self, pool: str) -> httpx.Headers:
        """The headers of a request to a route on `pool`; not to be changed."""
        return self.headers_by_pool.get(pool, self.headers)


def chat_url(base_url: str, setting: str | None = None) -> httpx.URL:
    """`base_url` + /chat/completions; an empty path stands for /v1. Raises: SettingsError if it is no http(s) URL."""
    return _under(_checked(base_url, setting), ENDPOINT_PATHS[CHAT])


def _checked(base_url: str, setting: str | None) -> httpx.URL:
    """The operator's base URL. Raises: SettingsError; it never repeats the address, which may hold a secret."""
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL as problem:
        raise SettingsError("a provider's base URL is not a URL", param=setting) from problem
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError("a provider's base URL must begin with https:// or http:// and name a host", param=setting)
    return url


def _under(base: httpx.URL, path: str) -> httpx.URL:
    return base.copy_with(path=(base.path.rstrip("/") or "/v1") + path, fragment=None)


_UPPER = {
    ord(lower): ord(upper)
    for lower, upper in zip("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", strict=True)
}
_OF_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
#: Other signs of an id become an underscore, because the names of variables have no others.
_NOT_IN_NAMES = {code: "_" for code in range(33, 127) if chr(code) not in _OF_NAMES}


def setting_prefix(provider: str) -> str:
    """What the names of a provider's settings begin with: `HOSTED_AI` for `hosted-ai`."""
    return provider.translate(_NOT_IN_NAMES).translate(_UPPER)


def build_access(
    catalogue: Catalogue,
    base_urls: Mapping[str, str],
    api_keys: Mapping[str, str],
    ways: Mapping[str, tuple[str, str]] | None = None,
    gateway: GatewaySettings | None = None,
) -> dict[str, ProviderAccess]:
    """Access to every provider that has a base URL or a way through the gateway, by provider id.

    Args: ways: how each provider is reached and its path at the gateway; absent = directly.
    Raises: SettingsError, its `param` the setting.
    """
    access: dict[str, ProviderAccess] = {}
    for provider in catalogue.providers:
        via, path = (ways or {}).get(provider.id, (DIRECT, ""))
        prefix = setting_prefix(provider.id)
        headers = _headers(provider, api_keys.get(provider.id, ""), prefix)
        if via != DIRECT:
            if gateway is None or not gateway.root:
                raise SettingsError(
                    f"{provider.id} goes through AI Gateway: set CLOUDFLARE_ACCOUNT_ID and AI_GATEWAY_ID",
                    param="AI_GATEWAY_ID",
                )
            access[provider.id] = _through_gateway(provider, gateway, via, path, headers)
            continue
        base_url = base_urls.get(provider.id)
        if not base_url:
            continue
        base = _checked(base_url, f"{prefix}_BASE_URL")
        pools = [pool.id for pool in catalogue.pools] if provider.simulated else []
        access[provider.id] = ProviderAccess(
            provider.id,
            {endpoint: _under(base, ENDPOINT_PATHS[endpoint]) for endpoint in ENDPOINT_PATHS},
            _under(base, "/models"),
            httpx.Headers(headers),
            {pool: httpx.Headers([*headers, (POOL_HEADER, pool.encode())]) for pool in pools},
        )
    return access


def _headers(provider: Provider, key: str, prefix: str) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", USER_AGENT),
    ]
    if key:
        if not key.isascii() or any(character <= " " for character in key):
            raise SettingsError(f"the API key of {provider.id} has characters no key has", param=f"{prefix}_API_KEY")
        headers.append((b"authorization", b"Bearer " + key.encode()))
    return headers


def _through_gateway(
    provider: Provider, gateway: GatewaySettings, via: str, path: str, headers: list[tuple[bytes, bytes]]
) -> ProviderAccess:
    """Without a key of ours the gateway uses the one stored there, so there is no `authorization`."""
    base = _checked(gateway_url(gateway, path), "AI_GATEWAY_BASE_URL")
    urls = {endpoint: _under(base, ENDPOINT_PATHS[endpoint]) for endpoint in ENDPOINT_PATHS}
    prefix = ""
    if via == COMPAT:
        urls[CHAT] = _under(_checked(gateway_url(gateway, COMPAT), "AI_GATEWAY_BASE_URL"), ENDPOINT_PATHS[CHAT])
        prefix = path.partition("/")[0] + "/"
    if gateway.token:
        headers = [*headers, (b"cf-aig-authorization", b"Bearer " + gateway.token.encode())]
    return ProviderAccess(
        provider.id, urls, _under(base, "/models"), httpx.Headers(headers), via=via, model_prefix=prefix
    )
