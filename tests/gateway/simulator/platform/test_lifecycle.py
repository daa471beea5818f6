"""A subscription's life: slots at once, the pod later, actions, the end, and what an operator sets up."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.platform.clock import VirtualClock
from gateway.simulator.platform.platform import Platform
from gateway.simulator.platform.quirks import in_service
from gateway.simulator.platform.records import ApiError
from gateway.simulator.platform.settings import PlatformSettings
from gateway.simulator.pools.parameters import Parameters
from tests.gateway.simulator.platform.platform_kit import SECOND, TEAM, world


async def test_from_subscribing_to_gone() -> None:
    async with world() as w:
        first = await w.post("/gpuaas/pool/subscribe", pool_id=2, vgpus=1)
        identity = first.json()["subscription_id"]
        (row,) = await w.rows()
        assert (row["id"], row["status"], row["pods"][0]["pod_status"]) == (identity, "subscribing", "Pending")
        w.wait(600)
        (row,) = await w.rows()
        assert (row["status"], row["pods"][0]["pod_status"]) == ("subscribed", "Running")
        assert row["pods"][0]["pod_name"].startswith("vanilla-worker-")
        assert row["pods"][0]["pod_name"].endswith("-pool2")

        answer = await w.post("/gpuaas/pool/unsubscribe", subscription_id=identity, pool_id=2)
        assert (answer.status_code, answer.content) == (200, b"")
        (row,) = await w.rows()
        assert (row["status"], row["pods"][0]["pod_status"]) == ("un_subscribing", "Terminating")
        w.wait(9)
        assert await w.rows() == []
        assert w.platform.cluster.free_slots(2) == 6


async def test_a_restarted_pod_comes_back_empty_and_a_stopped_one_waits() -> None:
    async with world() as w:
        hold = await w.subscribed()
        base = await w.exposed(hold)
        assert (await w.client.get(f"{base}/health")).status_code == 200
        name = {"pod_name": hold.pods[0].name, "pool_subscription_id": hold.id}

        assert (await w.post("/pods/action", **name, pod_action="restart")).json() == {"success": True}
        assert (await w.rows())[0]["pods"][0]["pod_status"] == "Pending"
        w.wait(21)
        assert (await w.rows())[0]["pods"][0]["pod_status"] == "Running"
        with pytest.raises(httpx.TransportError):
            await w.client.get(f"{base}/health")
        w.wait(31)
        assert (await w.client.get(f"{base}/health")).status_code == 200

        await w.post("/pods/action", **name, pod_action="stop")
        assert (await w.rows())[0]["pods"][0]["pod_status"] == "stopped"
        w.wait(600)
        assert (await w.rows())[0]["pods"][0]["pod_status"] == "stopped"
        await w.post("/pods/action", **name, pod_action="start")
        w.wait(60)
        assert (await w.client.get(f"{base}/health")).status_code == 200
        assert (await w.post("/pods/action", **name, pod_action="dance")).status_code == 400


async def test_a_failed_pod_keeps_its_row_and_can_be_restarted() -> None:
    async with world() as w:
        hold = await w.subscribed()
        w.platform.fail_pods(hold)
        (row,) = await w.rows()
        assert (row["status"], row["pods"][0]["pod_status"]) == ("subscribed", "Failed")
        body = {"pod_name": hold.pods[0].name, "pool_subscription_id": hold.id}
        await w.post("/pods/action", **body, pod_action="restart")
        w.wait(21)
        assert (await w.rows())[0]["pods"][0]["pod_status"] == "Running"


async def test_a_pod_that_is_pending_for_ten_minutes_is_deleted() -> None:
    slow = Parameters(provision_median_us=3_600 * SECOND, provision_sigma_ppm=0)
    async with world(parameters=slow, neighbours=()) as w:
        await w.post("/gpuaas/pool/subscribe", pool_id=2, vgpus=1)
        w.wait(590)
        assert (await w.rows())[0]["pods"][0]["pod_status"] == "Pending"
        w.wait(11)
        assert await w.rows() == []
        assert w.platform.cluster.free_slots(2) == 8


async def test_a_full_pool_refuses_and_a_private_one_has_one_team() -> None:
    async with world() as w:
        for number in range(6):
            body = {"team_id": f"team {number}", "pool_id": 2, "vgpus": 1}
            assert (await w.client.post("/gpuaas/pool/subscribe", json=body)).status_code == 200
        full = await w.post("/gpuaas/pool/subscribe", pool_id=2, vgpus=1)
        assert (full.status_code, full.json()["code"]) == (400, 10189007)
        await w.subscribed(1)
        body = {"team_id": "another", "pool_id": 1, "vgpus": 1}
        assert (await w.client.post("/gpuaas/pool/subscribe", json=body)).json()["code"] == 10189007
        pools = (await w.client.get("/gpuaas/available-pools?team_id=another")).json()
        assert [pool["id"] for pool in pools] == [3]


async def test_what_no_policy_admits_is_refused() -> None:
    async with world() as w:
        w.platform.bar(TEAM, 2)
        barred = await w.post("/gpuaas/pool/subscribe", pool_id=2, vgpus=1)
        assert (barred.status_code, barred.json()["code"]) == (500, 12370004)
        assert [pool["id"] for pool in (await w.get("/gpuaas/available-pools")).json()] == [1, 3]
        for pool in (1, 3):
            w.platform.bar(TEAM, pool)
        nothing = await w.get("/gpuaas/available-pools")
        assert (nothing.status_code, nothing.json()["code"]) == (500, 12370004)


async def test_an_instance_is_a_subscription_by_another_name() -> None:
    async with world() as w:
        answer = await w.post(
            "/service/i/create-instance",
            name="mine",
            pod_opts={"pool_id": 2, "vgpus": 1, "guaranteed_gpu_share_percent": 50},
        )
        identity = answer.json()["id"]
        assert identity.startswith("i-")
        assert (await w.get(f"/instance/{identity}")).json()["status"] == "pending"
        w.wait(600)
        row = (await w.get("/instances/unified")).json()
        assert (row["items"][0]["status"], row["status_counts"]) == ("running", [{"status": "running", "count": 1}])
        assert (await w.client.put(f"/instance/{identity}/stop")).json() == {"success": True}
        assert (await w.get(f"/instance/{identity}")).json()["status"] == "stopped"
        assert (await w.client.delete(f"/instance/{identity}")).status_code == 200
        w.wait(10)
        assert (await w.get(f"/instance/{identity}")).status_code == 404
        assert (await w.post("/service/i/create-instance", name="vm", vm_opts={})).status_code == 400


async def test_a_service_is_exposed_once_and_ends_with_its_pod() -> None:
    async with world() as w:
        hold = await w.subscribed()
        body = {"pod_name": hold.pods[0].name, "pool_subscription_id": hold.id, "port": 8000, "service_name": "vllm"}
        more = {"protocol": "TCP", "service_type": "http"}
        first, again = [(await w.post("/pods/expose-service", **body, **more)).json() for _ in range(2)]
        assert first == again
        changed = await w.client.put("/pods/update-exposed-service", json={"id": first["id"], "port": 9000})
        assert changed.json()["pod_port"] == 9000
        assert (await w.post("/pods/expose-service", **{**body, "port": 0}, **more)).status_code == 400
        other = (await w.post("/pods/expose-service", **{**body, "service_name": "ssh"}, **more)).json()
        assert (await w.client.delete(f"/pods/delete-exposed-service/{other['id']}")).status_code == 200
        assert (await w.client.delete(f"/pods/delete-exposed-service/{other['id']}")).status_code == 404
        await w.post("/gpuaas/pool/unsubscribe", subscription_id=hold.id, pool_id=2)
        with pytest.raises(httpx.ConnectError):
            await w.client.get(f"http://127.0.0.1:{first['node_port']}/health")


async def test_an_operator_makes_a_pool_and_takes_it_away() -> None:
    async with world() as w:
        admin = await w.signed_in()
        free = (await w.client.get("/gpuaas/1/pool/available_gpus", headers=admin)).json()["items"]
        uuids = [gpu["uuid"] for gpu in free[:2]]
        pool = {"pool_name": "new", "sharing_ratio": 2, "time_quantum_in_sec": 10, "attach_gpu_ids": uuids}
        made = await w.client.post(
            "/gpuaas/pool/create", json={"gpuaas_id": 1, "pool": {**pool, "security_level": "high"}}, headers=admin
        )
        assert (made.json()["id"], made.json()["sharing_ratio"], len(made.json()["gpus"])) == (4, 2, 2)
        again = await w.client.post("/gpuaas/pool/create", json={"gpuaas_id": 1, "pool": pool}, headers=admin)
        assert again.status_code == 400
        wrong = {**pool, "attach_gpu_ids": [free[2]["uuid"]], "sharing_ratio": 11}
        refused = await w.client.post("/gpuaas/pool/create", json={"gpuaas_id": 1, "pool": wrong}, headers=admin)
        assert refused.status_code == 400

        hold = await w.subscribed(4)
        teams = (await w.client.get("/gpuaas/pool/4/subscribed_teams", headers=admin)).json()
        assert [row["team_id"] for row in teams["data"]] == [TEAM]
        body = {"gpu_uuids": uuids}
        held = await w.client.post("/gpuaas/pool/4/remove_gpus", json=body, headers=admin)
        assert held.status_code == 400
        await w.post("/gpuaas/pool/unsubscribe", subscription_id=hold.id, pool_id=4)
        w.wait(10)
        # With cards in it a delete does nothing, and says so no more than one that works.
        for _ in range(2):
            deleted = await w.client.delete("/gpuaas/pool/4/delete", headers=admin)
            assert (deleted.status_code, deleted.content) == (200, b"")
            left = (await w.client.get("/gpuaas/pool/4", headers=admin)).status_code
            if left == 200:
                await w.client.post("/gpuaas/pool/4/remove_gpus", json=body, headers=admin)
        assert left == 404
        assert len((await w.client.get("/gpuaas/1/pool/available_gpus", headers=admin)).json()["items"]) == 4


async def test_a_team_can_be_made() -> None:
    async with world() as w:
        team = (await w.client.post("/team", json={"name": "new"})).json()
        assert (await w.client.get(f"/team/{team['id']}")).json()["team"]["name"] == "new"
        assert (await w.client.get("/team/none")).status_code == 404


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(0, 400)), max_size=25),
)
def test_slots_are_conserved_and_every_run_of_a_seed_is_the_same(seed: int, steps: list[tuple[int, int, int]]) -> None:
    def play() -> list[object]:
        clock = VirtualClock()
        platform = Platform(PlatformSettings(seed=seed, quirks=in_service()), clock)
        seen: list[object] = []
        for team, pool, wait_s in steps:
            held = platform.held_by(f"team {team}", pool)
            try:
                if held is None:
                    platform.subscribe(f"team {team}", pool, vgpus=1, share_percent=0)
                else:
                    platform.unsubscribe(held)
            except ApiError as refused:
                seen.append(refused.message)
            clock.advance(wait_s * SECOND)
            platform.pump.catch_up()
            seen.append([(hold.id, hold.pods[0].name, hold.gone_us) for hold in platform.holds.values()])
            for spec in platform.specs.values():
                held_slots = sum([len(one.subscription.cards) for one in platform.live_holds() if one.pool == spec.id])
                assert platform.cluster.free_slots(spec.id) == spec.slots - held_slots
        for hold in platform.live_holds():
            platform.unsubscribe(hold)
        clock.advance(901 * SECOND)
        platform.pump.catch_up()
        assert all(platform.cluster.free_slots(spec.id) == spec.slots for spec in platform.specs.values())
        return seen

    assert play() == play()
