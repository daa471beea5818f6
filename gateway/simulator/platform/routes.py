"""Every call there is: its name (the step of a fault), method, path, who may make it, and what answers it.

A path's part in braces is handed to the handler by its name. Fixed parts go before braces, so `pool/create` is no pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.simulator.platform import admin, pods, statements, subscriptions, teams
from gateway.simulator.platform.calls import Call
from gateway.simulator.platform.forms import Answer
from gateway.simulator.platform.platform import Platform

Handler = Callable[[Platform, Call], Answer]
USER, ADMIN, ANYONE = "user", "admin", "anyone"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call. `who`: USER by API key, ADMIN by a session, ANYONE."""

    name: str
    method: str
    path: tuple[str, ...]
    who: str
    handler: Handler


def _one(name: str, method: str, path: str, handler: Handler, who: str = USER) -> Endpoint:
    return Endpoint(name, method, tuple(path.split("/")), who, handler)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    _one("available_regions", "GET", "gpuaas/available-regions", subscriptions.available_regions),
    _one("compatible_regions", "GET", "service/i/compatible-regions", subscriptions.available_regions),
    _one("accessible_regions", "GET", "service/i/team-accessible-regions", subscriptions.available_regions),
    _one("available_pools", "GET", "gpuaas/available-pools", subscriptions.available_pools),
    _one("all_pools", "GET", "gpuaas/all-pools", subscriptions.all_pools),
    _one("compatible_pools", "GET", "service/i/compatible-gpu-pools", subscriptions.compatible_pools),
    _one("max_vgpus", "GET", "service/i/pool-max-vgpus-at-tq-slice", subscriptions.max_vgpus),
    _one("calculate", "POST", "gpuaas/calculate-pool-subscription", subscriptions.calculate),
    _one("subscribe", "POST", "gpuaas/pool/subscribe", subscriptions.subscribe),
    _one("unsubscribe", "POST", "gpuaas/pool/unsubscribe", subscriptions.unsubscribe),
    _one("subscriptions", "GET", "gpuaas/pool-subscription", subscriptions.list_subscriptions),
    _one("connection_info", "GET", "gpuaas/connection-info", subscriptions.connection_info),
    _one("pod_action", "POST", "pods/action", pods.act_on_pod),
    _one("expose", "POST", "pods/expose-service", pods.expose),
    _one("expose_status", "GET", "pods/expose-service/status", pods.expose_status),
    _one("update_exposed", "PUT", "pods/update-exposed-service", pods.update_exposed),
    _one("unexpose", "DELETE", "pods/delete-exposed-service/{id}", pods.unexpose),
    _one("instances", "GET", "instances/unified", pods.list_instances),
    _one("instance_detail", "GET", "instances/unified/{id}", pods.read_instance),
    _one("instance_services", "GET", "instances/unified/{id}/exposed-services", pods.instance_services),
    _one("create_instance", "POST", "service/i/create-instance", pods.create_instance),
    _one("instance", "GET", "instance/{id}", pods.read_instance),
    _one("delete_instance", "DELETE", "instance/{id}", pods.delete_instance),
    _one("instance_action", "PUT", "instance/{id}/{action}", pods.act_on_instance),
    _one("metrics", "GET", "gpuaas/{team_id}/metrics", statements.metrics),
    _one("metrics_graph", "GET", "gpuaas/{team_id}/metrics-graph", statements.metrics_graph),
    _one("billing_summary", "GET", "team-billing/summary/{team_id}/{start}/{end}", statements.summary),
    _one(
        "billing_pools", "GET", "team-billing/gpuaas-pool/{team_id}/{start}/{end}/{interval}", statements.pool_intervals
    ),
    _one("billing", "GET", "team-billing/{team_id}/{start}/{end}/{interval}", statements.by_interval),
    _one("create_team", "POST", "team", teams.create_team),
    _one("team", "GET", "team/{team_id}", teams.team),
    _one("login", "POST", "login", teams.login, ANYONE),
    _one("regions", "GET", "regions", admin.regions, ADMIN),
    _one("region", "GET", "regions/{id}", admin.region, ADMIN),
    _one("clusters", "GET", "gpuaas", admin.clusters, ADMIN),
    _one("nodes", "GET", "gpuaas/node/list", admin.nodes, ADMIN),
    _one("node", "GET", "gpuaas/node/{id}", admin.node, ADMIN),
    _one("create_pool", "POST", "gpuaas/pool/create", admin.create_pool, ADMIN),
    _one("subscribed_teams", "GET", "gpuaas/pool/{pool_id}/subscribed_teams", admin.subscribed_teams, ADMIN),
    _one("remove_gpus", "POST", "gpuaas/pool/{pool_id}/remove_gpus", admin.remove_gpus, ADMIN),
    _one("remove_gpus", "GET", "gpuaas/pool/{pool_id}/remove_gpus", admin.remove_gpus, ADMIN),
    _one("delete_pool", "DELETE", "gpuaas/pool/{pool_id}/delete", admin.delete_pool, ADMIN),
    _one("pool", "GET", "gpuaas/pool/{pool_id}", admin.pool, ADMIN),
    _one("pools", "GET", "gpuaas/{gpuaas_id}/pool/list", admin.pools, ADMIN),
    _one("available_gpus", "GET", "gpuaas/{gpuaas_id}/pool/available_gpus", admin.available_gpus, ADMIN),
    _one("all_gpus", "GET", "gpuaas/{gpuaas_id}/pool/all_gpus", admin.all_gpus, ADMIN),
    _one("cluster", "GET", "gpuaas/{gpuaas_id}", admin.cluster, ADMIN),
)


def find(method: str, path: str) -> tuple[Endpoint, dict[str, str]] | str:
    """The call at a path below /api and the parts of its path; else "path" or "method", whichever is wrong."""
    parts = path.strip("/").split("/")
    wrong = "path"
    for endpoint in ENDPOINTS:
        found = _parts(endpoint.path, parts)
        if found is None:
            continue
        if endpoint.method == method:
            return endpoint, found
        wrong = "method"
    return wrong


def _parts(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    found = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted.startswith("{"):
            if not part:
                return None
            found[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return found
