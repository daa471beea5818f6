"""The user panel's calls about pods, their exposed services, and instances (the newer name of a subscription)."""

from __future__ import annotations

from gateway.simulator.platform.billing import date_of
from gateway.simulator.platform.calls import Call
from gateway.simulator.platform.forms import ACTION, IDENTITY, LIST, Answer, Row
from gateway.simulator.platform.platform import REGION_ID, Platform
from gateway.simulator.platform.records import (
    POD_RUNNING,
    ApiError,
    Exposure,
    Hold,
    Pod,
    pod_status_of,
)
from gateway.simulator.platform.subscriptions import visible_holds
from gateway.simulator.pools.parameters import MILLION

_TYPES = ("http", "https", "NodePort", "loadbalancer")


def own_pod(platform: Platform, call: Call) -> tuple[Hold, Pod]:
    """The pod a call names; it must be of the subscription it names. Raises: ApiError."""
    hold, pod = platform.pod_named(call.text("pod_name"))
    if hold.id != call.number("pool_subscription_id", hold.id):
        raise ApiError(404, "pod not found")
    if call.teams is not None and hold.team not in call.teams:
        raise ApiError(404, "pod not found")
    return hold, pod


def act_on_pod(platform: Platform, call: Call) -> Answer:
    hold, pod = own_pod(platform, call)
    platform.act(hold, pod, call.text("pod_action"))
    return Answer({"success": True}, ACTION)


def expose(platform: Platform, call: Call) -> Answer:
    hold, pod = own_pod(platform, call)
    port, kind = call.number("port"), call.text("service_type")
    if kind not in _TYPES or call.body.get("protocol", "TCP") not in ("TCP", "UDP") or not 1 <= port <= 65_535:
        raise ApiError(400, "port, protocol or service_type is not valid")
    if pod_status_of(hold, pod) != POD_RUNNING:
        raise ApiError(400, "pod is not running")
    found = platform.expose(pod, call.text("service_name"), port, call.body.get("protocol", "TCP"), kind)
    return Answer(_exposure(platform, hold, found))


def _own_exposure(platform: Platform, call: Call) -> tuple[Hold, Exposure]:
    """The exposed service that a call names, and whose it is. Raises: ApiError, also for another team's."""
    one = platform.exposures.get(call.number("id"))
    if one is None:
        raise ApiError(404, "service not found")
    hold, _ = platform.pod_named(one.pod)
    if call.teams is not None and hold.team not in call.teams:
        raise ApiError(404, "service not found")
    return hold, one


def _exposure(platform: Platform, hold: Hold, one: Exposure) -> Row:
    return {
        "id": one.id,
        "pod_name": one.pod,
        "team_id": hold.team,
        "service_name": one.service_name,
        "ip": platform.settings.host,
        "node_port": one.node_port,
        "pod_port": one.pod_port,
        "protocol": one.protocol,
        "status": "running",
        "service_type": one.service_type,
        "created_at": date_of(platform.utc_us(one.created_us)),
    }


def expose_status(platform: Platform, call: Call) -> Answer:
    name, subscription = call.text("service_name"), call.number("pool_subscription_id")
    hold = platform.hold_of(subscription)
    if call.teams is not None and hold.team not in call.teams:
        raise ApiError(404, "service not found")
    for one in platform.exposures_of(hold):
        if one.service_name == name:
            _, pod = platform.pod_named(one.pod)
            row = _exposure(platform, hold, one)
            running = pod_status_of(hold, pod) == POD_RUNNING
            more = {"message": "", "namespace": "simulated", "node": "sim-node-1", "service_ip": row["ip"]}
            return Answer({**row, **more, "service_exists": True, "kubernetes_active": running})
    raise ApiError(404, "service not found")


def unexpose(platform: Platform, call: Call) -> Answer:
    _, one = _own_exposure(platform, call)
    platform.unexpose(one.id)
    return Answer({"success": True}, ACTION)


def update_exposed(platform: Platform, call: Call) -> Answer:
    hold, one = _own_exposure(platform, call)
    port, name = call.number("port", one.pod_port), call.body.get("service_name", one.service_name)
    if not 1 <= port <= 65_535 or not isinstance(name, str) or not name:
        raise ApiError(400, "port or service_name is not valid")
    one.pod_port, one.service_name = port, name
    return Answer(_exposure(platform, hold, one))


