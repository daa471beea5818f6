"""GET /metrics keeps Prometheus' rules for names, units, labels and layout: what promtool's linter looks for, and more.

Source: https://prometheus.io/docs/practices/naming/ and https://prometheus.io/docs/instrumenting/writing_exporters/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.worker.api.application_kit import Application, application, ask
from tests.worker.sessions.session_kit import SHORT

NAME = re.compile(r"(?:harpoon|scr)_[a-z][a-z0-9]*(_[a-z0-9]+)*")
LABEL = re.compile(r"[a-z][a-z0-9_]*")
#: Prometheus' base units, and ours for money; others would have to be converted.
BASE_UNITS = ("seconds", "bytes", "ratio", "usd", "celsius", "info")
OTHER_UNITS = re.compile(
    r"_(ms|us|ns|milliseconds|microseconds|minutes|hours|days|kilobytes|megabytes|bits|percent|cents|micros)(_|$)"
)
#: What every request has one of its own of would make a series each.
UNBOUNDED = {"tenant", "user", "user_id", "request_id", "decision_id", "trace_id", "session_id", "path", "url", "ip"}
MAX_SERIES = 400


def problems(text: str) -> Iterator[str]:
    """What Prometheus or its linter would say of a page."""
    families = list(text_string_to_metric_families(text))
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    yield from layout_problems(text, kinds)
    for family in families:
        yield from family_problems(family, kinds)


def layout_problems(text: str, kinds: dict[str, str]) -> Iterator[str]:
    if not text.endswith("\n") or "\n\n" in text:
        yield "the last line must end, and none be empty"
    told = re.findall(r"^# (?:HELP|TYPE) (\S+) ", text, re.MULTILINE)
    if sorted(told) != sorted([*kinds, *kinds]):
        yield "each family has one HELP and one TYPE"
    current, done = "", set[str]()
    for line in text.splitlines():
        name = line.split(" ")[2] if line.startswith("#") else re.split(r"[{ ]", line, maxsplit=1)[0]
        family = next(
            (one for one in kinds if name in (one, *(f"{one}_{end}" for end in ("bucket", "sum", "count")))), name
        )
        if family != current and family in done:
            yield f"{family} is in two places"
        done.add(current := family)
        if line.endswith(" ") or "  " in line:
            yield f"blanks: {line}"


def family_problems(family: Metric, kinds: dict[str, str]) -> Iterator[str]:
    name = f"{family.name}_total" if f"{family.name}_total" in kinds else family.name
    if not NAME.fullmatch(name):
        yield f"{name}: not snake_case under our prefix"
    if OTHER_UNITS.search(name):
        yield f"{name}: no base unit"
    if family.type == "counter" and not name.endswith("_total"):
        yield f"{name}: a counter ends in _total"
    if family.type != "counter" and re.search(r"_(total|count|sum|bucket)$", name):
        yield f"{name}: an ending that is a counter's or a histogram's"
    if re.search(r"_(gauge|counter|histogram|summary|metric)(_|$)", name):
        yield f"{name}: its type stands in its name"
    if family.type == "histogram" and not name.endswith(BASE_UNITS):
        yield f"{name}: no unit"
    if not family.documentation.endswith("."):
        yield f"{name}: help is a sentence"
    yield from series_problems(family, name)
    if family.type == "histogram":
        yield from histogram_problems(family)


def series_problems(family: Metric, name: str) -> Iterator[str]:
    series = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
    if len(set(series)) != len(series):
        yield f"{name}: the same series twice"
    if len(series) > MAX_SERIES:
        yield f"{name}: {len(series)} series"
    for label in {label for sample in family.samples for label in sample.labels}:
        reserved = label.startswith("__") or (label in ("le", "quantile") and family.type != "histogram")
        if reserved or not LABEL.fullmatch(label) or label in UNBOUNDED:
            yield f"{name}: the label {label}"


def histogram_problems(family: Metric) -> Iterator[str]:
    of_each: dict[str, list[Any]] = {}
    for sample in family.samples:
        of_each.setdefault(sample.labels.get("destination", ""), []).append(sample)
    for samples in of_each.values():
        buckets = [(sample.labels["le"], sample.value) for sample in samples if sample.name.endswith("_bucket")]
        counts = [sample.value for sample in samples if sample.name.endswith("_count")]
        bounds = [float(bound) for bound, _ in buckets]
        values = [value for _, value in buckets]
        if buckets[-1][0] != "+Inf" or bounds != sorted(bounds) or values != sorted(values) or values[-1:] != counts:
            yield f"{family.name}: its buckets don't add up"


async def test_a_page_with_everything_on_it_has_no_problem() -> None:
    settings = {"HARPOON_LIMIT_REQUESTS_PER_MINUTE": "3"}
    async with application(**settings) as harpoon:
        for fields in ({}, {"stream": True}, {"covenant": "budget $0.0000001"}, {"model": "nobody/knows"}, {}):
            await harpoon.client.post("/chat/completions", json=ask(**fields))
        await report_sessions(harpoon)
        text = (await harpoon.client.get("http://localhost/metrics")).text
    assert list(problems(text)) == []
    assert "harpoon_limited_total{" in text
    assert "harpoon_denials_total{" in text
    assert "scr_captures_refused_total{" in text
    assert "scr_delivery_latency_seconds_bucket{" in text


async def report_sessions(harpoon: Application) -> None:
    """One that is kept, one that is refused; and what a delivery would have counted."""
    for body in (SHORT, {}):
        await harpoon.client.post("http://localhost/api/session-completion/events", json=body)
    for destination in ("audit", "billing"):
        harpoon.services.session_metrics.delivered(destination, [1_000, 2_000], 3_000)
        harpoon.services.session_metrics.failed(destination)


async def test_a_fresh_page_has_none_either() -> None:
    async with application() as harpoon:
        assert list(problems((await harpoon.client.get("http://localhost/metrics")).text)) == []


def family(kind: str, name: str, *samples: str, help_text: str = "Says what it is.") -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *samples]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (family("counter", "harpoon_requests", "harpoon_requests 1"), "ends in _total"),
        (family("gauge", "harpoon_things_total", "harpoon_things_total 1"), "ending"),
        (family("gauge", "harpoon_waits_ms", "harpoon_waits_ms 1"), "no base unit"),
        (family("gauge", "harpoon_inFlight", "harpoon_inFlight 1"), "snake_case"),
        (family("gauge", "requests", "requests 1"), "our prefix"),
        (family("gauge", "harpoon_up_gauge", "harpoon_up_gauge 1"), "its type"),
        (family("gauge", "harpoon_up", "harpoon_up 1", help_text=""), "help"),
        (family("gauge", "harpoon_up", 'harpoon_up{tenant="acme"} 1'), "label tenant"),
        (family("gauge", "harpoon_up", 'harpoon_up{le="1"} 1'), "label le"),
        (family("gauge", "harpoon_up", "harpoon_up 1", "harpoon_up 1"), "twice"),
        (family("gauge", "harpoon_a", "harpoon_a 1") + family("gauge", "harpoon_b") + "harpoon_a 2\n", "two places"),
        (family("gauge", "harpoon_up", "harpoon_up 1")[:-1], "must end"),
    ],
)
def test_each_rule_can_fail(text: str, problem: str) -> None:
    assert [found for found in problems(text) if problem in found], list(problems(text))
