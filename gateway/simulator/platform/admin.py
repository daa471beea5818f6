"""The admin panel's calls: what it takes to set pools up, and to see who is in them."""

from __future__ import annotations

from gateway.simulator.platform.billing import date_of
from gateway.simulator.platform.calls import Call
from gateway.simulator.platform.forms import LIST, Answer, Row
from gateway.simulator.platform.platform import GPUAAS_ID, REGION_ID, Platform
from gateway.simulator.platform.records import ApiError, status_of
from gateway.simulator.pools.parameters import MILLION, ParameterError, PoolSpec

_NODE_ID = 1
_USUAL_QUANTUM_S = 30


def regions(platform: Platform, call: Call) -> Answer:
    return Answer([_region(platform)], LIST)


def region(platform: Platform, call: Call) -> Answer:
    if call.number("id") != REGION_ID:
        raise ApiError(404, "region not found")
    return Answer({"region": _region(platform)})


def _region(platform: Platform) -> Row:
    return {
        "id": REGION_ID,
        "region_name": platform.settings.region,
        "address": "",
        "city": "Nowhere",
        "country": "Simulated",
        "country_code": "",
        "zipcode": "",
        "lat": 0,
        "lng": 0,
        "status": {"gpuaas": "enabled", "compute": "none"},
        "accelerator_type": "gpu",
        "support_rdma": "",
    }


def clusters(platform: Platform, call: Call) -> Answer:
    return Answer([_cluster(platform)], LIST)


def cluster(platform: Platform, call: Call) -> Answer:
    _check_gpuaas(call)
    return Answer(_cluster(platform))


def _cluster(platform: Platform) -> Row:
    began = date_of(platform.settings.epoch_us)
    times = {"created_at": began, "updated_at": began, "deleted_at": None}
    return {"id": GPUAAS_ID, "region_id": REGION_ID, **times, "k8s_api_server_port": 6443, "status": "GPUAAS_ACTIVE"}


def _check_gpuaas(call: Call) -> None:
    if call.number("gpuaas_id") != GPUAAS_ID:
        raise ApiError(404, "gpuaas not found")


def nodes(platform: Platform, call: Call) -> Answer:
    return Answer([_node(platform)] if call.number("region_id", REGION_ID) == REGION_ID else [], LIST)


def node(platform: Platform, call: Call) -> Answer:
    if call.number("id") != _NODE_ID:
        raise ApiError(404, "node not found")
    return Answer(_node(platform))


def _node(platform: Platform) -> Row:
    return {
        "Id": _NODE_ID,
        "name": "sim-node-1",
        "region_id": REGION_ID,
        "node_ip": platform.settings.host,
        "initialize_state_status_code": 2,
        "k8s_join_state_status_code": 2,
        "role": {"is_controller_node": True, "is_worker_node": True},
        "gpus": [_gpu(platform, uuid) for uuid in platform.cards],
        "total_memory_in_mb": 1_572_864,
        "cores": 128,
        "cpu_model": "simulated",
    }


def _gpu(platform: Platform, uuid: str) -> Row:
    pool = platform.cards[uuid]
    position = list(platform.cards).index(uuid)
    return {
        "id": position + 1,
        "gpu_id": f"{position}",
        "uuid": uuid,
        "vendor": "NVIDIA",
        "gpu_model": platform.specs[pool].gpu_model if pool else "RTX PRO 6000",
        "memory_in_mb": platform.settings.parameters.gpu_memory_mb,
        "gpuaas_node_id": _NODE_ID,
        "assignment_status": "assigned" if pool else "unassigned",
    }


def available_gpus(platform: Platform, call: Call) -> Answer:
    _check_gpuaas(call)
    return Answer([_gpu(platform, uuid) for uuid, pool in platform.cards.items() if not pool], LIST, wrapper="items")


def all_gpus(platform: Platform, call: Call) -> Answer:
    _check_gpuaas(call)
    rows = [{**_gpu(platform, uuid), "pool_id": pool or None} for uuid, pool in platform.cards.items()]
    return Answer(rows, LIST)


