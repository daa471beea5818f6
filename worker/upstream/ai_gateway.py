"""Cloudflare AI Gateway: the addresses it serves a provider at, and the `cf-aig-*` headers it understands.

Forms (https://developers.cloudflare.com/ai-gateway/): a provider's own paths under `/v1/{account}/{gateway}/{path}`, or
`/compat/chat/completions`, where the model's id begins with the provider's. It knows a list of providers; another one
has to be made a custom provider there, at `custom-{slug}`.

A client's headers are checked whichever way its request goes. How often and how patiently is tried is ours to obey,
because each attempt is reserved and recorded on its own; so the gateway is told to try once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import httpx

from worker.errors import HarpoonError, MalformedRequest, SettingsError
from worker.strict_json import JsonLimits, parse_json

BASE_URL: Final = "https://gateway.ai.cloudflare.com/v1"
PREFIX: Final = b"cf-aig-"
#: A provider's path behind account and gateway; its first part is the provider's name on `/compat`.
PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {"groq": "groq", "openai": "openai", "openrouter": "openrouter/v1", "workers-ai": "workers-ai/v1"}
)
DIRECT, GATEWAY, COMPAT = "direct", "gateway", "compat"
#: What an answer may tell of the gateway, passed on to the client.
ANSWERED: Final = frozenset(
    {
        "cf-aig-cache-status",
        "cf-aig-event-id",
        "cf-aig-log-id",
        "cf-aig-request-id",
        "cf-aig-routed-model",
        "cf-aig-routing-decision-id",
        "cf-aig-routing-reason",
        "cf-aig-step",
    }
)
MAX_ATTEMPTS = 5
MAX_RETRY_DELAY_MS = 5_000
MAX_REQUEST_TIMEOUT_MS = 3_600_000
MIN_CACHE_TTL_S, MAX_CACHE_TTL_S = 60, 31 * 86_400
MAX_METADATA_KEYS = 5
MAX_HEADER_CHARACTERS = 1_024
BACKOFFS = ("constant", "linear", "exponential")
_ID_CHARACTERS = 256
_DIGITS = frozenset("0123456789")
_JSON_LIMITS = JsonLimits(max_bytes=MAX_HEADER_CHARACTERS, max_members=64, max_depth=2)
_ONE_ATTEMPT: Final = (b"cf-aig-max-attempts", b"1")
_NO_TRACE: Final = ((b"cf-aig-skip-cache", b"true"), (b"cf-aig-collect-log", b"false"))


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The operator's AI Gateway. `root`: base URL with account and gateway, "" = there is none."""

    root: str = ""
    token: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What a request's `cf-aig-*` headers ask for. None = not said.

    `passed`: those that go to an AI Gateway as they came. `max_attempts` counts calls of a route, the first included.
    `request_timeout_us`: to the first byte of one attempt.
    """

    passed: tuple[tuple[bytes, bytes], ...] = ()
    max_attempts: int | None = None
    retry_delay_us: int | None = None
    backoff: str | None = None
    request_timeout_us: int | None = None
    cache_key: str | None = None
    cache_ttl_s: int | None = None
    skip_cache: bool = False

    def headers(self, leave_no_trace: bool) -> list[tuple[bytes, bytes]]:
        """What a request through an AI Gateway carries; `leave_no_trace`: it may neither keep nor log the bodies."""
        if not leave_no_trace:
            return [*self.passed, _ONE_ATTEMPT]
        named = {name for name, _ in _NO_TRACE} | {b"cf-aig-cache-key", b"cf-aig-cache-ttl"}
        return [*(header for header in self.passed if header[0] not in named), *_NO_TRACE, _ONE_ATTEMPT]


NO_OPTIONS: Final = GatewayOptions()


def gateway_url(settings: GatewaySettings, path: str) -> str:
    """The address of a provider's path, or of `compat`."""
    return f"{settings.root}/{path}"


