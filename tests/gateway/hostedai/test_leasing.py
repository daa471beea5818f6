"""Requests over leases: a pod is got when it is wanted, used, metered, billed, and given back when it is not needed."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from gateway.adapters.host import SystemIds
from gateway.hostedai.billing import reconcile
from gateway.hostedai.dialect import PROVIDER, LeaseSettings, leased_access
from gateway.hostedai.lease import Lease, State
from gateway.hostedai.lease_store import Use
from gateway.hostedai.leasing import Leasing
from gateway.settings import read_settings
from gateway.simulator.platform.faults import Fault
from gateway.simulator.pools.parameters import Parameters
from tests.gateway.hostedai.lease_kit import EVERY_QUIRK, MILLION, TEAM, World, world
from worker.routing.catalogue import Route
from worker.upstream import attempts
from worker.upstream.dispatch import Dispatcher, Reply, UpstreamLimits

QUICK = Parameters(provision_median_us=20 * MILLION)
MODEL = "llama-3.1-8b-instruct"


class Served:
    """Leasing over a platform, with the dispatcher that requests go through."""

    def __init__(self, place: World, state: Path, **settings: str) -> None:
        given = {
            "HOSTED_AI_DIALECT": "gpuaas",
            "HOSTED_AI_PANEL_URL": place.url,
            "HOSTED_AI_PANEL_KEY": "sim-key-not-a-secret",
            "HOSTED_AI_TEAM_ID": TEAM,
            "HOSTED_AI_API_KEY": "pods-own-key",
            **settings,
        }
        read = read_settings(given, {}, None)
        assert read.leases is not None
        self.leases: LeaseSettings = read.leases
        access = read.configuration.access
        self.leasing = Leasing(self.leases, state, place.transport, access[PROVIDER], place.time, SystemIds())
        self.dispatcher = Dispatcher(self.leasing.transport, leased_access(access, self.leases), UpstreamLimits())
        self.routes = read.configuration.catalogue

    def route(self, pool: str) -> Route:
        return self.routes.by_id[f"hosted-ai/{MODEL}@{pool}"]

    async def ask(self, pool: str, *, stream: bool = False) -> Reply:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "What is a vGPU?"}], "max_tokens": 20}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        reply = await self.dispatcher.send(self.route(pool), json.dumps(body).encode(), stream=stream)
        if reply.stream is not None:
            assert b"[DONE]" in b"".join([chunk async for chunk in reply.stream])
            await reply.aclose()
        return reply

    async def ask_until_served(self, place: World, pool: str) -> Reply:
        for _ in range(200):
            reply = await self.ask(pool)
            if reply.ended.cause == attempts.OK:
                return reply
            assert reply.ended.cause in (attempts.CONNECT, attempts.STATUS, attempts.BROKEN, attempts.TIMEOUT)
            await place.time.sleep(10 * MILLION)
        raise AssertionError("never served")

    async def only_lease(self) -> Lease:
        (lease,) = await self.leasing.store.all()
        return lease


async def test_a_pool_is_leased_when_it_is_wanted_and_given_back_when_nobody_uses_it(tmp_path: Path) -> None:
    async with world(neighbours=(), parameters=QUICK) as place:
        served = Served(place, tmp_path)
        await served.leasing.start()
        first = await served.ask("shared-4x")
        assert (first.ended.cause, first.ended.unbilled) == (attempts.CONNECT, True)
        reply = await served.ask_until_served(place, "shared-4x")
        assert reply.answer is not None
        assert (await served.ask("shared-4x", stream=True)).ended.cause == attempts.OK
        lease = await served.only_lease()
        assert (lease.state, lease.pool_name, lease.share_percent) == (State.HELD, "shared-4x", 25)
        await place.until(lambda: not place.ours())
        await place.time.sleep(60 * MILLION)
        ended = await served.only_lease()
        assert (ended.state, ended.reason) == (State.GONE, "idle")
        uses = await served.leasing.store.uses()
        assert [use.token for use in uses] == [ended.token] * 2
        assert all(use.input_tokens and use.output_tokens and use.held_us for use in uses)
        assert uses[0].request_id == reply.answer["id"]
        metered = await served.leasing.desk._client.metered(TEAM, "2026-01-01", "2026-01-02")
        bill = await served.leasing.desk._client.bill(TEAM, "2026-01-01T00:00", "2026-01-02T00:00")
        charges = await served.leasing.store.charges()
        found = reconcile([ended], charges, uses, metered, bill, place.time.now_us())
        assert found.is_explained
        (line,) = found.lines
        assert (line.requests, line.requests_usd_micros) == (2, sum([use.usd_micros for use in uses]))
        assert 0 < line.requests_usd_micros < line.ours_usd_micros
        await served.leasing.stop()


async def test_with_every_quirk_requests_are_served_in_the_end(tmp_path: Path) -> None:
    async with world(quirks=EVERY_QUIRK, parameters=QUICK) as place:
        served = Served(place, tmp_path)
        await served.leasing.start()
        for pool in ("private-1x", "shared-8x"):
            await served.ask_until_served(place, pool)
        assert sorted(hold.pool for hold in place.ours()) == [1, 3]
        await served.leasing.stop()


async def test_a_pod_that_fails_is_given_back_and_replaced(tmp_path: Path) -> None:
    async with world(neighbours=(), parameters=QUICK) as place:
        served = Served(place, tmp_path)
        await served.leasing.start()
        await served.ask_until_served(place, "shared-4x")
        place.platform.fail_pods(place.ours()[0])
        await place.time.sleep(120 * MILLION)
        await served.ask_until_served(place, "shared-4x")
        leases = await served.leasing.store.all()
        assert [lease.state for lease in leases] == [State.FAILED, State.HELD]
        assert leases[1].token > leases[0].token
        await served.leasing.stop()


async def test_a_pod_that_is_reached_elsewhere_now_is_found_again(tmp_path: Path) -> None:
    """Its old port may be another team's by now: nothing more goes there."""
    async with world(neighbours=(), parameters=QUICK) as place:
        served = Served(place, tmp_path)
        await served.leasing.start()
        await served.ask_until_served(place, "shared-4x")
        before = await served.only_lease()
        (exposure,) = place.platform.exposures_of(place.ours()[0])
        place.platform.unexpose(exposure.id)
        other = place.platform.ports.open()  # whoever comes next gets the port that was given up
        await place.time.sleep(120 * MILLION)
        assert (await served.ask("shared-4x")).ended.cause == attempts.OK
        after = await served.only_lease()
        assert (after.state, after.reason) == (State.HELD, "")
        assert (after.base_url != before.base_url) == (after.token > before.token)
        place.platform.ports.close(other)
        await served.leasing.stop()