def create_pool(platform: Platform, call: Call) -> Answer:
    _check_gpuaas(call)
    inner = call.body.get("pool")
    if not isinstance(inner, dict):
        raise ApiError(400, "pool is required")
    wanted, uuids = Call({}, {}, inner), inner.get("attach_gpu_ids")
    if not isinstance(uuids, list) or not uuids or any(platform.cards.get(f"{uuid}") != 0 for uuid in uuids):
        raise ApiError(400, "attach_gpu_ids must name GPUs of no pool")
    identity = max([0, *platform.specs]) + 1
    try:
        spec = PoolSpec(
            identity,
            wanted.text("pool_name"),
            len(set(uuids)),
            wanted.number("sharing_ratio", 1),
            wanted.number("time_quantum_in_sec", _USUAL_QUANTUM_S) * MILLION,
            security_level=f"{inner.get('security_level', 'low')}",
        )
    except ParameterError as problem:
        raise ApiError(400, f"{problem}") from problem
    platform.cluster.add_pool(spec)
    platform.specs[identity] = spec
    for uuid in uuids:
        platform.cards[uuid] = identity
    return Answer(_pool(platform, spec))


def pools(platform: Platform, call: Call) -> Answer:
    _check_gpuaas(call)
    return Answer([_pool(platform, spec) for spec in platform.cluster.pools.values()], LIST)


def _spec(platform: Platform, call: Call) -> PoolSpec:
    spec = platform.cluster.pools.get(call.number("pool_id"))
    if spec is None:
        raise ApiError(404, "pool not found")
    return spec


def pool(platform: Platform, call: Call) -> Answer:
    return Answer(_pool(platform, _spec(platform, call)))


def _pool(platform: Platform, spec: PoolSpec) -> Row:
    gpus = [_gpu(platform, uuid) for uuid, pool in platform.cards.items() if pool == spec.id]
    if platform.dice.shows("slot_rows"):
        gpus = [gpu for gpu in gpus for _ in range(spec.sharing_ratio)]
    return {
        "id": spec.id,
        "gpuaas_id": GPUAAS_ID,
        "pool_name": spec.name,
        "pool_label": spec.name,
        "sharing_ratio": spec.sharing_ratio,
        "time_quantum_in_sec": spec.quantum_us // MILLION,
        "status": "active",
        "gpu_model_type": spec.gpu_model,
        "gpu_vendor_type": "NVIDIA",
        "security_level": spec.security_level,
        "gpus": gpus,
        "total_gpus": len(platform.cluster.cards[spec.id]),
    }


def delete_pool(platform: Platform, call: Call) -> Answer:
    """An empty body whatever happened: only another look says whether the pool is gone."""
    spec = platform.cluster.pools.get(call.number("pool_id"))
    is_empty = spec is not None and spec.id not in platform.cards.values()
    if spec is not None and is_empty and not platform.dice.shows("silent_admin_delete"):
        platform.cluster.remove_pool(spec.id)
    return Answer(is_empty=True)


def remove_gpus(platform: Platform, call: Call) -> Answer:
    spec = _spec(platform, call)
    if platform.cluster.live(spec.id):
        raise ApiError(400, "the pool has live subscriptions")
    given = call.body.get("gpu_uuids") or call.query.get("gpu_uuids", "").split(",")
    uuids = [uuid for uuid in given if platform.cards.get(f"{uuid}") == spec.id] if isinstance(given, list) else []
    if not uuids:
        raise ApiError(400, "gpu_uuids must name GPUs of the pool")
    for uuid in uuids:
        platform.cards[uuid] = 0
    platform.cluster.cards[spec.id] = platform.cluster.cards[spec.id][len(set(uuids)) :]
    return Answer({"success": True})


def subscribed_teams(platform: Platform, call: Call) -> Answer:
    spec = _spec(platform, call)
    holds = [hold for hold in platform.live_holds() if hold.pool == spec.id]
    page, limit = call.number("page", 0), max(1, call.number("limit", 100))
    rows = [
        {
            "team_id": hold.team,
            "team_name": platform.teams[hold.team],
            "total_ram_mb": sum([one.allocated_mb for one in hold.subscription.tenants if not one.failed]),
            "total_tflops": 0,
            "status": status_of(hold),
        }
        for hold in holds[page * limit :][:limit]
    ]
    return Answer(rows, LIST, wrapper="data", page={"total": len(holds), "page": page, "limit": limit})
