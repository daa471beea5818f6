"""Requests over virtual time: drawn from a law by a seed, or read from a trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.simulator.pools.chance import Chance
from worker.errors import HarpoonError
from worker.strict_json import parse_json

MAX_TIME_US = 366 * 86_400 * 1_000_000


class TraceError(ValueError):
    """A trace that can't be read; names the line and what is wrong with it."""


class Arrival(NamedTuple):
    """One request: when it comes, whose it is, the GPU time it takes alone, and the part of that to its first token."""

    at_us: int
    tenant: str
    work_us: int
    first_us: int = 0


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent requests of equal tenants: exponential gaps, and work that is fixed or exponential.

    Args: per_hour: requests of all tenants together. first_us: GPU time until the first token, part of the work.
    """

    per_hour: int
    duration_us: int
    tenants: int
    work_us: int
    first_us: int = 0
    work_varies: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        if self.per_hour < 1 or self.tenants < 1 or self.work_us < 1:
            raise ValueError("traffic needs at least one request an hour, one tenant and a microsecond of work")
        if not 1 <= self.duration_us <= MAX_TIME_US:
            raise ValueError("traffic lasts from a microsecond to a year")
        if not 0 <= self.first_us <= self.work_us:
            raise ValueError("the first token comes within the work")

    def __iter__(self) -> Iterator[Arrival]:
        chance, at_us = Chance(self.seed), 0
        mean_us = 3_600_000_000 // self.per_hour
        while True:
            at_us += chance.exponential_us(mean_us)
            if at_us >= self.duration_us:
                return
            tenant = f"tenant-{chance.below(self.tenants) + 1}"
            work_us = max(1, chance.exponential_us(self.work_us)) if self.work_varies else self.work_us
            yield Arrival(at_us, tenant, work_us, min(self.first_us, work_us))


def read_trace(lines: Iterable[str]) -> list[Arrival]:
    """Requests from JSON lines of `at_ms`, `tenant`, `work_ms` and, if it is known, `first_ms`; any order of time.

    Raises: TraceError.
    """
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            plain = parse_json(line.encode())
        except (HarpoonError, UnicodeEncodeError) as error:
            raise TraceError(f"line {number}: not JSON") from error
        found.append(_arrival(plain, number))
    if not found:
        raise TraceError("the trace holds no request")
    return sorted(found)


def _arrival(plain: Any, number: int) -> Arrival:
    if not isinstance(plain, dict):
        raise TraceError(f"line {number}: must be an object with at_ms, tenant and work_ms")
    unknown = sorted(set(plain) - {"at_ms", "tenant", "work_ms", "first_ms"})
    if unknown:
        raise TraceError(f"line {number}: unknown member {unknown[0]!r}; there are at_ms, tenant, work_ms, first_ms")
    tenant = plain.get("tenant")
    if not isinstance(tenant, str) or not 0 < len(tenant) <= 128:
        raise TraceError(f"line {number}: tenant must be a text of 1 to 128 characters")
    at_ms, work_ms = _milliseconds(plain, "at_ms", 0, number), _milliseconds(plain, "work_ms", 1, number)
    first_ms = _milliseconds(plain, "first_ms", 0, number) if "first_ms" in plain else 0
    if first_ms > work_ms:
        raise TraceError(f"line {number}: first_ms must be at most work_ms")
    return Arrival(at_ms * 1_000, tenant, work_ms * 1_000, first_ms * 1_000)


def _milliseconds(plain: dict[str, Any], name: str, least: int, number: int) -> int:
    value = plain.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_TIME_US // 1_000:
        raise TraceError(f"line {number}: {name} must be a whole number of milliseconds from {least}")
    return value
