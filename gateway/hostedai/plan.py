"""From a covenant to a pool: what the table says, why, and the requests that would be sent. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.hostedai.admin import PoolRequest
from gateway.hostedai.client import SubscribeRequest
from gateway.hostedai.policy_table import POLICY_TABLE, OnFull, PolicyRow
from gateway.simulator.pools.cluster import Server
from gateway.simulator.pools.parameters import MILLION, TEMPORAL, Parameters
from gateway.simulator.pools.study import PERCENTILES, Configuration, study
from gateway.simulator.pools.traffic import Poisson
from worker.covenant.policy import Policy

#: What the platform's documentation gives as the range of a quantum, in seconds; the model chooses among these.
QUANTA_S: Final = (10, 20, 30, 60, 90, 120)
#: The traffic that it is chosen for: requests an hour of all tenants together, and GPU time of each.
PER_HOUR: Final = 200
HOURS: Final = 6
WORK_US: Final = 2 * MILLION
TEAM, POOL, GPUAAS, GPUS = "<team id>", "<pool id>", "<gpuaas id>", "<GPU uuid>"


@dataclass(frozen=True, slots=True)
class Reason:
    """One knob of the plan: its value, and why it has it."""

    knob: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request as it would be sent. `missing`: options that say what stands in angle brackets."""

    panel: str
    method: str
    path: str
    body: Mapping[str, Any]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a policy means on hosted.ai."""

    row: PolicyRow
    quantum_s: int
    reasons: tuple[Reason, ...]
    requests: tuple[PlannedRequest, ...]


@dataclass(frozen=True, slots=True)
class Targets:
    """The ids that requests name; None and empty are shown as what is missing."""

    team: str = ""
    pool_id: int | None = None
    gpuaas_id: int | None = None
    gpu_uuids: tuple[str, ...] = ()
    memory_mb: int = 20_000


def choose_quantum(row: PolicyRow, memory_mb: int, parameters: Parameters) -> tuple[int, str]:
    """The quantum in seconds, and why. Where turns are taken the model runs every choice with all slots taken."""
    if row.quantum_s is not None:
        return row.quantum_s, "nobody shares the card, so turns never end by it; the platform's default"
    server = Server(allocated_mb=memory_mb, working_set_mb=memory_mb)
    found = []
    for quantum_s in QUANTA_S:
        traffic = Poisson(PER_HOUR, HOURS * 3_600 * MILLION, row.ratio, WORK_US, 200_000, True)
        configuration = Configuration(1, row.ratio, quantum_s * MILLION, TEMPORAL)
        outcome = study(traffic, configuration, server, parameters, hourly_usd_micros=0)
        found.append((outcome.latency.percentiles_us[PERCENTILES.index(95)], outcome.latency.mean_us, quantum_s))
    late_us, mean_us, best_s = min(found)
    worst_us = max(found)[0]
    why = (
        f"the model's best of {', '.join(map(str, QUANTA_S))} s, if turns are taken: p95 {late_us // 1_000} ms, mean"
        f" {mean_us // 1_000} ms with {row.ratio} tenants and {PER_HOUR} requests of 2 s an hour; the worst has p95"
        f" {worst_us // 1_000} ms"
    )
    return best_s, why


def plan(policy: Policy, targets: Targets, parameters: Parameters | None = None) -> Plan:
    """What a policy means: the row of its priority, with reasons, and what would be sent."""
    parameters = parameters or Parameters()
    row = POLICY_TABLE[policy.effective_priority]
    quantum_s, why_quantum = choose_quantum(row, targets.memory_mb, parameters)
    return Plan(
        row,
        quantum_s,
        (*_reasons(policy, row, targets, parameters), Reason("time_quantum_in_sec", str(quantum_s), why_quantum)),
        _requests(row, quantum_s, targets),
    )


def _reasons(policy: Policy, row: PolicyRow, targets: Targets, parameters: Parameters) -> tuple[Reason, ...]:
    asked = "the covenant asks for it" if policy.priority else "the covenant names none, so balanced holds"
    together_mb = targets.memory_mb * row.ratio
    fits = together_mb <= parameters.usable_memory_mb
    memory = (
        f"{row.ratio} servers of {targets.memory_mb} MB are {together_mb} MB of {parameters.usable_memory_mb} usable"
    )
    return (
        Reason("priority", row.priority, asked),
        Reason("pool", row.pool, "the table of priorities"),
        Reason("visibility", row.visibility, _VISIBILITY[row.visibility]),
        Reason("sharing_ratio", str(row.ratio), "one tenant to a card" if row.ratio == 1 else f"{memory}"),
        Reason("scheduling", row.scheduling, _scheduling(row, fits=fits)),
        Reason("optimisation", row.optimisation, "a word of ours: the platform has no field of that meaning"),
        Reason("scheduler_mode", row.scheduler_mode, "whole GPUs" if row.ratio == 1 else "shares can be guaranteed"),
        Reason("guaranteed share", row.share, _share(row)),
        Reason("is_vip_priority", str(row.is_vip).lower(), "sent as said; what the platform makes of it is not known"),
        Reason(
            "security_level", row.security_level, "a label for the platform; isolation can't be checked from outside"
        ),
        Reason("VRAM cap", f"{row.kappa_ppm / MILLION:.2f}", _CAP[row.takes_turns]),
        Reason("placement", row.placement.value, "which of several such pools is asked first"),
        Reason("no capacity", row.on_full.value, _ON_FULL[row.on_full]),
    )


_VISIBILITY: Final = {
    "private": "no other team is on the card",
    "shared": "several teams share the card, and its price",
}
_CAP: Final = {
    False: "memory handed out over memory there is; nobody else is counted in",
    True: "memory handed out over memory there is, live servers counted; 1.25 was seen to hold, 1.67 to fail a pod",
}
_ON_FULL: Final = {
    OnFull.DENY: "fail closed: a place on another pool is not what was asked for",
    OnFull.NEXT_IN_CLASS_ELSE_DEARER: "time is worth more than money",
    OnFull.NEXT_POOL_THEN_TIER: "the routes' ranking says which provider is next",
    OnFull.WAIT_THEN_NEXT: "waiting is cheaper; the deadline bounds it",
}


def _scheduling(row: PolicyRow, *, fits: bool) -> str:
    if row.ratio == 1:
        return "on a card of one's own there is nobody to wait for"
    if row.scheduling == "spatial":
        return "all fit together, so nobody takes turns" if fits else "they do not fit together: turns will be taken"
    return "turns are accepted for the price" + ("" if fits else "; together they do not fit")


def _share(row: PolicyRow) -> str:
    sent = row.share_sent(row.ratio)
    if row.ratio == 1:
        return "the GPU is whole, so guaranteed_gpu_share_percent says 0"
    if sent:
        return (
            f"{row.ratio * sent // 100} of {row.ratio} slices; it bounds throughput, not the latency of short requests"
        )
    return f"one of {row.ratio} slices is no whole percent, so 0 is sent, which takes one slice"


def _requests(row: PolicyRow, quantum_s: int, targets: Targets) -> tuple[PlannedRequest, ...]:
    create = PoolRequest(
        targets.gpuaas_id or 0, row.pool, row.ratio, quantum_s, targets.gpu_uuids or (GPUS,), row.security_level
    ).body()
    missing_admin = []
    if targets.gpuaas_id is None:
        create["gpuaas_id"] = GPUAAS
        missing_admin.append("--gpuaas")
    if not targets.gpu_uuids:
        missing_admin.append("--gpu")
    subscribe = SubscribeRequest(
        targets.pool_id or 0, targets.team or TEAM, row.share_sent(row.ratio), is_vip=row.is_vip
    ).body()
    missing_user = [] if targets.team else ["--team"]
    if targets.pool_id is None:
        subscribe["pool_id"] = POOL
        missing_user.append("--pool")
    return (
        PlannedRequest("admin panel", "POST", "/api/gpuaas/pool/create", create, tuple(missing_admin)),
        PlannedRequest("user panel", "POST", "/api/gpuaas/pool/subscribe", subscribe, tuple(missing_user)),
    )


def to_plain(plan: Plan) -> dict[str, Any]:
    """The plan as JSON-like values."""
    row = plan.row
    return {
        "priority": row.priority,
        "pool": row.pool,
        "sharing_ratio": row.ratio,
        "scheduling": row.scheduling,
        "optimisation": row.optimisation,
        "time_quantum_in_sec": plan.quantum_s,
        "guaranteed_gpu_share_percent": row.share_sent(row.ratio),
        "vram_cap_ppm": row.kappa_ppm,
        "on_no_capacity": row.on_full.value,
        "reasons": [{"knob": one.knob, "value": one.value, "why": one.why} for one in plan.reasons],
        "requests": [
            {
                "panel": one.panel,
                "method": one.method,
                "path": one.path,
                "body": dict(one.body),
                "missing": list(one.missing),
            }
            for one in plan.requests
        ],
    }