def create_instance(platform: Platform, call: Call) -> Answer:
    options = call.body.get("pod_opts")
    if not isinstance(options, dict):
        raise ApiError(400, "pod_opts is required: there are only pods here")
    inner = Call({}, {}, options)
    pool = inner.number("pool_id")
    hold = platform.subscribe(
        call.team(),
        pool,
        vgpus=inner.number("vgpus", 1),
        share_percent=inner.number("guaranteed_gpu_share_percent", 0),
    )
    hold.instance_id, hold.name = f"i-{platform.fresh_uuid()}", call.text("name")
    late_us = 0
    if platform.dice.shows("slow_subscribe"):
        late_us = platform.dice.between("slow_subscribe", 16, 40) * MILLION
    return Answer({"id": hold.instance_id, "name": hold.name}, IDENTITY, late_us=late_us)


def list_instances(platform: Platform, call: Call) -> Answer:
    holds = [hold for hold in visible_holds(platform, call.team()) if hold.instance_id]
    page, per_page = call.number("page", 0), max(1, call.number("per_page", 100))
    counts: dict[str, int] = {}
    for hold in holds:
        counts[instance_status(hold)] = counts.get(instance_status(hold), 0) + 1
    rows = [_instance(platform, hold) for hold in holds[page * per_page :][:per_page]]
    more = {"total_items": len(holds), "status_counts": [{"status": one, "count": counts[one]} for one in counts]}
    return Answer(rows, LIST, page=more, wrapper="items")


def instance_status(hold: Hold) -> str:
    """What an instance is in: that of its pods, the worst first."""
    if hold.leaving_us is not None:
        return "terminating"
    statuses = [pod_status_of(hold, pod) for pod in hold.pods]
    for status in ("Failed", "Pending", "stopped"):
        if status in statuses:
            return status.lower()
    return "running"


def _instance(platform: Platform, hold: Hold) -> Row:
    pool = platform.specs[hold.pool]
    return {
        "id": hold.instance_id,
        "name": hold.name,
        "created_at": date_of(platform.utc_us(hold.created_us)),
        "status": instance_status(hold),
        "nature": "pod",
        "ip": [platform.settings.host],
        "team": {"id": hold.team},
        "team_id": hold.team,
        "region": {"id": REGION_ID, "region_name": platform.settings.region},
        "pool_subscription_id": hold.id,
        "pod_info": {
            "pod_name": hold.pods[0].name,
            "model": pool.gpu_model,
            "vendor": "NVIDIA",
            "pool_id": pool.id,
            "pool_name": pool.name,
            "pool_label": pool.name,
            "vram_gb": f"{platform.settings.parameters.gpu_memory_mb // 1_000}",
            "max_tflops": "125",
            "vgpu_count": hold.vgpus,
            "exposed_count": len(platform.exposures_of(hold)),
        },
        "instance_type": {"id": hold.instance_type_id, "name": "simulated", "cpu_cores": 8, "ram_mb": 65_536},
    }


def _own_instance(platform: Platform, call: Call) -> Hold:
    wanted = call.text("id")
    for hold in platform.live_holds():
        if hold.instance_id == wanted and (call.teams is None or hold.team in call.teams):
            if platform.dice.shows("wrong_404"):
                break
            return hold
    raise ApiError(404, "instance not found")


def read_instance(platform: Platform, call: Call) -> Answer:
    return Answer(_instance(platform, _own_instance(platform, call)))


def instance_services(platform: Platform, call: Call) -> Answer:
    hold = _own_instance(platform, call)
    rows = [
        {
            "id": one.id,
            "service_name": one.service_name,
            "ip": platform.settings.host,
            "internal_port": one.pod_port,
            "external_port": one.node_port,
            "protocol": one.protocol,
            "type": one.service_type,
            "status": "running",
            "created_at": date_of(platform.utc_us(one.created_us)),
        }
        for one in platform.exposures_of(hold)
    ]
    return Answer(rows, LIST)


def act_on_instance(platform: Platform, call: Call) -> Answer:
    hold = _own_instance(platform, call)
    for pod in hold.pods:
        platform.act(hold, pod, call.text("action"))
    return Answer({"success": True}, ACTION)


def delete_instance(platform: Platform, call: Call) -> Answer:
    platform.unsubscribe(_own_instance(platform, call))
    return Answer({"success": True}, ACTION)
