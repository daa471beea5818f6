"""What `harpoon pools plan` shows: the plan as a table and as requests, or as JSON."""

from __future__ import annotations

import json

from gateway.failure import CommandFailed
from gateway.hostedai.plan import Targets, plan, to_plain
from gateway.output import Column, write_json, write_line, write_table
from worker.covenant.policy import NO_COVENANT, Policy
from worker.covenant.reader import read_covenant
from worker.covenant.served import served_policy
from worker.errors import HarpoonError


def show_plan(
    covenant: str,
    team: str,
    pool: str,
    gpuaas: int | None,
    gpu_uuids: tuple[str, ...],
    memory_mb: int,
    *,
    as_json: bool,
) -> None:
    """Raises: CommandFailed for a covenant that can't be kept."""
    pool_id = int(pool) if pool.isascii() and pool.isdecimal() and len(pool) < 16 else None
    found = plan(_policy(covenant), Targets(team, pool_id, gpuaas, gpu_uuids, memory_mb))
    if as_json:
        write_json(to_plain(found))
        return
    write_table(
        (Column("knob"), Column("value", style="bold"), Column("why")),
        [(one.knob, one.value, one.why) for one in found.reasons],
    )
    for request in found.requests:
        write_line()
        write_line(f"{request.method} {request.path} ({request.panel})")
        write_line(json.dumps(request.body, indent=2, ensure_ascii=False))
        if request.missing:
            write_line(f"  what stands in angle brackets is said by {', '.join(request.missing)}")


def _policy(covenant: str) -> Policy:
    if not covenant.strip():
        return NO_COVENANT
    try:
        return served_policy(read_covenant(covenant), lenient=False).policy
    except HarpoonError as problem:
        raise CommandFailed(f"the covenant: {problem}") from problem