async def test_a_lease_is_not_idle_while_an_answer_is_on_its_way(tmp_path: Path) -> None:
    async with world(neighbours=(), parameters=QUICK) as place:
        served = Served(place, tmp_path, HOSTED_AI_LEASE_IDLE_S="60")
        await served.leasing.start()
        await served.ask_until_served(place, "shared-4x")
        keeper = served.leasing.keeper
        assert not any(keeper._running.values()), "an answer that has ended runs no more"
        keeper.begun("shared-4x")
        await place.time.sleep(4_000 * MILLION)
        lease = await served.only_lease()
        assert lease.state in (State.HELD, State.RENEWING)
        now_us = place.time.now_us()
        keeper.used("shared-4x", Use(lease.id, "", lease.token, now_us - MILLION, now_us, MILLION, 45, 1, 1))
        await place.until(lambda: not place.ours())
        await place.time.sleep(60 * MILLION)
        assert (await served.only_lease()).reason == "idle"
        await served.leasing.stop()


async def test_on_a_panel_that_does_not_say_whose_rows_are_the_own_ones_are_known_by_their_number(
    tmp_path: Path,
) -> None:
    class Untold(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await place.transport.handle_async_request(request)
            if not request.url.path.endswith("/pool-subscription"):
                return response
            told = json.loads(await response.aread())
            await response.aclose()
            for row in told["items"]:
                del row["team_id"]
            return httpx.Response(response.status_code, json=told)

    async with world(parameters=QUICK) as place:
        served = Served(place, tmp_path)
        served.leasing.desk._client._calls._transport = Untold()
        await served.leasing.start()
        await served.ask_until_served(place, "shared-4x")
        await place.until(lambda: not place.ours())
        await place.time.sleep(60 * MILLION)
        lease = await served.only_lease()
        assert (lease.state, lease.reason) == (State.GONE, "idle")
        await served.leasing.stop()


async def test_a_surprise_is_tried_again_after_a_pause(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with world(neighbours=(), parameters=QUICK) as place:
        served = Served(place, tmp_path)
        healthy, surprises = served.leasing.driver._health, []

        async def surprising(base_url: str) -> bool:
            if len(surprises) < 3:
                surprises.append(place.time.now_us())
                raise RuntimeError("a key that must not be logged")
            return await healthy(base_url)

        served.leasing.driver._health = surprising
        await served.leasing.start()
        await served.ask_until_served(place, "shared-4x")
        first, second, third = surprises
        assert second - first >= MILLION <= third - second
        assert "RuntimeError" in caplog.text
        assert "must not be logged" not in caplog.text
        await served.leasing.stop()


async def test_after_a_restart_the_same_lease_serves_on(tmp_path: Path) -> None:
    async with world(neighbours=(), parameters=QUICK) as place:
        before = Served(place, tmp_path)
        await before.leasing.start()
        await before.ask_until_served(place, "shared-4x")
        await before.leasing.stop()
        after = Served(place, tmp_path)
        await after.leasing.start()
        await place.time.sleep(5 * MILLION)
        assert (await after.ask("shared-4x")).ended.cause == attempts.OK
        lease = await after.only_lease()
        assert (lease.state, lease.asked, len(place.ours())) == (State.HELD, 1, 1)
        await after.leasing.stop()


async def test_of_two_processes_one_drives_and_both_serve(tmp_path: Path) -> None:
    async with world(neighbours=(), parameters=QUICK) as place:
        one, other = Served(place, tmp_path), Served(place, tmp_path)
        await one.leasing.start()
        await place.time.sleep(2 * MILLION)
        await other.leasing.start()
        assert (await other.ask("shared-4x")).ended.cause == attempts.CONNECT
        await one.ask_until_served(place, "shared-4x")
        await place.time.sleep(5 * MILLION)
        assert (await other.ask("shared-4x")).ended.cause == attempts.OK
        assert (one.leasing.driver.steers, other.leasing.driver.steers) == (True, False)
        await one.leasing.stop()
        await place.time.sleep(60 * MILLION)
        assert other.leasing.driver.steers
        assert (await other.ask("shared-4x")).ended.cause == attempts.OK
        assert len(place.ours()) == 1
        await other.leasing.stop()


async def test_a_pod_is_told_the_pods_key_and_never_the_panels(tmp_path: Path) -> None:
    heads: list[httpx.Headers] = []

    class Listening(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.startswith("/v1/"):
                heads.append(request.headers)
            return await place.transport.handle_async_request(request)

    async with world(neighbours=(), parameters=QUICK) as place:
        inner, place.transport = place.transport, Listening()
        listening, place.transport = place.transport, inner
        place.platform.faults.add(Fault("subscriptions", "unauthorized", 3))
        served = Served(place, tmp_path)
        served.leasing.transport._inner = listening
        await served.leasing.start()
        await served.ask_until_served(place, "shared-4x")
        await served.leasing.stop()
    assert heads
    for head in heads:
        assert head["authorization"] == "Bearer pods-own-key"
        assert "x-api-key" not in head
        assert "x-harpoon-pool" not in head


async def test_a_budget_that_is_used_up_ends_leases(tmp_path: Path) -> None:
    async with world(neighbours=(), parameters=QUICK) as place:
        served = Served(place, tmp_path, HOSTED_AI_LEASE_BUDGET_USD="0.1", HOSTED_AI_LEASE_IDLE_S="86400")
        await served.leasing.start()
        await served.ask_until_served(place, "shared-4x")
        await place.until(lambda: not place.ours())
        await place.time.sleep(60 * MILLION)
        first, *_ = await served.leasing.store.all()
        assert first.reason == "no_budget"
        assert await served.leasing.store.spent("gateway") <= 100_000
        await served.leasing.stop()


async def test_one_pool_by_its_number_is_the_only_one_leased(tmp_path: Path) -> None:
    async with world(neighbours=(), parameters=QUICK) as place:
        served = Served(place, tmp_path, HOSTED_AI_POOL_ID="3", HOSTED_AI_OVERCOMMIT="4")
        await served.leasing.start()
        await served.ask_until_served(place, "3")
        assert [hold.pool for hold in place.ours()] == [3]
        await served.leasing.stop()