def gateway_of(account: str, gateway: str, token: str, base_url: str) -> GatewaySettings:
    """The gateway that the settings name. Raises: SettingsError, its `param` the setting."""
    if not account and not gateway:
        return GatewaySettings()
    for name, value in (("CLOUDFLARE_ACCOUNT_ID", account), ("AI_GATEWAY_ID", gateway)):
        if value and not _is_slug(value):
            raise SettingsError(f"{name} must be letters, digits, - and _", param=name)
    if not gateway:
        return GatewaySettings()
    if not account:
        raise SettingsError("AI_GATEWAY_ID needs CLOUDFLARE_ACCOUNT_ID too", param="AI_GATEWAY_ID")
    if token and not _is_visible(token):
        raise SettingsError("AI_GATEWAY_TOKEN has characters no token has", param="AI_GATEWAY_TOKEN")
    return GatewaySettings(f"{(base_url or BASE_URL).strip().rstrip('/')}/{account}/{gateway}", token)


def read_via(text: str, provider: str, setting: str) -> tuple[str, str]:
    """How a provider is reached, and its path at the gateway: `direct`, `gateway`, `compat`, or `gateway:<path>`.

    Raises: SettingsError.
    """
    way, colon, path = text.partition(":")
    if way not in (DIRECT, GATEWAY, COMPAT) or (colon and (way == DIRECT or not all(map(_is_slug, path.split("/"))))):
        raise SettingsError(
            f"{setting} must be direct, gateway, compat, or gateway:<path> such as gateway:custom-pods/v1",
            param=setting,
        )
    found = path or PATHS.get(provider, "")
    if way != DIRECT and not found:
        raise SettingsError(
            f"{setting}: AI Gateway does not list {provider}; make it a custom provider there and say "
            f"{way}:custom-<slug>/v1",
            param=setting,
        )
    return way, found


def read_options(headers: Iterable[tuple[bytes, bytes]]) -> GatewayOptions:
    """The options of a request; unknown `cf-aig-*` headers are ignored. Raises: MalformedRequest naming the header."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(PREFIX) and (known := name.decode("latin-1")) in _CHECKS:
            if known in found:
                raise MalformedRequest(f"give {known} once; there is more than one", param=known)
            found[known] = value.decode("latin-1").strip(" \t")
    if not found:
        return NO_OPTIONS
    for header, text in found.items():
        if len(text) > MAX_HEADER_CHARACTERS or not _CHECKS[header][0](text):
            raise MalformedRequest(f"{header} must be {_CHECKS[header][1]}", param=header)
    retry_delay, timeout = found.get("cf-aig-retry-delay"), found.get("cf-aig-request-timeout")
    attempts, ttl = found.get("cf-aig-max-attempts"), found.get("cf-aig-cache-ttl")
    return GatewayOptions(
        passed=tuple((header.encode(), text.encode()) for header, text in found.items() if header not in _OURS),
        max_attempts=None if attempts is None else int(attempts),
        retry_delay_us=None if retry_delay is None else int(retry_delay) * 1_000,
        backoff=found.get("cf-aig-backoff"),
        request_timeout_us=None if timeout is None else int(timeout) * 1_000,
        cache_key=found.get("cf-aig-cache-key"),
        cache_ttl_s=None if ttl is None else int(ttl),
        skip_cache=found.get("cf-aig-skip-cache") == "true",
    )


def asked_delay_us(options: GatewayOptions, retry: int, usual_us: int) -> int | None:
    """The wait before retry number `retry` (from 0) that a request asks for, in microseconds; None = it doesn't."""
    if options.retry_delay_us is None and options.backoff is None:
        return None
    delay_us = usual_us if options.retry_delay_us is None else options.retry_delay_us
    if options.backoff == "linear":
        return delay_us * (retry + 1)
    return delay_us << retry if options.backoff == "exponential" else delay_us


