"""What the model's runs are held against: closed forms for turns and queues, in integer microseconds.

They hold where their assumptions do, and say so. Those that a decision predicts waits by are the routing path's own.
"""

from __future__ import annotations

from worker.routing.pool_waits import MILLION, long_job_us, turn_wait_us

__all__ = [
    "effective_share_ppm",
    "guaranteed_share_ppm",
    "lock_utilisation_ppm",
    "long_job_us",
    "md1_wait_us",
    "turn_wait_us",
]


def guaranteed_share_ppm(slices: int, sharing_ratio: int) -> int:
    """The share of a card that `slices` of it guarantee to work longer than a turn."""
    return slices * MILLION // sharing_ratio


def effective_share_ppm(slices: int, sharing_ratio: int, quantum_us: int, switch_us: int, *, inside: bool) -> int:
    """That share less what changing turns costs. `inside`: page-in uses up the turn, instead of coming before it."""
    share = guaranteed_share_ppm(slices, sharing_ratio)
    if inside:
        return share * max(0, quantum_us - switch_us) // quantum_us
    return share * quantum_us // (quantum_us + switch_us)


def md1_wait_us(work_us: int, utilisation_ppm: int) -> int:
    """Mean wait before service in M/D/1, by Pollaczek and Khinchine. Raises: ValueError from full utilisation on."""
    if not 0 <= utilisation_ppm < MILLION:
        raise ValueError("a queue is stable only below full utilisation")
    return utilisation_ppm * work_us // (2 * (MILLION - utilisation_ppm))


def lock_utilisation_ppm(bursts_per_hour: int, burst_us: int, idle_hold_us: int, switch_us: int) -> int:
    """Share of time that one bursty neighbour holds a card: each burst keeps it for itself, the hold and the change."""
    return bursts_per_hour * (burst_us + idle_hold_us + switch_us) * MILLION // 3_600_000_000
