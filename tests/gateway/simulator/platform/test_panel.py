"""Every endpoint over real HTTP: its shape, who may call it, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.simulator.platform.routes import ADMIN, ENDPOINTS, USER, find
from tests.gateway.simulator.platform.platform_kit import TEAM, world

PERIOD = "2026-01-01T00:00/2026-01-02T00:00"
POOL = {"id", "pool_name", "pool_label", "gpu_model_type", "available_vgpus", "pricing_hourly"}
SUBSCRIPTION = {"id", "pool_id", "team_id", "pool_name", "status", "region", "pods", "per_pod_info", "metrics"}
EXPOSED = {"id", "pod_name", "team_id", "service_name", "ip", "node_port", "pod_port", "protocol", "status"}
ADMIN_POOL = {
    "id",
    "gpuaas_id",
    "pool_name",
    "sharing_ratio",
    "time_quantum_in_sec",
    "status",
    "gpus",
    "security_level",
}
REGION = {"id", "region_name", "city", "status", "accelerator_type"}
GPU = {"id", "uuid", "vendor", "gpu_model", "memory_in_mb", "gpuaas_node_id", "assignment_status"}
NODE = {"Id", "name", "region_id", "role", "gpus", "initialize_state_status_code"}
INSTANCE = {"id", "name", "created_at", "status", "nature", "ip", "team", "region", "pod_info"}
BILL = {"total_cost", "total_hours", "pool_hours", "gpuaas_summary", "instance_billing_summary", "currency"}

#: Name, path (with what is filled in), body, and the members of the answer: of its rows where it has a wrapper or is
#: bare ("[]").
USER_CALLS: list[tuple[str, str, dict[str, Any] | None, str, set[str]]] = [
    ("available_regions", "/gpuaas/available-regions", None, "[]", {"id", "region_name", "gpuaas_id"}),
    ("compatible_regions", "/service/i/compatible-regions?service_id=s", None, "[]", {"id", "region_name"}),
    ("accessible_regions", "/service/i/team-accessible-regions", None, "[]", {"id", "region_name"}),
    ("available_pools", "/gpuaas/available-pools?gpuaas_id=1", None, "[]", POOL),
    ("all_pools", "/gpuaas/all-pools", None, "[]", {"pool_id", "pool_name", "gpuaas_id", "region_id"}),
    (
        "compatible_pools",
        "/service/i/compatible-gpu-pools?service_id=s&region_id=1",
        None,
        "[]",
        {"id", "scheduler_mode", "sharing_ratio", "available_tq_percentages", "scheduler_mode_settings"},
    ),
    (
        "calculate",
        "/gpuaas/calculate-pool-subscription",
        {"pool_id": 2, "vgpus": 2, "duration_hours": 24},
        "",
        {"total_cost", "hourly_cost", "currency", "breakdown"},
    ),
    ("subscriptions", "/gpuaas/pool-subscription?page=0&per_page=100", None, "items", SUBSCRIPTION),
    ("connection_info", "/gpuaas/connection-info", None, "[]", {"id", "pool_name", "region_id", "pods"}),
    ("expose_status", "/pods/expose-service/status?service_name=vllm&pool_subscription_id=HOLD", None, "", EXPOSED),
    ("instances", "/instances/unified?page=0&per_page=10", None, "items", INSTANCE),
    ("instance_detail", "/instances/unified/INSTANCE", None, "", INSTANCE),
    ("instance", "/instance/INSTANCE", None, "", INSTANCE),
    (
        "metrics",
        f"/gpuaas/{TEAM}/metrics?start_date=2026-01-01&end_date=2026-01-02",
        None,
        "items",
        {"id", "subscription_id", "pool_name", "hours_used", "cost", "start_time", "end_time", "status"},
    ),
    (
        "metrics_graph",
        f"/gpuaas/{TEAM}/metrics-graph?start_timestamp=1767225600&end_timestamp=1767232800&granularity=1h",
        None,
        "data",
        {"timestamp", "value", "tflops", "hours"},
    ),
    ("billing_summary", f"/team-billing/summary/{TEAM}/{PERIOD}", None, "", BILL),
    ("billing", f"/team-billing/{TEAM}/{PERIOD}/daily", None, "", {"result", "total_cost", "total_hours", "instances"}),
    ("team", f"/team/{TEAM}", None, "", {"team"}),
]
ADMIN_CALLS: list[tuple[str, str, str, set[str]]] = [
    ("regions", "/regions", "[]", REGION),
    ("region", "/regions/1", "region", REGION),
    ("clusters", "/gpuaas", "[]", {"id", "region_id", "status"}),
    ("cluster", "/gpuaas/1", "", {"id", "region_id", "status"}),
    ("nodes", "/gpuaas/node/list?region_id=1", "[]", NODE),
    ("node", "/gpuaas/node/1", "", NODE),
    ("pools", "/gpuaas/1/pool/list", "[]", ADMIN_POOL),
    ("pool", "/gpuaas/pool/2", "", ADMIN_POOL),
    ("available_gpus", "/gpuaas/1/pool/available_gpus", "items", GPU),
    ("all_gpus", "/gpuaas/1/pool/all_gpus", "[]", GPU | {"pool_id"}),
    (
        "subscribed_teams",
        "/gpuaas/pool/2/subscribed_teams?page=0&limit=10",
        "data",
        {"team_id", "team_name", "total_ram_mb", "total_tflops", "status"},
    ),
]


def rows_in(value: Any, wrapper: str) -> dict[str, Any]:
    found = value if wrapper in ("", "[]") else value[wrapper]
    if wrapper in ("", "region"):
        assert isinstance(found, dict)
        return found
    assert isinstance(found, list)
    assert found
    first: dict[str, Any] = found[0]
    return first


async def test_every_read_of_the_user_panel_has_its_shape() -> None:
    async with world() as w:
        hold = await w.subscribed()
        await w.exposed(hold)
        instance = (
            await w.post("/service/i/create-instance", name="mine", pod_opts={"pool_id": 3, "vgpus": 1})
        ).json()["id"]
        w.wait(600)
        for name, path, body, wrapper, members in USER_CALLS:
            path = path.replace("HOLD", str(hold.id)).replace("INSTANCE", instance)
            path += ("&" if "?" in path else "?") + f"team_id={TEAM}"
            answer = await (w.client.get(path) if body is None else w.post(path, **body))
            assert answer.status_code == 200, (name, answer.text)
            assert answer.headers["x-harpoon-simulated"] == "1"
            assert members <= set(rows_in(answer.json(), wrapper)), name
        services = (await w.get(f"/instances/unified/{instance}/exposed-services")).json()
        assert services == []
        assert (await w.get("/service/i/pool-max-vgpus-at-tq-slice", pool_id=2, tq_slices=2)).json() == 2


async def test_every_read_of_the_admin_panel_has_its_shape() -> None:
    async with world() as w:
        admin = await w.signed_in()
        for name, path, wrapper, members in ADMIN_CALLS:
            answer = await w.client.get(path, headers=admin)
            assert answer.status_code == 200, (name, answer.text)
            assert members <= set(rows_in(answer.json(), wrapper)), name


def test_every_endpoint_is_in_a_table_or_a_test_of_its_own() -> None:
    own = {
        "max_vgpus", "subscribe", "unsubscribe", "pod_action", "expose", "unexpose", "update_exposed", "create_pool",
        "remove_gpus", "delete_pool", "create_instance", "delete_instance", "instance_action", "instance_services",
        "create_team", "login", "billing_pools",
    }  # fmt: skip
    known = own | {call[0] for call in USER_CALLS} | {call[0] for call in ADMIN_CALLS}
    assert {endpoint.name for endpoint in ENDPOINTS} == known


def test_each_path_leads_to_its_endpoint_and_no_other() -> None:
    for endpoint in ENDPOINTS:
        path = "/".join("x" if part.startswith("{") else part for part in endpoint.path)
        found = find(endpoint.method, f"/{path}")
        assert not isinstance(found, str)
        assert found[0].name == endpoint.name
    assert find("PATCH", "/gpuaas/all-pools") == "method"
    assert find("GET", "/nothing/here") == "path"
    assert find("GET", "/instance/") == "path"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.name}-{one.method}")
async def test_nobody_gets_in_without_what_opens_it(endpoint: Any) -> None:
    if endpoint.who not in (USER, ADMIN):
        return
    async with world() as w:
        path = "/" + "/".join("1" if part.startswith("{") else part for part in endpoint.path)
        wrong = {} if endpoint.who == ADMIN else {"x-api-key": "", **await w.signed_in()}
        answer = await w.client.request(endpoint.method, path, headers=wrong)
        assert answer.status_code == 401
        if endpoint.who == USER:
            bearer = {"x-api-key": "", "authorization": "Bearer sim-key-not-a-secret"}
            assert (await w.client.request(endpoint.method, path, headers=bearer)).status_code != 401


async def test_a_session_ends_and_a_wrong_password_opens_nothing() -> None:
    async with world() as w:
        answer = await w.client.post("/login", json={"username": "admin", "password": "guess"})
        assert answer.status_code == 401
        answer = await w.client.post("/login", json={"username": "admin", "password": "sim-admin-not-a-secret"})
        cookie = {"cookie": answer.headers["set-cookie"].split(";")[0]}
        assert (await w.client.get("/regions", headers=cookie)).status_code == 200
        w.wait(3_601)
        assert (await w.client.get("/regions", headers=cookie)).status_code == 401


async def test_a_key_acts_for_its_teams_only() -> None:
    async with world(api_keys={"sim-key-not-a-secret": frozenset({"theirs"})}) as w:
        assert (await w.get("/gpuaas/pool-subscription")).status_code == 403
        assert (await w.client.get("/gpuaas/pool-subscription?team_id=theirs")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/gpuaas/pool/subscribe", b"{", 400),
        ("POST", "/gpuaas/pool/subscribe", b"[]", 400),
        ("POST", "/gpuaas/pool/subscribe", b'{"pool_id":2}', 400),
        ("POST", "/gpuaas/pool/subscribe", b'{"team_id":"t","pool_id":"x"}', 400),
        ("POST", "/gpuaas/pool/subscribe", b'{"team_id":"t","pool_id":99}', 404),
        ("POST", "/gpuaas/pool/subscribe", b'{"team_id":"t","pool_id":2,"vgpus":0}', 400),
        ("POST", "/gpuaas/pool/subscribe", b'{"team_id":"t","pool_id":2,"guaranteed_gpu_share_percent":30}', 400),
        ("POST", "/gpuaas/pool/unsubscribe", b'{"team_id":"t","subscription_id":1}', 404),
        ("POST", "/pods/action", b'{"pod_name":"none","pod_action":"stop"}', 404),
        ("POST", "/pods/expose-service", b'{"pod_name":"none"}', 404),
        ("GET", "/team-billing/summary/t/yesterday/2026-01-01", b"", 200),
        ("GET", f"/team-billing/summary/{TEAM}/2026-01-02/2026-01-01", b"", 400),
        ("GET", f"/team-billing/summary/{TEAM}/2026-13-01/2026-01-01", b"", 400),
        ("GET", f"/team-billing/{TEAM}/2026-01-01/2026-01-02/yearly", b"", 400),
        ("GET", "/gpuaas/nothing", b"", 401),
        ("GET", "/nothing", b"", 404),
        ("DELETE", "/gpuaas/all-pools", b"", 405),
    ],
)
async def test_what_cannot_be_answered_is_an_error_object(method: str, path: str, content: bytes, status: int) -> None:
    async with world() as w:
        await w.subscribed()
        answer = await w.client.request(method, path, content=content)
        assert answer.status_code == status, answer.text
        if status != 200:
            assert set(answer.json()) == {"code", "message", "errors"}
        else:
            assert answer.json()["result"] == "FAILURE"


async def test_outside_the_panels_there_is_a_hint() -> None:
    async with world() as w:
        answer = await w.client.get(f"{w.server.url}/")
        assert (answer.status_code, "/api" in answer.json()["error"]) == (404, True)
        assert (await w.client.get(f"{w.server.url}/pods/none/health")).status_code == 503
