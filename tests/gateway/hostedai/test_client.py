"""The panels' clients against the simulated platform over real HTTP: every call, plain and with every quirk on."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import httpx
import pytest

from gateway.adapters.host import SystemClock, SystemIds
from gateway.hostedai.admin import PoolRequest
from gateway.hostedai.client import HostedAiClient, Panel, SubscribeRequest
from gateway.hostedai.desk import DeskSettings, LeaseDesk
from gateway.hostedai.errors import (
    AlreadyHeld,
    HostedAiError,
    NoAccess,
    NoCapacity,
    NotAsked,
    NotAuthorised,
    NotValid,
    Unclear,
    Unreadable,
)
from gateway.hostedai.lease import Rules
from gateway.hostedai.lease_store import LeaseStore
from gateway.hostedai.settings import BEARER
from gateway.simulator.platform.faults import Fault
from gateway.simulator.platform.quirks import NAMES, Quirks, only
from gateway.simulator.platform.settings import DEFAULT_KEY
from gateway.simulator.pools.parameters import Parameters, PoolSpec
from tests.gateway.hostedai.lease_kit import EVERY_QUIRK, MILLION, TEAM, World, memory, world

QUICK = Parameters(provision_median_us=20 * MILLION)


async def lead_a_life(place: World, client: HostedAiClient) -> None:
    """Every call of the user panel once, in the order of a lease's life, whatever the answers look like."""
    (region,) = await client.regions(TEAM)
    offers = {pool.name: pool for pool in await client.available_pools(TEAM, region.gpuaas_id)}
    assert (offers["shared-4x"].hourly_usd_micros, offers["shared-4x"].available_vgpus) == (165_000, 8)
    ratios = {pool.name: pool.sharing_ratio for pool in await client.compatible_pools("", TEAM, region.id)}
    assert ratios == {"private-1x": 1, "shared-4x": 4, "shared-8x": 8}
    assert len(await client.all_pools()) == 3
    quote = await client.quote(2, TEAM, hours=2)
    assert (quote.hourly_usd_micros, quote.total_usd_micros, quote.currency) == (165_000, 330_000, "USD")
    with contextlib.suppress(Unclear):  # it may take longer than it is waited for; the rows say that it happened
        await client.subscribe(SubscribeRequest(2, TEAM, share_percent=25))
    await place.time.sleep(60 * MILLION)
    (held,) = await client.subscriptions(TEAM)
    assert (held.pool_id, held.team, held.is_leaving) == (2, TEAM, False)
    while not held.pods[0].is_running:
        await place.time.sleep(10 * MILLION)
        (held,) = await client.subscriptions(TEAM)
    await expose_and_act(place, client, held.id, held.pods[0].name)
    await place.time.sleep(1_000 * MILLION)
    await client.unsubscribe(held.id, TEAM, 2)
    await place.time.sleep(60 * MILLION)
    assert await client.subscriptions(TEAM) == []
    (usage,) = await client.metered(TEAM, "2026-01-01", "2026-01-02")
    bill = await client.bill(TEAM, "2026-01-01T00:00", "2026-01-02T00:00")
    assert usage.subscription_id == held.id
    assert bill.total_usd_micros == usage.usd_micros == bill.pools[0].usd_micros > 0
    assert await client.usage_graph(TEAM, 1_767_225_600, 1_767_232_800)


async def expose_and_act(place: World, client: HostedAiClient, hold: int, pod: str) -> None:
    """The calls about pods."""
    assert [one.name for one in await client.connection_info(TEAM, hold)] == [pod]
    with pytest.raises(HostedAiError):
        await client.exposed(hold, "serve")
    opened = await client.expose(pod, hold, port=8_000, name="serve")
    assert opened is not None
    assert opened.is_reachable
    again = await client.exposed(hold, "serve")
    assert again is not None
    assert again.base_url == opened.base_url
    await client.act_on_pod(pod, hold, "stop")
    await place.time.sleep(5 * MILLION)
    assert [one.is_broken for one in (await client.subscriptions(TEAM))[0].pods] == [True]
    await client.act_on_pod(pod, hold, "start")
    await place.time.sleep(200 * MILLION)


async def test_a_life_on_a_plain_platform() -> None:
    async with world(neighbours=(), parameters=QUICK) as place:
        await lead_a_life(place, place.client)


@pytest.mark.parametrize("quirk", [name for name in NAMES if getattr(EVERY_QUIRK, name)])
async def test_a_life_with_one_quirk_always(quirk: str) -> None:
    share = {"busy_503": 30}.get(quirk, 100)
    quirks = only(quirk, percent=share)
    async with world(quirks=quirks, neighbours=(), parameters=QUICK) as place:
        await lead_a_life(place, HostedAiClient(place.transport, place.time, patient(place)))


