"""The plain-text examples in the real Worker, with nothing configured but the simulator: the table of CPython."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of
from tests.plain_text_examples import play


async def test_every_example_of_the_brief_is_answered(plain_worker: EdgeWorker) -> None:
    async with client_of(plain_worker.url, "plain") as client:
        assert await play(client) == []


async def test_details_tell_of_this_isolate(plain_worker: EdgeWorker) -> None:
    async with client_of(plain_worker.url, "plain") as client:
        found = (await client.get("/health?detailed=true")).json()
    assert (found["status"], found["host"]) == ("healthy", "workerd")
    assert found["details"]["simulator"]["probe"]["http_status"] == 200
    async with client_of(plain_worker.url, None) as stranger:
        assert (await stranger.get("/health?detailed=true")).status_code == 401
        assert (await stranger.get("/metrics")).status_code == 401
        assert (await stranger.get("/health")).json()["status"] == "healthy"


async def test_the_counts_of_an_isolate_are_prometheus_text(plain_worker: EdgeWorker) -> None:
    async with client_of(plain_worker.url, "plain") as client:
        assert (await client.post("/run", json={"text": "What is a vGPU?"})).status_code == 200
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    (build,) = families["harpoon_build_info"].samples
    assert build.labels["host"] == "workerd"
    assert build.labels["process"].startswith("isolate_")
    assert any(sample.labels["outcome"] == "success" for sample in families["harpoon_requests"].samples)


async def test_a_provider_that_nobody_answers_for_is_degraded(audited_worker: EdgeWorker) -> None:
    async with client_of(audited_worker.url, "stream") as client:
        found = (await client.get("/health?detailed=true")).json()
        told = found["details"]["openai"]
        assert (found["status"], told["status"], told["probe"]["result"]) == ("degraded", "down", "no answer")
        assert (await client.get("/health")).json()["status"] == "degraded", "the isolate remembers"
