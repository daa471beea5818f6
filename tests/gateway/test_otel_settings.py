"""Which OTEL_* variables switch what on, and which are refused: nothing is guessed."""

from __future__ import annotations

import pytest

from gateway.otel_settings import OtelSettings, check_packages, otel_secrets, read_otel
from worker.errors import SettingsError

HERE = "http://127.0.0.1:4318"
BOTH, TRACES, METRICS = OtelSettings(True, True), OtelSettings(True, False), OtelSettings(False, True)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}, BOTH),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{HERE}/v1/traces"}, TRACES),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{HERE}/v1/metrics"}, METRICS),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, TRACES),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, METRICS),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_METRICS_EXPORTER": "none"}, TRACES),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_TRACES_EXPORTER": "none"}, METRICS),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "True"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "false"}, BOTH),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, BOTH),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": HERE,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
                "OTEL_METRICS_EXPORTER": "none",
            },
            TRACES,
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example:443/base"}, BOTH),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}, None),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, TRACES),
    ],
)
def test_what_is_exported(environment: dict[str, str], found: OtelSettings | None) -> None:
    assert read_otel(environment) == found


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "OTEL_METRICS_EXPORTER"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[::1"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "OTEL_TRACES_SAMPLER"),
    ],
)
def test_what_can_not_be_served_is_said(changed: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        read_otel({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, **changed})
    assert caught.value.param == named


def test_headers_and_passwords_are_secrets() -> None:
    found = otel_secrets(
        {
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20dXNlcjpwYXNz, x-key = abc%3D",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-traces-key=t0ken",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://user:pa55word@collector.example",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://[::1",
        }
    )
    assert {"Basic dXNlcjpwYXNz", "dXNlcjpwYXNz", "abc=", "t0ken", "pa55word"} <= set(found)
    assert "" not in found
    assert otel_secrets({}) == ()


def test_so_is_what_the_sdk_shows_when_something_is_wrong() -> None:
    """A header without a name, and the path of an address that can't be reached, which its query is a part of."""
    found = otel_secrets(
        {
            "OTEL_EXPORTER_OTLP_HEADERS": "Bearer a-token-alone",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://user:pa%20word@collector.example",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example/v1/traces?api-key=in%2Dquery&bare-query",
        }
    )
    assert {"Bearer a-token-alone", "a-token-alone", "pa word", "pa%20word"} <= set(found)
    assert {"in%2Dquery", "in-query", "bare-query"} <= set(found)


def test_the_packages_are_looked_for_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    check_packages()
    monkeypatch.setattr("gateway.otel_settings._PACKAGES", ("opentelemetry.sdk", "opentelemetry.not_installed.http"))
    with pytest.raises(SettingsError, match=r"pip install 'harpoon\[otel\]'"):
        check_packages()
