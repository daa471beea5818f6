"""What a hostile or clumsy client sends: every answer is the platform's own, and no key reaches another's team."""

from __future__ import annotations

import json
import random
from typing import Any

import httpx
import pytest

from gateway.simulator.platform.platform import CountedPorts
from gateway.simulator.platform.quirks import in_service
from gateway.simulator.platform.routes import ADMIN, ENDPOINTS
from tests.gateway.simulator.platform.platform_kit import ADMIN as SIGN_IN
from tests.gateway.simulator.platform.platform_kit import TEAM, World, world

OTHER = "0000beef-0000-4000-8000-000000000000"
KEYS = {"ours": frozenset({TEAM}), "theirs": frozenset({OTHER})}
HUGE = 1 << 21
#: JSON that a handler may meet in the place of anything.
VALUES = (
    "null", '""', "0", "-1", "1", "1152921504606846976", "1e400", "NaN", "Infinity", "1.5", "2.0", "true", "[]", "{}",
    '"\\ud800"', '"x"', '[{"a":1}]', '["x"]', '[[]]', '"../x"', '"9999-12-31T00:00"', '"%00"', '"\\u0000"',
    "1" + "0" * 30, '{"pool_id":{},"vgpus":1e400}', '{"attach_gpu_ids":[{}],"sharing_ratio":2.5}',
)  # fmt: skip
NAMES = (
    "team_id", "pool_id", "vgpus", "subscription_id", "pool_subscription_id", "pod_name", "port", "service_name",
    "protocol", "service_type", "id", "pod_action", "pod_opts", "pool", "name", "gpuaas_id", "gpu_uuids", "username",
    "password", "guaranteed_gpu_share_percent", "duration_hours", "page", "per_page", "limit", "itemsPerPage",
    "start_timestamp", "end_timestamp", "granularity", "start_date", "end_date", "tq_slices", "attach_gpu_ids",
)  # fmt: skip
PARTS = ("1", "2", "x", "0", "-1", "9" * 20, "2026-01-01", "9999-12-31T23:59:59", "hourly", "%2F", "%ED%A0%80", "é")


def anything(chance: random.Random) -> tuple[str, str, str, str]:
    """Method, path, query and body of a call somebody might make."""
    endpoint = chance.choice(ENDPOINTS)
    path = "/".join(chance.choice(PARTS) if part.startswith("{") else part for part in endpoint.path)
    fields = [f'"{name}":{chance.choice(VALUES)}' for name in chance.sample(NAMES, chance.randrange(12))]
    body = "{" + ",".join([f'"team_id":"{TEAM}"', *fields][chance.randrange(2) :]) + "}"
    query = "&".join(f"{name}={chance.choice(PARTS)}" for name in chance.sample(NAMES, chance.randrange(4)))
    return endpoint.method, path, query, chance.choice((body, body, body, "{", "[]", "null", "[" * 90_000))


@pytest.mark.parametrize("seed", range(2))
async def test_nothing_that_is_sent_makes_the_panel_fail(seed: int) -> None:
    chance = random.Random(seed)
    async with world() as w:
        headers = await w.signed_in()
        for _ in range(600):
            method, path, query, body = anything(chance)
            answer = await w.client.request(method, f"/{path}?{query}", content=body, headers=headers)
            assert answer.status_code < 500, (method, path, query, body)
            assert answer.content == b"" or json.loads(answer.content) is not None or answer.text == "null"
            if path == "login":
                headers = await w.signed_in()


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a":NaN}', b'{"a":1e999}', b'{"a":"\\ud800"}', b"[" * 1_000_000,
     b'{"a":1,"a":2}'],
)  # fmt: skip
async def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    async with world() as w:
        answer = await w.client.post("/gpuaas/pool/subscribe", content=body)
        assert answer.status_code == 400
        answer = await w.client.post("/login", content=body)
        assert answer.status_code == 400


async def test_a_body_beyond_the_limit_is_too_large_and_is_not_kept() -> None:
    async with world() as w:
        answer = await w.client.post("/gpuaas/pool/subscribe", content=b'{"team_id":"' + b"x" * HUGE + b'"}')
        assert (answer.status_code, answer.json()["code"]) == (413, 413)


