"""Faults made to happen: each kind at a call, over real HTTP and in process, with its effect or without it."""

from __future__ import annotations

import httpx
import pytest

from gateway.simulator.platform.app import create_platform
from gateway.simulator.platform.faults import BEFORE, KINDS, Fault, FaultError, Faults, faults_from_text
from gateway.simulator.platform.settings import DEFAULT_KEY
from gateway.simulator.platform.transport import PlatformTransport
from tests.gateway.simulator.platform.platform_kit import SECOND, TEAM, chat, world

BODY = {"pool_id": 2, "vgpus": 1, "team_id": TEAM}
STATUSES = {
    "refuse": 400, "no_access": 500, "conflict": 409, "unauthorized": 401, "not_found": 404, "error": 500,
    "error_after": 500, "busy": 503, "hang": 200, "hang_after": 200, "empty": 200, "empty_before": 200, "garbage": 200,
    "pod_fails": 200, "pod_pending": 200, "stuck": 200, "vanish": 200,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_a_fault_of_each_kind_at_subscribing(kind: str) -> None:
    async with world(faults=(Fault("subscribe", kind),)) as w:
        began = w.now_us
        if kind in STATUSES:
            answer = await w.client.post("/gpuaas/pool/subscribe", json=BODY)
            assert answer.status_code == STATUSES[kind]
            assert (answer.content == b"") == (kind in ("hang", "empty", "empty_before"))
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                await w.client.post("/gpuaas/pool/subscribe", json=BODY)
        assert (w.now_us - began >= 3_600 * SECOND) == kind.startswith("hang")
        held = w.platform.held_by(TEAM, 2)
        assert (held is None) == (kind in BEFORE or kind == "vanish")
        # It was the one call: the next is as usual.
        again = await w.client.post("/gpuaas/pool/subscribe", json=BODY)
        assert again.status_code == 200
        if kind == "pod_pending":
            w.wait(599)
            assert (await w.rows())[0]["pods"][0]["pod_status"] == "Pending"


async def test_a_pod_fails_a_row_sticks_and_another_vanishes() -> None:
    async with world() as w:
        hold = await w.subscribed()
        for kind, step in (("pod_fails", "subscriptions"), ("stuck", "unsubscribe")):
            w.platform.faults.add(Fault(step, kind))
        await w.rows()
        assert (await w.rows())[0]["pods"][0]["pod_status"] == "Failed"
        await w.post("/gpuaas/pool/unsubscribe", subscription_id=hold.id, pool_id=2)
        w.wait(600)
        assert (await w.rows())[0]["status"] == "un_subscribing"
        # Asked again after a while, the platform lets it go.
        await w.post("/gpuaas/pool/unsubscribe", subscription_id=hold.id, pool_id=2)
        assert await w.rows() == []


@pytest.mark.parametrize("kind", ["busy", "error", "unauthorized", "not_found", "refuse", "garbage", "empty", "drop"])
async def test_faults_of_a_pods_server(kind: str) -> None:
    async with world() as w:
        base = await w.exposed(await w.subscribed())
        w.platform.faults.add(Fault("inference", kind))
        if kind == "drop":
            with pytest.raises(httpx.RemoteProtocolError):
                await w.client.post(f"{base}/v1/chat/completions", json=chat())
        else:
            answer = await w.client.post(f"{base}/v1/chat/completions", json=chat())
            wanted = {"busy": 503, "error": 500, "unauthorized": 401, "not_found": 404, "refuse": 429}.get(kind, 200)
            assert answer.status_code == wanted
        assert (await w.client.post(f"{base}/v1/chat/completions", json=chat())).status_code == 200
        w.platform.faults.add(Fault("health", "busy"))
        assert (await w.client.get(f"{base}/health")).status_code == 503
        assert (await w.client.get(f"{base}/health")).status_code == 200


@pytest.mark.parametrize("kind", ["drop_after", "pod_fails"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_dies_while_it_answers(kind: str, stream: bool) -> None:
    async with world() as w:
        hold = await w.subscribed()
        base = await w.exposed(hold)
        w.platform.faults.add(Fault("inference", kind))
        with pytest.raises(httpx.RemoteProtocolError):
            await w.client.post(f"{base}/v1/chat/completions", json=chat(stream=stream))
        assert ((await w.rows())[0]["pods"][0]["pod_status"] == "Failed") == (kind == "pod_fails")


async def test_in_process_a_timeout_passes_on_the_platforms_clock() -> None:
    app = create_platform(faults=(Fault("subscribe", "hang_after"), Fault("subscriptions", "drop")))
    headers = {"x-api-key": DEFAULT_KEY}
    transport = PlatformTransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://panel/api", headers=headers) as client:
        began = app.platform.now_us
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/gpuaas/pool/subscribe", json=BODY, timeout=15)
        app.platform.pump.catch_up()
        assert app.platform.now_us - began == 15 * SECOND
        hold = app.platform.held_by(TEAM, 2)
        assert hold is not None
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"/gpuaas/pool-subscription?team_id={TEAM}")
        app.platform.clock.advance(700 * SECOND)  # type: ignore[attr-defined]
        name = {"pod_name": hold.pods[0].name, "service_name": "vllm", "service_type": "http", "protocol": "TCP"}
        port = (await client.post("/pods/expose-service", json={**name, "port": 8000})).json()["node_port"]
        pod = f"http://127.0.0.1:{port}"
        answer = await client.post(f"{pod}/v1/chat/completions", json=chat())
        assert answer.json()["model"].endswith("-simulated")
        whole = await client.post(f"{pod}/v1/chat/completions", json=chat(stream=True))
        assert whole.text.endswith("data: [DONE]\n\n")
        app.platform.faults.add(Fault("inference", "hang"))
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{pod}/v1/chat/completions", json=chat(), timeout=30)
        app.platform.faults.add(Fault("inference", "pod_fails"))
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(f"{pod}/v1/chat/completions", json=chat(stream=True))
        app.platform.unsubscribe(hold)
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{pod}/health")
        login = {"username": "admin", "password": "sim-admin-not-a-secret"}
        assert "token=" in (await client.post("/login", json=login)).headers["set-cookie"]


def test_a_fault_waits_for_its_call() -> None:
    faults = Faults(faults_from_text("subscribe:drop@2x2, subscribe:error, expose:busy@3"))
    assert [faults.take("subscribe") for _ in range(5)] == ["error", "drop", "drop", None, None]
    assert [faults.take("expose") for _ in range(4)] == [None, None, "busy", None]
    faults.add(Fault("expose", "drop"))
    faults.clear()
    assert faults.take("expose") is None


@pytest.mark.parametrize("text", ["", "subscribe", "subscribe:none", "subscribe:drop@0", "subscribe:dropx0", ":drop"])
def test_a_fault_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FaultError):
        faults_from_text(text)
