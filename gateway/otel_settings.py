"""Which of OpenTelemetry's signals are exported, read from its standard OTEL_* variables and checked at once.

Only OTLP over HTTP is served. How it is exported (headers, timeouts, batches, intervals, resource) the SDK reads from
the same environment by itself.

Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and .../protocol/exporter/
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import httpx

from worker.errors import SettingsError
from worker.routing.labels import fold_ascii

_PROTOCOL: Final = "http/protobuf"
_SIGNALS: Final = ("TRACES", "METRICS")
_SAMPLERS: Final = tuple(
    f"{prefix}{name}" for prefix in ("", "parentbased_") for name in ("always_on", "always_off", "traceidratio")
)
#: What the extra `otel` installs, as it is imported.
_PACKAGES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


@dataclass(frozen=True, slots=True)
class OtelSettings:
    """Which signals leave; at least one does."""

    traces: bool
    metrics: bool


def read_otel(environment: Mapping[str, str]) -> OtelSettings | None:
    """What is to be exported, None = nothing. Raises: SettingsError, its `param` the variable."""
    if fold_ascii(environment.get("OTEL_SDK_DISABLED", "").strip()) == "true":
        return None
    traces, metrics = (_is_on(environment, signal) for signal in _SIGNALS)
    if not traces and not metrics:
        return None
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").strip()
    if sampler and sampler not in _SAMPLERS:
        raise _wrong("OTEL_TRACES_SAMPLER", f"must be one of {', '.join(_SAMPLERS)}")
    return OtelSettings(traces, metrics)


def _is_on(environment: Mapping[str, str], signal: str) -> bool:
    """Whether a signal is exported: if that is said, or an address is. Raises: SettingsError."""
    name, endpoint_name = f"OTEL_{signal}_EXPORTER", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"
    if not environment.get(endpoint_name):
        endpoint_name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    endpoint, exporter = environment.get(endpoint_name, "").strip(), environment.get(name, "").strip()
    if exporter not in ("", "otlp", "none"):
        raise _wrong(name, "must be otlp or none")
    if exporter == "none" or not (exporter or endpoint):
        return False
    if endpoint and not _is_http(endpoint):
        raise _wrong(endpoint_name, "must begin with https:// or http:// and name a host")
    for protocol_name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environment.get(protocol_name, "").strip()
        if protocol == _PROTOCOL:
            break
        if protocol:
            raise _wrong(protocol_name, f"must be {_PROTOCOL}: nothing else is served")
    return True


def _is_http(endpoint: str) -> bool:
    try:
        url = httpx.URL(endpoint)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def check_packages() -> None:
    """Raises: SettingsError if the packages that export are not installed."""
    for name in _PACKAGES:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise SettingsError(
                "OTEL_* asks for OpenTelemetry, whose packages are not installed: pip install 'harpoon[otel]', or set"
                " OTEL_SDK_DISABLED=true",
                param="OTEL_SDK_DISABLED",
            )


def otel_secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What no log may hold of the OTEL_* variables: the values of headers, and passwords and queries of addresses."""
    found: list[str] = []
    for part in ("", "TRACES_", "METRICS_"):
        for header in environment.get(f"OTEL_EXPORTER_OTLP_{part}HEADERS", "").split(","):
            _, equals, value = header.partition("=")
            # A header without a name is wrong, and the SDK says so by showing it.
            found.append((value if equals else header).strip())
        endpoint = environment.get(f"OTEL_EXPORTER_OTLP_{part}ENDPOINT", "").strip()
        try:
            url = httpx.URL(endpoint)
        except httpx.InvalidURL:
            # It ends the start; what it would have been can't be told apart.
            found.append(endpoint)
            continue
        written = url.userinfo.decode("latin-1").partition(":")[2]
        found += [url.password, written]
        # Whoever can't reach an address shows its path, and the query with it.
        found += [pair.partition("=")[2] or pair for pair in url.query.decode("latin-1").split("&")]
    # As it was written, as it is sent, and without the name of its scheme.
    forms = [form for value in found for form in (value, unquote(value), unquote(value).rpartition(" ")[2])]
    return tuple(dict.fromkeys(form for form in forms if form))


def _wrong(name: str, expected: str) -> SettingsError:
    return SettingsError(f"{name} {expected}", param=name)
