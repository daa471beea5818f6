"""What the model's runs are held against: closed forms for turns and queues, in integer microseconds.

They hold where their assumptions do, and say so; the routing path's predictions use the same ones.
"""

from __future__ import annotations

MILLION = 1_000_000


def guaranteed_share_ppm(slices: int, sharing_ratio: int) -> int:
    """The share of a card that `slices` of it guarantee to work longer than a turn."""
    return slices * MILLION // sharing_ratio


def effective_share_ppm(slices: int, sharing_ratio: int, quantum_us: int, switch_us: int, *, inside: bool) -> int:
    """That share less what changing turns costs. `inside`: page-in uses up the turn, instead of coming before it."""
    share = guaranteed_share_ppm(slices, sharing_ratio)
    if inside:
        return share * max(0, quantum_us - switch_us) // quantum_us
    return share * quantum_us // (quantum_us + switch_us)


def turn_wait_us(neighbours: int, quantum_us: int, switch_us: int) -> tuple[int, int]:
    """Mean and longest wait for a turn behind neighbours that always have work, one slice each.

    Somebody who comes at a random time meets, on average, half a turn that runs, all the others' in full, and pays the
    change to the own one. Nobody there: nothing to wait for.
    """
    if neighbours == 0:
        return 0, 0
    turn = quantum_us + switch_us
    return (2 * neighbours - 1) * turn // 2 + switch_us, neighbours * turn + switch_us


def long_job_us(wait_us: int, work_us: int, neighbours: int, quantum_us: int, switch_us: int) -> int:
    """How long work of more than one turn takes: its wait, itself, and all the turns of the others in between."""
    turns = -(-work_us // quantum_us)
    return wait_us + work_us + switch_us * (turns - 1) + (turns - 1) * neighbours * (quantum_us + switch_us)


def md1_wait_us(work_us: int, utilisation_ppm: int) -> int:
    """Mean wait before service in M/D/1, by Pollaczek and Khinchine. Raises: ValueError from full utilisation on."""
    if not 0 <= utilisation_ppm < MILLION:
        raise ValueError("a queue is stable only below full utilisation")
    return utilisation_ppm * work_us // (2 * (MILLION - utilisation_ppm))


def lock_utilisation_ppm(bursts_per_hour: int, burst_us: int, idle_hold_us: int, switch_us: int) -> int:
    """Share of time that one bursty neighbour holds a card: each burst keeps it for itself, the hold and the change."""
    return bursts_per_hour * (burst_us + idle_hold_us + switch_us) * MILLION // 3_600_000_000