def foreign_calls(hold: Any, service: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    pod, mine, theirs = hold.pods[0].name, {"team_id": TEAM}, {"team_id": OTHER}
    exposing = {"service_name": "more", "port": 9_000, "service_type": "http"}
    return [
        ("GET", f"/pods/expose-service/status?service_name=vllm&pool_subscription_id={hold.id}", {}),
        ("PUT", "/pods/update-exposed-service", {**theirs, "id": service["id"], "port": 22}),
        ("DELETE", f"/pods/delete-exposed-service/{service['id']}", {}),
        ("POST", "/pods/expose-service", {**theirs, "pod_name": pod, **exposing}),
        ("POST", "/pods/action", {**theirs, "pod_name": pod, "pool_subscription_id": hold.id, "pod_action": "stop"}),
        ("POST", "/gpuaas/pool/unsubscribe", {**mine, "subscription_id": hold.id, "pool_id": hold.pool}),
        ("POST", "/gpuaas/pool/unsubscribe", {**theirs, "subscription_id": hold.id, "pool_id": hold.pool}),
        ("GET", f"/gpuaas/pool-subscription?team_id={TEAM}", {}),
        ("GET", f"/gpuaas/connection-info?team_id={TEAM}", {}),
        ("GET", f"/instances/unified?team_id={TEAM}", {}),
        ("GET", f"/gpuaas/{TEAM}/metrics", {}),
        ("GET", f"/gpuaas/{TEAM}/metrics-graph?start_timestamp=1767225600", {}),
        ("GET", f"/team-billing/summary/{TEAM}/2026-01-01/2026-01-02", {}),
        ("GET", f"/team-billing/{TEAM}/2026-01-01/2026-01-02/daily", {}),
        ("GET", f"/team-billing/gpuaas-pool/{TEAM}/2026-01-01/2026-01-02/daily", {}),
        ("GET", f"/team/{TEAM}", {}),
        ("GET", f"/instances/unified/{hold.instance_id}", {}),
        ("GET", f"/instances/unified/{hold.instance_id}/exposed-services", {}),
        ("PUT", f"/instance/{hold.instance_id}/stop", {}),
        ("DELETE", f"/instance/{hold.instance_id}", {}),
    ]


async def held_instance(w: World) -> tuple[Any, dict[str, Any]]:
    answer = await w.post("/service/i/create-instance", name="mine", pod_opts={"pool_id": 2, "vgpus": 1})
    assert answer.status_code == 200, answer.text
    hold = w.platform.held_by(TEAM, 2)
    assert hold is not None
    w.wait(700)
    await w.exposed(hold)
    answer = await w.get("/pods/expose-service/status", service_name="vllm", pool_subscription_id=hold.id)
    return hold, answer.json()


async def test_a_key_of_another_team_sees_and_changes_nothing() -> None:
    async with world(api_keys=KEYS) as w:
        w.client.headers["x-api-key"] = "ours"
        hold, service = await held_instance(w)
        before = (hold.leaving_us, hold.pods[0].is_stopped, list(w.platform.exposures.values()))
        for method, path, body in foreign_calls(hold, service):
            answer = await w.client.request(method, path, json=body or None, headers={"x-api-key": "theirs"})
            assert answer.status_code in (403, 404), (method, path, answer.text)
            assert hold.pods[0].name not in answer.text
        assert (hold.leaving_us, hold.pods[0].is_stopped, list(w.platform.exposures.values())) == before
        for path in ("/gpuaas/pool-subscription", "/gpuaas/connection-info", "/instances/unified"):
            answer = await w.client.get(path, params={"team_id": OTHER}, headers={"x-api-key": "theirs"})
            assert hold.pods[0].name not in answer.text


async def test_admin_calls_want_a_session_and_user_calls_a_key() -> None:
    async with world() as w:
        for endpoint in ENDPOINTS:
            if endpoint.name == "login":
                continue
            path = "/".join("1" if part.startswith("{") else part for part in endpoint.path)
            headers = {} if endpoint.who == ADMIN else {"x-api-key": "wrong"}
            answer = await w.client.request(endpoint.method, f"/{path}", headers=headers)
            assert answer.status_code == 401, endpoint
        for bad in ({}, {"username": "admin"}, {"username": "admin\n", "password": ""}, {**SIGN_IN, "password": None}):
            assert (await w.client.post("/login", json=bad)).status_code == 401


async def test_sessions_that_are_over_are_forgotten() -> None:
    async with world(session_us=60_000_000) as w:
        for _ in range(20):
            await w.signed_in()
            w.wait(30)
        assert len(w.platform.sessions) <= 3


@pytest.mark.parametrize("change", [{"port": 0}, {"port": 65_536}, {"service_name": ""}, {"service_name": 5}])
async def test_an_exposed_service_stays_one_that_can_be(change: dict[str, Any]) -> None:
    async with world() as w:
        hold = await w.subscribed()
        await w.exposed(hold)
        one = w.platform.exposures_of(hold)[0]
        answer = await w.client.put("/pods/update-exposed-service", json={"id": one.id, **change})
        assert answer.status_code == 400
        assert (one.pod_port, one.service_name) == (8_000, "vllm")


class NoPorts(CountedPorts):
    """A machine whose ports are all taken."""

    def open(self) -> int:
        raise OSError("too many open files")


async def test_a_machine_without_a_free_port_says_so() -> None:
    async with world() as w:
        hold = await w.subscribed()
        ports, w.platform.ports = w.platform.ports, NoPorts()
        body = {"pod_name": hold.pods[0].name, "port": 8_000, "service_name": "a", "service_type": "http"}
        answer = await w.post("/pods/expose-service", **body)
        assert (answer.status_code, answer.json()["message"]) == (500, "no node port is free")
        w.platform.ports = ports
        assert (await w.post("/pods/expose-service", **body)).status_code == 200


async def test_a_price_is_told_only_for_a_share_that_there_is() -> None:
    async with world() as w:
        body = {"pool_id": 2, "vgpus": 1, "duration_hours": 2}
        half = await w.post("/gpuaas/calculate-pool-subscription", **body, guaranteed_gpu_share_percent=50)
        assert half.json()["total_cost"] == 0.66
        third = await w.post("/gpuaas/calculate-pool-subscription", **body, guaranteed_gpu_share_percent=30)
        assert third.status_code == 400


async def test_a_pool_counts_the_cards_that_it_has_left() -> None:
    async with world(neighbours=()) as w:
        headers = await w.signed_in()
        pool = (await w.client.get("/gpuaas/pool/2", headers=headers)).json()
        assert pool["total_gpus"] == 2
        taken = {"gpu_uuids": [pool["gpus"][0]["uuid"], {}, None]}
        assert (await w.client.post("/gpuaas/pool/2/remove_gpus", json=taken, headers=headers)).status_code == 200
        assert (await w.client.get("/gpuaas/pool/2", headers=headers)).json()["total_gpus"] == 1
        rows = (await w.get("/service/i/compatible-gpu-pools")).json()
        assert [row["total_vgpus"] for row in rows if row["id"] == 2] == [4]


async def test_holds_that_are_gone_are_history_and_slow_nobody_down() -> None:
    async with world(unsubscribe_us=1_000_000) as w:
        for _ in range(30):
            hold = await w.subscribed(1)
            w.platform.unsubscribe(hold)
            w.wait(2)
        assert len(w.platform.holds) >= 30
        assert all(one.is_neighbour for one in w.platform.live_holds())


async def test_equal_seeds_and_calls_are_equal_answers_with_every_quirk_on() -> None:
    async def told(seed: int) -> list[tuple[int, bytes]]:
        async with world(seed=seed, quirks=in_service()) as w:
            answers: list[httpx.Response] = []
            for pool in (1, 2, 3, 2):
                answers.append(await w.post("/gpuaas/pool/subscribe", pool_id=pool, vgpus=1))
                w.wait(90)
                answers += [await w.get(path) for path in ("/gpuaas/pool-subscription", "/gpuaas/available-pools")]
            answers.append(await w.get(f"/team-billing/summary/{TEAM}/2026-01-01/2026-01-02"))
            return [(answer.status_code, answer.content) for answer in answers]

    first = await told(3)
    assert first == await told(3)
    assert first != await told(4)
