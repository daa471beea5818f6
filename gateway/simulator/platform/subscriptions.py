"""The user panel's calls about regions, pools and subscriptions."""

from __future__ import annotations

from typing import Any

from gateway.simulator.platform.billing import HOUR_US, held_us
from gateway.simulator.platform.calls import Call
from gateway.simulator.platform.forms import ACTION, LIST, Answer, Row, dollars
from gateway.simulator.platform.platform import GPUAAS_ID, REGION_ID, Platform
from gateway.simulator.platform.records import SUBSCRIBED, ApiError, Hold, pod_status_of, status_of
from gateway.simulator.pools.cluster import NO_ACCESS, Refused, slices_of
from gateway.simulator.pools.parameters import MILLION, PoolSpec
from worker.money import usd_text

_WINDOWS = {"last_5m": 300, "last_15m": 900, "last_1h": 3_600, "last_24h": 86_400, "last_7d": 604_800}
#: What the card of the model counts as, for the usage figures only.
_TFLOPS = 125


def available_regions(platform: Platform, call: Call) -> Answer:
    call.team()
    name = "name" if platform.dice.shows("field_names") else "region_name"
    row = {
        "id": REGION_ID,
        name: platform.settings.region,
        "city": "Nowhere",
        "country": "Simulated",
        "available_pools": len(platform.cluster.pools),
        "gpuaas_id": GPUAAS_ID,
    }
    return Answer([row], LIST)


def available_pools(platform: Platform, call: Call) -> Answer:
    team = call.team()
    if call.number("gpuaas_id", GPUAAS_ID) != GPUAAS_ID:
        raise ApiError(404, "gpuaas not found")
    late_us = 0
    if platform.dice.shows("slow_available_pools"):
        late_us = platform.dice.between("slow_available_pools", 15, 20) * MILLION
    pools = [pool for pool in platform.cluster.pools.values() if (team, pool.id) not in platform.cluster.barred]
    if not pools and platform.cluster.pools:
        refusal = platform.refusal(NO_ACCESS)
        if platform.dice.shows("error_in_200"):
            return Answer({"code": refusal.code, "message": refusal.message, "errors": []}, late_us=late_us)
        raise refusal
    rows = []
    for pool in pools:
        free = free_for(platform, team, pool)
        if free and platform.held_by(team, pool.id) is None:
            rows.append(
                {
                    "id": pool.id,
                    "pool_name": pool.name,
                    "pool_label": pool.name,
                    "gpu_model_type": pool.gpu_model,
                    "available_vgpus": free,
                    "pricing_hourly": usd_text(platform.slot_hourly(pool.id)),
                }
            )
    return Answer(rows, LIST, late_us=late_us)


def free_for(platform: Platform, team: str, pool: PoolSpec) -> int:
    """Slots that a team could take: none of a private pool that another one is in."""
    if pool.private and any(one.team != team for one in platform.cluster.live(pool.id)):
        return 0
    return platform.cluster.free_slots(pool.id)


def all_pools(platform: Platform, call: Call) -> Answer:
    name = "id" if platform.dice.shows("field_names") else "pool_id"
    rows = [
        {
            name: pool.id,
            "pool_name": pool.name,
            "gpuaas_id": GPUAAS_ID,
            "cluster_id": GPUAAS_ID,
            "region_id": REGION_ID,
            "region_name": platform.settings.region,
        }
        for pool in platform.cluster.pools.values()
    ]
    return Answer(rows, LIST)