async def test_a_life_with_every_quirk() -> None:
    for seed in range(5):
        async with world(quirks=EVERY_QUIRK, neighbours=(), parameters=QUICK, seed=seed) as place:
            await lead_a_life(place, HostedAiClient(place.transport, place.time, patient(place)))


def patient(place: World) -> Panel:
    """A panel that is asked again as often as it is busy."""
    return Panel(place.url, DEFAULT_KEY, repeats=20)


async def test_the_key_goes_by_either_header_and_into_no_repr() -> None:
    async with world() as place:
        bearer = HostedAiClient(place.transport, place.time, Panel(place.url + "/api/", DEFAULT_KEY, BEARER))
        assert await bearer.regions(TEAM)
        wrong = HostedAiClient(place.transport, place.time, Panel(place.url, "nobody's"))
        with pytest.raises(NotAuthorised):
            await wrong.regions(TEAM)
        assert DEFAULT_KEY not in repr(Panel(place.url, DEFAULT_KEY))
        assert place.platform.settings.admin_password not in repr(place.admin)


async def test_refusals_are_told_apart() -> None:
    pools = (PoolSpec(1, "private-1x"), PoolSpec(2, "shared-4x", sharing_ratio=4))
    async with world(pools=pools, neighbours=(), quirks=Quirks(odd_statuses=100, resubscribe_409=100)) as place:
        client = place.client
        await client.subscribe(SubscribeRequest(1, TEAM))
        with pytest.raises(AlreadyHeld):
            await client.subscribe(SubscribeRequest(1, TEAM))
        with pytest.raises(NoCapacity):
            await client.subscribe(SubscribeRequest(1, "another"))
        with pytest.raises(NotValid):
            await client.subscribe(SubscribeRequest(2, TEAM, share_percent=30))
        place.platform.bar("barred", 1)
        place.platform.bar("barred", 2)
        with pytest.raises(NoAccess):
            await client.available_pools("barred", 1)


@pytest.mark.parametrize(
    "shape", ["hang", "hang_after", "drop", "drop_after", "error", "error_after", "busy", "garbage"]
)
async def test_a_change_that_may_have_happened_is_never_repeated(shape: str) -> None:
    async with world(neighbours=()) as place:
        place.platform.faults.add(Fault("subscribe", shape))
        before = place.time.monotonic_us()
        with pytest.raises(HostedAiError):
            await place.client.subscribe(SubscribeRequest(2, TEAM))
        assert place.time.monotonic_us() - before <= 15 * MILLION
        assert len(place.ours()) == int(shape in ("hang_after", "drop_after", "error_after", "garbage"))


async def test_other_teams_rows_never_get_through() -> None:
    async with world(quirks=only("leaking_rows", "ids_as_strings")) as place:
        assert await place.client.subscriptions(TEAM) == []
        assert await place.client.instances(TEAM) == []
        await place.client.subscribe(SubscribeRequest(2, TEAM))
        assert [row.team for row in await place.client.subscriptions(TEAM)] == [TEAM]


class Canned(httpx.AsyncBaseTransport):
    """A panel that answers as it is told, by the last part of the path."""

    def __init__(self, **answers: object) -> None:
        self._answers = answers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=self._answers[request.url.path.rpartition("/")[2].replace("-", "_")])


OURS = {"id": "7", "pool_id": "2", "team_id": TEAM, "status": "Subscribed", "pods": [{"pod_status": "Pending"}]}


@pytest.mark.parametrize(
    "theirs",
    [
        {**OURS, "team_id": "other"},
        {**OURS, "team_id": None},
        {"id": 7, "pool_id": 2, "status": "un_subscribing"},
        {"team_id": "other"},
        {"id": "seven", "pool_id": -1, "team_id": "other", "pods": [{}]},
        {},
    ],
)
async def test_whatever_is_wrong_with_others_rows_hides_none_of_ours(theirs: dict[str, object]) -> None:
    panel = Canned(pool_subscription={"items": [OURS, theirs], "total_pages": 1})
    (held,) = await HostedAiClient(panel, SystemClock(), Panel("http://panel.test")).subscriptions(TEAM, (7,))
    assert (held.id, held.pool_id, held.team, held.status, held.pods) == (7, 2, TEAM, "subscribed", ())


async def test_a_row_that_does_not_say_whose_it_is_counts_if_its_id_is_known_to_be_ours() -> None:
    untold = [{"id": one, "pool_id": 2, "status": "subscribed"} for one in ("7", 8, "eight")]
    panel = Canned(pool_subscription={"items": [*untold, {"id": 9, "pool_id": 3, "team_id": "other"}]})
    client = HostedAiClient(panel, SystemClock(), Panel("http://panel.test"))
    assert [(one.id, one.team) for one in await client.subscriptions(TEAM, (7, 9))] == [(7, TEAM)]
    assert await client.subscriptions(TEAM) == []


