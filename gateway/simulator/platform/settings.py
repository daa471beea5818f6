"""What a simulated platform consists of: pools, other teams, timings, keys; read from a file or the default."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from gateway.simulator.platform.faults import Fault
from gateway.simulator.platform.neighbours import Neighbour
from gateway.simulator.platform.quirks import Quirks
from gateway.simulator.pools.cluster import Server
from gateway.simulator.pools.parameters import MILLION, ParameterError, Parameters, PoolSpec, parameters_from

DEFAULT_KEY: Final = "sim-key-not-a-secret"
DEFAULT_TEAM: Final = "7f1d3c52-9a40-4c11-8d53-5e2f0b6a9e01"
#: 2026-01-01T00:00:00Z, where virtual time begins.
VIRTUAL_EPOCH_US: Final = 1_767_225_600 * MILLION

DEFAULT_POOLS: Final = (
    PoolSpec(1, "private-1x", 2, 1, private=True, security_level="high", hourly_usd_micros=660_000),
    PoolSpec(2, "shared-4x", 2, 4, security_level="medium", hourly_usd_micros=660_000),
    PoolSpec(3, "shared-8x", 2, 8, security_level="low", hourly_usd_micros=660_000),
)
_OTHERS: Final = tuple(f"0000{number:04x}-0000-4000-8000-00000000{number:04x}" for number in range(1, 7))
DEFAULT_NEIGHBOURS: Final = (
    Neighbour(_OTHERS[0], 2, per_hour=240),
    Neighbour(_OTHERS[1], 2, per_hour=240),
    Neighbour(_OTHERS[2], 3, per_hour=120),
    Neighbour(_OTHERS[3], 3, per_hour=120),
    Neighbour(_OTHERS[4], 3, per_hour=120),
    Neighbour(_OTHERS[5], 3, per_hour=120),
)


@dataclass(frozen=True, slots=True)
class PlatformSettings:
    """One platform; equal settings and equal calls at equal times give equal answers.

    Args: api_keys: each with the teams it may act for, None = any. models: what every pod serves. server: what a pod
    takes of a card. spare_gpus: cards of no pool, for pool/create. Times in microseconds of the platform's own clock:
    answer_us: what a call takes; model_load_us: from a running pod to a server that answers; unsubscribe_us: until a
    row is gone; stuck_us: the same for a stuck one; restart_us: until a restarted pod runs; session_us: an admin's.
    tells_pool_state: pods' answers tell of their card's neighbours, as no real pod's do.
    """

    pools: tuple[PoolSpec, ...] = DEFAULT_POOLS
    neighbours: tuple[Neighbour, ...] = DEFAULT_NEIGHBOURS
    parameters: Parameters = field(default_factory=Parameters)
    quirks: Quirks = field(default_factory=Quirks)
    faults: tuple[Fault, ...] = ()
    seed: int = 1
    api_keys: Mapping[str, frozenset[str] | None] = field(repr=False, default_factory=lambda: {DEFAULT_KEY: None})
    admin_username: str = "admin"
    admin_password: str = field(repr=False, default="sim-admin-not-a-secret")
    models: tuple[str, ...] = ("llama-3.1-8b-instruct", "qwen3-30b-a3b")
    server: Server = field(default_factory=Server)
    spare_gpus: int = 4
    host: str = "127.0.0.1"
    region: str = "sim-west"
    epoch_us: int = VIRTUAL_EPOCH_US
    answer_us: int = 100_000
    model_load_us: int = 30 * MILLION
    unsubscribe_us: int = 8 * MILLION
    stuck_us: int = 900 * MILLION
    restart_us: int = 20 * MILLION
    session_us: int = 3_600 * MILLION
    warm_up_us: int = 700 * MILLION
    most_body_bytes: int = 1 << 20
    tells_pool_state: bool = False


class SetupError(ValueError):
    """A file of pools that describes no platform."""


def read_setup(text: str) -> dict[str, Any]:
    """The arguments for PlatformSettings that a file gives: `pools`, `neighbours`, `parameters`, `server`, `models`,
    `spare_gpus`, `tells_pool_state`. Raises: SetupError."""
    try:
        plain = json.loads(text)
    except ValueError as problem:
        raise SetupError(f"the file of pools is no JSON: {problem}") from problem
    if not isinstance(plain, dict):
        raise SetupError("the file of pools is an object with `pools`")
    readers: dict[str, Callable[[Any], Any]] = {
        "pools": lambda value: tuple(_built(PoolSpec, row) for row in _list(value)),
        "neighbours": lambda value: tuple(_built(Neighbour, row) for row in _list(value)),
        "parameters": lambda value: parameters_from(_object(value)),
        "server": lambda value: _built(Server, value),
        "models": lambda value: tuple(map(str, _list(value))),
        "spare_gpus": int,
        "tells_pool_state": bool,
    }
    unknown = sorted(set(plain) - set(readers))
    if unknown:
        raise SetupError(f"the file of pools has no {unknown[0]!r}; it may have {', '.join(readers)}")
    try:
        found = {name: readers[name](value) for name, value in plain.items()}
    except (ParameterError, TypeError, ValueError) as problem:
        raise SetupError(f"the file of pools: {problem}") from problem
    _check(found)
    return found


def _check(found: dict[str, Any]) -> None:
    ids = [pool.id for pool in found.get("pools", DEFAULT_POOLS)]
    if not ids or len(ids) != len(set(ids)) or any(not isinstance(one, int) or one < 1 for one in ids):
        raise SetupError("every pool has an id of its own, from 1")
    if "pools" in found:
        found.setdefault("neighbours", ())
    for neighbour in found.get("neighbours", DEFAULT_NEIGHBOURS):
        if neighbour.pool not in ids:
            raise SetupError(f"a neighbour is in pool {neighbour.pool}, which isn't there")


def _built(kind: type, row: Any) -> Any:
    row = _object(row)
    known = [one.name for one in fields(kind)]
    unknown = sorted(set(row) - set(known))
    if unknown:
        raise SetupError(f"{kind.__name__} has no {unknown[0]!r}; it has {', '.join(known)}")
    return kind(**row)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SetupError("an object was expected")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise SetupError("a list was expected")
    return value
