"""GET /metrics: what Prometheus' own parser reads from it, and that the counts are those of what happened."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.worker.api.application_kit import Application, application, ask, refuses, two_providers
from worker.exposition import exposition
from worker.metrics import BUCKETS_US, Histogram, Metrics
from worker.upstream.watch import FAILURES_TO_BE_DOWN

ROOT = "http://localhost"


async def scrape(harpoon: Application, **headers: str) -> dict[str, Metric]:
    answer = await harpoon.client.get(f"{ROOT}/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(answer.text)


def parsed(text: str) -> dict[str, Metric]:
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    return {family.name: family for family in families}


def value(families: dict[str, Metric], family: str, **labels: str) -> float:
    """The only sample of a family with these labels, whatever its process; 0 if there is none."""
    found = [
        sample.value
        for sample in families[family].samples
        if {key: text for key, text in sample.labels.items() if key != "process"} == labels
    ]
    assert len(found) <= 1
    return found[0] if found else 0


async def test_the_names_are_those_of_the_documentation(harpoon: Application) -> None:
    await harpoon.client.post("/chat/completions", json=ask())
    families = await scrape(harpoon)
    assert set(families) == {
        "harpoon_up",
        "harpoon_build_info",
        "harpoon_uptime_seconds",
        "harpoon_requests_in_flight",
        "harpoon_requests",
        "harpoon_request_duration_seconds",
        "harpoon_first_byte_seconds",
        "harpoon_attempts",
        "harpoon_tokens",
        "harpoon_cost_usd",
        "harpoon_denials",
        "harpoon_limited",
        "harpoon_classified",
        "harpoon_cache_lookups",
        "scr_events_captured",
        "scr_captures_refused",
        "scr_capture_latency_seconds",
        "scr_queue_delay_seconds",
        "scr_events_routed",
        "scr_routing_failures",
        "scr_spool_up",
        "scr_spool_events",
        "scr_destination_up",
        "scr_spool_utilization_ratio",
    }
    for family in families.values():
        assert family.documentation
        assert all("process" in sample.labels for sample in family.samples)
        assert all(sample.name == sample.name.lower() for sample in family.samples)
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)


async def test_what_happened_is_counted(harpoon: Application) -> None:
    answer = await harpoon.client.post("/chat/completions", json=ask())
    await harpoon.client.post("/chat/completions", json=ask(stream=True))
    await harpoon.client.post("/chat/completions", json=ask(covenant={"budget_usd": 0}))
    await harpoon.client.post("/chat/completions", json=ask(model="no-such"))
    await harpoon.client.post(f"{ROOT}/classify", json={"text": "Hi"})
    await harpoon.none_open()
    families = await scrape(harpoon)
    assert value(families, "harpoon_requests", outcome="success", status="200") == 2
    assert value(families, "harpoon_requests", outcome="refused", status="402") == 1
    assert value(families, "harpoon_requests", outcome="refused", status="404") == 1
    assert value(families, "harpoon_requests_in_flight") == 0
    assert value(families, "harpoon_attempts", provider="simulator", cause="ok") == 2
    assert value(families, "harpoon_denials", reason_code="COST_BOUND_EXCEEDED") == 1
    assert value(families, "harpoon_denials", reason_code="INVARIANT_VIOLATION") == 0
    assert value(families, "harpoon_classified", complexity="simple") == 4
    assert value(families, "harpoon_up") == 1
    usage, model = answer.json()["usage"], "llama-3.1-8b-instruct"
    assert value(families, "harpoon_tokens", direction="input", model=model) == 2 * usage["prompt_tokens"]
    assert value(families, "harpoon_tokens", direction="output", model=model) == 2 * usage["completion_tokens"]
    spent, _, _ = await harpoon.money()
    assert round(value(families, "harpoon_cost_usd", provider="simulator") * 1_000_000) == spent
    counts = {sample.name: sample.value for sample in families["harpoon_request_duration_seconds"].samples}
    assert counts["harpoon_request_duration_seconds_count"] == 4
    counts = {sample.name: sample.value for sample in families["harpoon_first_byte_seconds"].samples}
    assert counts["harpoon_first_byte_seconds_count"] == 2


async def test_failures_are_counted_where_they_happened() -> None:
    async with two_providers(None, refuses(500), HARPOON_MAX_RETRIES="0") as harpoon:
        assert (await harpoon.client.post("/chat/completions", json=ask())).status_code == 503
        families = await scrape(harpoon)
        assert value(families, "harpoon_requests", outcome="error", status="503") == 1
        assert value(families, "harpoon_attempts", provider="hosted-ai", cause="connect") == 1
        assert value(families, "harpoon_attempts", provider="openai", cause="status") == 1
        assert value(families, "harpoon_up") == 1, "one 500 is no outage"
        for _ in range(FAILURES_TO_BE_DOWN - 1):
            await harpoon.client.post("/chat/completions", json=ask())
        assert value(await scrape(harpoon), "harpoon_up") == 0, "nobody is there, and one has failed every time"


async def test_a_token_is_needed_where_tokens_are_set() -> None:
    async with application(HARPOON_TOKENS="hk_acme_0123456789") as harpoon:
        assert (await harpoon.client.get(f"{ROOT}/metrics")).status_code == 401
        families = await scrape(harpoon, authorization="Bearer hk_acme_0123456789")
        assert "acme" not in str(families), "no label names a tenant"


def page(metrics: Metrics, **build: str) -> str:
    return exposition(metrics, is_up=False, uptime_us=1_500_000, build=tuple(build.items()))


def test_labels_hold_any_text() -> None:
    odd = 'a "quoted" \\ back\nslash'
    metrics = Metrics(process=odd)
    metrics.cost_usd_micros[odd] = 1_500_001
    families = parsed(page(metrics, version=odd))
    assert families["harpoon_build_info"].samples[0].labels == {"version": odd, "process": odd}
    assert value(families, "harpoon_cost_usd", provider=odd) == 1.500001
    assert value(families, "harpoon_up") == 0
    assert value(families, "harpoon_uptime_seconds") == 1.5


def test_buckets_hold_what_is_at_most_their_bound() -> None:
    metrics = Metrics()
    for bound in BUCKETS_US:
        metrics.duration.observe(bound)
    metrics.duration.observe(BUCKETS_US[0] - 1)
    metrics.duration.observe(BUCKETS_US[-1] + 1)
    samples = parsed(page(metrics))["harpoon_request_duration_seconds"].samples
    buckets = [(sample.labels["le"], sample.value) for sample in samples if sample.name.endswith("_bucket")]
    assert [float(le) for le, _ in buckets[:-1]] == [bound / 1_000_000 for bound in BUCKETS_US]
    assert buckets[-1] == ("+Inf", len(BUCKETS_US) + 2)
    assert [count for _, count in buckets[:-1]] == list(range(2, len(BUCKETS_US) + 2))
    assert metrics.duration.sum_us == sum(BUCKETS_US) + BUCKETS_US[0] + BUCKETS_US[-1]


def test_two_scrapes_of_the_same_counts_are_equal() -> None:
    first, second = Metrics(), Metrics()
    for metrics, order in ((first, ("b", "a")), (second, ("a", "b"))):
        for code in order:
            metrics.denied([f"{code}: x"])
            metrics.denied([f"{code}: x", f"{code}: y"])
    assert page(first) == page(second)
    assert first.denials == {"a": 2, "b": 2}
    assert Histogram().counts[-1] == 0