async def test_a_row_of_ours_that_cannot_be_read_is_no_row_that_is_gone() -> None:
    panel = Canned(pool_subscription={"items": [{**OURS, "id": "seven"}]})
    with pytest.raises(Unreadable):
        await HostedAiClient(panel, SystemClock(), Panel("http://panel.test")).subscriptions(TEAM)


@pytest.mark.parametrize(
    ("quote", "prices"),
    [
        ({"hourly_cost": "0.66", "total_cost": 1}, {1: 250_000, 2: 660_000, 3: 660_000}),
        ({"hourly_cost": -1, "total_cost": 1}, {1: 250_000}),
        ({"code": 10189007, "message": "no"}, {1: 250_000}),
    ],
)
async def test_a_pool_without_a_price_is_asked_for_one_and_not_leased_without(
    quote: dict[str, object], prices: dict[int, int]
) -> None:
    pools = [{"id": one, "pool_name": "shared-4x", "available_vgpus": 4} for one in (1, 2, 3)]
    panel = Canned(
        available_regions=[{"id": 1, "name": "here"}],
        available_pools=[pools[0] | {"pricing_hourly": "0.25"}, pools[1], pools[2] | {"pricing_hourly": "-2"}],
        compatible_gpu_pools=[],
        calculate_pool_subscription=quote,
    )
    async with memory() as database:
        client = HostedAiClient(panel, SystemClock(), Panel("http://panel.test"))
        desk = LeaseDesk(client, LeaseStore(database, Rules()), SystemClock(), SystemIds(), DeskSettings())
        found = {state.offer.id: state.offer.hourly_usd_micros for state in await desk.pools(TEAM)}
    assert found == prices


async def test_an_instance_is_made_and_deleted() -> None:
    for quirks in (Quirks(), only("bare_string_ids", "empty_success")):
        async with world(neighbours=(), quirks=quirks) as place:
            made = await place.client.create_instance(
                {"name": "one", "team_id": TEAM, "pod_opts": {"pool_id": 2, "vgpus": 1, "shared_volumes": []}}
            )
            assert [row["id"] for row in await place.client.instances(TEAM)] == [made]
            await place.client.delete_instance(made)
            await place.until(lambda: not place.ours())


async def test_nobody_there_means_that_nothing_was_asked() -> None:
    async with world() as place:
        gone = HostedAiClient(place.transport, place.time, Panel("http://127.0.0.1:1"))
        with pytest.raises(NotAsked):
            await gone.subscribe(SubscribeRequest(2, TEAM))


async def test_an_admin_makes_a_pool_once_and_deletes_it_for_sure() -> None:
    async with world(quirks=only("silent_admin_delete", "slot_rows", "list_shapes", percent=50)) as place:
        admin = place.admin
        ((gpuaas_id, _, status),) = await admin.clusters()
        free = await admin.free_gpus(gpuaas_id)
        request = PoolRequest(gpuaas_id, "fresh", 4, 30, (free[0].uuid, free[1].uuid), "medium")
        made = await admin.create_pool(request)
        assert (status, made.name, made.sharing_ratio, made.quantum_s) == ("GPUAAS_ACTIVE", "fresh", 4, 30)
        assert await admin.create_pool(request) == replace(made, slot_rows=(await admin.pool(made.id)).slot_rows)
        assert len([pool for pool in await admin.pools(gpuaas_id) if pool.name == "fresh"]) == 1
        await admin.remove_gpus(made.id, request.gpu_uuids)
        await admin.delete_pool(made.id)
        assert await admin.pool(made.id) is None
        assert await admin.regions()
        assert await admin.nodes(1)
        assert {one.team for one in await admin.holding_teams(2)} == {
            one.team for one in place.platform.live_holds() if one.pool == 2
        }


async def test_a_pool_whose_making_was_not_answered_is_looked_for() -> None:
    async with world() as place:
        (free, *_) = await place.admin.free_gpus(1)
        place.platform.faults.add(Fault("create_pool", "drop_after"))
        made = await place.admin.create_pool(PoolRequest(1, "fresh", 2, 30, (free.uuid,), "low"))
        assert made.name == "fresh"


async def test_a_session_that_ended_is_renewed_once() -> None:
    async with world() as place:
        await place.admin.clusters()
        place.platform.faults.add(Fault("clusters", "unauthorized"))
        assert await place.admin.clusters()
        place.platform.faults.add(Fault("clusters", "unauthorized", times=2))
        with pytest.raises(NotAuthorised):
            await place.admin.clusters()