def compatible_pools(platform: Platform, call: Call) -> Answer:
    team = call.team()
    rows = []
    for pool in platform.cluster.pools.values():
        if (team, pool.id) in platform.cluster.barred:
            continue
        ratio, free = pool.sharing_ratio, free_for(platform, team, pool)
        shares = [percent for percent in range(1, 101) if ratio * percent % 100 == 0]
        other = platform.dice.shows("field_names")
        rows.append(
            {
                "id": pool.id,
                "name" if other else "pool_name": pool.name,
                "gpu_model": pool.gpu_model,
                "available_vgpus": free,
                "total_vgpus": ratio * len(platform.cluster.cards[pool.id]),
                "scheduler_mode": "disabled" if ratio == 1 else "user_selected",
                "oversubscription_ratio" if other else "sharing_ratio": ratio,
                "available_tq_percentages": [] if ratio == 1 else shares,
                "scheduler_mode_settings": {
                    "locked_to_minimum_guarantee": False,
                    "default_minimum_guarantee": 100 // ratio,
                },
                "vram_gb": platform.settings.parameters.gpu_memory_mb // 1_000,
                "pool_source": "owned",
                "is_available": free > 0,
            }
        )
    return Answer(rows, LIST)


def max_vgpus(platform: Platform, call: Call) -> Answer:
    pool, slices = pool_of(platform, call), call.number("tq_slices", 1)
    if not 1 <= slices <= pool.sharing_ratio:
        raise ApiError(400, "tq_slices must be from 1 to the sharing ratio")
    if free_for(platform, call.team(), pool) == 0:
        return Answer(0)
    return Answer(platform.cluster.fitting_vgpus(pool.id, slices))


def pool_of(platform: Platform, call: Call) -> PoolSpec:
    """Raises: ApiError."""
    pool = platform.cluster.pools.get(call.number("pool_id"))
    if pool is None:
        raise ApiError(404, "pool not found")
    return pool


def calculate(platform: Platform, call: Call) -> Answer:
    call.team()
    pool, vgpus = pool_of(platform, call), call.number("vgpus")
    if not 1 <= vgpus <= 64:
        raise ApiError(400, "vgpus must be at least 1")
    try:
        slices = slices_of(pool.sharing_ratio, call.number("guaranteed_gpu_share_percent", 0))
    except Refused as refused:
        raise platform.refusal(refused.reason, str(refused)) from refused
    hourly = pool.hourly_usd_micros * slices * vgpus // pool.sharing_ratio
    hours = call.number("duration_hours", 1)
    value = {
        "total_cost": dollars(hourly * hours),
        "hourly_cost": dollars(hourly),
        "currency": "USD",
        "breakdown": {"gpu_cost": dollars(hourly * hours), "storage_cost": 0},
    }
    return Answer(value, has_figures=True)


def subscribe(platform: Platform, call: Call) -> Answer:
    team, pool = call.team(), pool_of(platform, call)
    held = platform.held_by(team, pool.id)
    if held is not None and held.leaving_us is None and not platform.dice.shows("resubscribe_409"):
        return Answer({"subscription_id": held.id})
    hold = platform.subscribe(
        team,
        pool.id,
        vgpus=call.number("vgpus", 1),
        share_percent=call.number("guaranteed_gpu_share_percent", 0),
        vip=call.body.get("is_vip_priority") is True,
    )
    hold.image_uuid, hold.instance_type_id = (
        f"{call.body.get(name, '')}" for name in ("image_uuid", "instance_type_id")
    )
    late_us = 0
    if platform.dice.shows("slow_subscribe"):
        late_us = platform.dice.between("slow_subscribe", 16, 40) * MILLION
    return Answer({"subscription_id": hold.id}, late_us=late_us, is_empty=platform.dice.shows("empty_subscribe"))


def unsubscribe(platform: Platform, call: Call) -> Answer:
    hold = own_hold(platform, call, call.number("subscription_id"))
    if hold.pool != call.number("pool_id", hold.pool):
        raise ApiError(404, "subscription not found")
    platform.unsubscribe(hold)
    return Answer({}, ACTION, is_empty=not platform.dice.shows("plain_ok"))


def own_hold(platform: Platform, call: Call, identity: int) -> Hold:
    """A hold of the team that the call is about. Raises: ApiError."""
    hold = platform.hold_of(identity)
    if hold.team != call.team():
        raise ApiError(404, "subscription not found")
    return hold