def answered_headers(headers: httpx.Headers) -> tuple[tuple[bytes, bytes], ...]:
    """What a gateway's answer tells of itself, in visible ASCII and bounded."""
    return tuple(
        (name.encode(), value.encode())
        for name, value in headers.items()
        if name in ANSWERED and len(value) <= MAX_HEADER_CHARACTERS and _is_printable(value)
    )


def _is_printable(text: str) -> bool:
    return all(" " <= character <= "~" for character in text)


def _is_visible(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def _is_slug(text: str) -> bool:
    return bool(text) and all(
        "a" <= character <= "z" or "A" <= character <= "Z" or character in _DIGITS or character in "-_."
        for character in text
    )


def _is_identifier(text: str) -> bool:
    return 0 < len(text) <= _ID_CHARACTERS and _is_visible(text)


def _is_within(text: str, least: int, most: int) -> bool:
    return 0 < len(text) <= 10 and _DIGITS.issuperset(text) and least <= int(text) <= most


def _is_flag(text: str) -> bool:
    return text in ("true", "false")


def _read_object(text: str) -> dict[str, Any]:
    try:
        value = parse_json(text, _JSON_LIMITS) if _is_printable(text) else None
    except HarpoonError:
        value = None
    return value if isinstance(value, dict) else {}


def _is_metadata(text: str) -> bool:
    value = _read_object(text)
    return 0 < len(value) <= MAX_METADATA_KEYS and all(
        isinstance(member, str | int | float | bool) for member in value.values()
    )


def _is_cost(text: str) -> bool:
    value = _read_object(text)
    return bool(value) and all(
        isinstance(member, int | float) and not isinstance(member, bool) and member >= 0 for member in value.values()
    )


#: Obeyed by us instead of the gateway.
_OURS: Final = frozenset({"cf-aig-backoff", "cf-aig-max-attempts", "cf-aig-retry-delay"})
_CHECKS: Final[Mapping[str, tuple[Any, str]]] = MappingProxyType(
    {
        "cf-aig-backoff": (lambda text: text in BACKOFFS, f"one of {', '.join(BACKOFFS)}"),
        "cf-aig-cache-key": (_is_identifier, f"visible ASCII, at most {_ID_CHARACTERS} characters"),
        "cf-aig-cache-ttl": (
            lambda text: _is_within(text, MIN_CACHE_TTL_S, MAX_CACHE_TTL_S),
            f"seconds from {MIN_CACHE_TTL_S} to {MAX_CACHE_TTL_S}",
        ),
        "cf-aig-collect-log": (_is_flag, "true or false"),
        "cf-aig-custom-cost": (_is_cost, "a flat JSON object of numbers from 0"),
        "cf-aig-event-id": (_is_identifier, f"visible ASCII, at most {_ID_CHARACTERS} characters"),
        "cf-aig-log-id": (_is_identifier, f"visible ASCII, at most {_ID_CHARACTERS} characters"),
        "cf-aig-max-attempts": (
            lambda text: _is_within(text, 1, MAX_ATTEMPTS),
            f"a whole number from 1 to {MAX_ATTEMPTS}",
        ),
        "cf-aig-metadata": (
            _is_metadata,
            f"a flat JSON object of at most {MAX_METADATA_KEYS} strings, numbers and booleans, "
            f"in printable ASCII and at most {MAX_HEADER_CHARACTERS} characters",
        ),
        "cf-aig-request-timeout": (
            lambda text: _is_within(text, 1, MAX_REQUEST_TIMEOUT_MS),
            f"milliseconds from 1 to {MAX_REQUEST_TIMEOUT_MS}",
        ),
        "cf-aig-retry-delay": (
            lambda text: _is_within(text, 0, MAX_RETRY_DELAY_MS),
            f"milliseconds from 0 to {MAX_RETRY_DELAY_MS}",
        ),
        "cf-aig-skip-cache": (_is_flag, "true or false"),
    }
)