def list_subscriptions(platform: Platform, call: Call) -> Answer:
    window_s = _WINDOWS.get(call.query.get("metric_window", ""))
    holds = visible_holds(platform, call.team())
    page, per_page = call.number("page", 0), max(1, call.number("per_page", 100))
    rows = [_subscription(platform, hold, window_s) for hold in holds[page * per_page :][:per_page]]
    total = {"page": page, "per_page": per_page, "total_items": len(holds), "total_pages": -(-len(holds) // per_page)}
    return Answer(rows, LIST, page=total, wrapper="items")


def visible_holds(platform: Platform, team: str) -> list[Hold]:
    """What the lists show a team: its own rows, and at times those of others."""
    leaks = platform.dice.shows("leaking_rows")
    return [
        hold for hold in platform.live_holds() if hold.visible_us <= platform.now_us and (leaks or hold.team == team)
    ]


def _subscription(platform: Platform, hold: Hold, window_s: int | None) -> Row:
    pool, status = platform.specs[hold.pool], status_of(hold)
    if status == SUBSCRIBED and platform.dice.shows("status_words"):
        status = ("active", "running")[platform.dice.one_of("status_words", 2)]
    return {
        "id": hold.id,
        "pool_id": hold.pool,
        "team_id": hold.team,
        "pool_name": pool.name,
        "pool_label": pool.name,
        "gpu_count": hold.vgpus,
        "status": status,
        "region": {"region_name": platform.settings.region, "city": "Nowhere"},
        "storage_details": {"ephemeral_storage_gb": 10, "shared_volumes": []},
        "pods": [
            {
                "pod_name": pod.name,
                "pod_status": pod_status_of(hold, pod),
                "gpu_count": 1,
                "services": [
                    {
                        "name": one.service_name,
                        "type": one.service_type,
                        "port": one.node_port,
                        "ip": platform.settings.host,
                    }
                    for one in platform.exposures_of(hold)
                    if one.pod == pod.name
                ],
            }
            for pod in hold.pods
        ],
        "per_pod_info": {
            "image_name": "vllm-simulated",
            "image_uuid": hold.image_uuid,
            "vgpu_count": 1,
            "vcpu_count": 8,
            "ram_mb": 65_536,
        },
        "metrics": _usage(platform, hold, window_s),
    }


def _usage(platform: Platform, hold: Hold, window_s: int | None) -> Row:
    """Usage: memory in KB, whatever its name says; teraflops are the model's busy time times a card's."""
    now_us = platform.now_us
    since_us = 0 if window_s is None else now_us - window_s * MILLION
    tenants = [tenant for pod in hold.pods if (tenant := hold.tenant(pod)) is not None]
    memory = sum([tenant.allocated_mb for tenant in tenants if not tenant.failed and tenant.card is not None])
    busy_us = sum([tenant.held_us for tenant in tenants])
    return {
        "tflops_usage": busy_us * _TFLOPS // MILLION,
        "vram_usage": memory * 1_000,
        "pool_hours": held_us(hold, since_us, now_us, now_us) / HOUR_US,
    }


def connection_info(platform: Platform, call: Call) -> Answer:
    wanted = call.number("subscription_id", 0)
    rows = [_connection(platform, hold) for hold in visible_holds(platform, call.team()) if wanted in (0, hold.id)]
    return Answer(rows, LIST)


def _connection(platform: Platform, hold: Hold) -> Row:
    pods: list[dict[str, Any]] = []
    for pod in hold.pods:
        services = [
            {"name": one.service_name, "url": f"http://{platform.settings.host}:{one.node_port}"}
            for one in platform.exposures_of(hold)
            if one.pod == pod.name
        ]
        pods.append(
            {
                "pod_name": pod.name,
                "pod_status": pod_status_of(hold, pod),
                "ssh_info": {"cmd": f"ssh simulated@{platform.settings.host} -p 31999", "pass": "simulated"},
                "discovered_services": services,
            }
        )
    return {
        "id": hold.id,
        "team_id": hold.team,
        "pool_id": hold.pool,
        "pool_name": platform.specs[hold.pool].name,
        "region_id": REGION_ID,
        "pods": pods,
    }
