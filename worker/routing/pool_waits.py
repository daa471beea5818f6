"""How long a request waits for its share of a GPU: closed forms over what is known of the pool now, in integers.

A card is shared in space, where all work at once and slower, or in turns, where each tenant has it alone for at most a
quantum. The forms take each neighbour to be at work independently of the others and at any time alike, and requests to
come at any time alike; the platform publishes no figures, so they are arithmetic about a model and not measurements.
`gateway/simulator/pools` is that model, and is held against them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MILLION: Final = 1_000_000
SPATIAL, TEMPORAL = "spatial", "temporal"
#: Speed that each further tenant at work costs all that share a card in space, as the pool model assumes it.
INTERFERENCE_PPM: Final = 50_000
#: However many neighbours: some speed is left.
LEAST_SPEED_PPM: Final = 100_000
#: No wait is told longer than a day: beyond that nobody waits, and figures stay small.
MOST_WAIT_US: Final = 86_400_000_000


class PoolReading(NamedTuple):
    """What a pool said of itself: how its card shares now, and what our neighbours on it do.

    `quantum_us`: the longest turn. `switch_us`: what a change of turns costs. `turn_us`: how long a neighbour's turn
    lasts on average, idle hold included, at most the quantum. `neighbours`: other tenants on the card. `busy_ppm`: the
    part of the time that one of them, on average, has the card or wants it.
    """

    mode: str
    quantum_us: int
    switch_us: int
    turn_us: int
    neighbours: int
    busy_ppm: int


class PoolWait(NamedTuple):
    """What sharing adds to a request's time, in microseconds: on average, and at most while nobody else comes.

    `worst_ttv_us`: the time to the full answer then.
    """

    reading: PoolReading
    expected_us: int
    worst_us: int
    worst_ttv_us: int


def present_ppm(neighbours: int, busy_ppm: int) -> int:
    """The chance that at least one neighbour is in the way."""
    return MILLION - (MILLION - busy_ppm) ** neighbours // MILLION ** max(0, neighbours - 1) if neighbours else 0


def busy_turn_wait_us(neighbours: int, busy_ppm: int, turn_us: int, switch_us: int) -> int:
    """Mean wait for a turn behind neighbours that are in the way `busy_ppm` of the time, each for one turn.

    With k of them in the way it is (k - 1/2) turns with their changes and the change to the own one; the mean over k of
    a binomial law needs only its mean and its chance of none. With none in the way, the change alone: the card holds
    what others worked with last. Where nobody ever works, nothing.
    """
    if not neighbours or not busy_ppm:
        return 0
    halves = 2 * neighbours * busy_ppm - present_ppm(neighbours, busy_ppm)
    return halves * (turn_us + switch_us) // (2 * MILLION) + switch_us


def turn_wait_us(neighbours: int, quantum_us: int, switch_us: int) -> tuple[int, int]:
    """Mean and longest wait for a turn behind neighbours that always have work, one slice each.

    Somebody who comes at a random time meets, on average, half a turn that runs, all the others' in full, and pays the
    change to the own one. Nobody there: nothing to wait for.
    """
    if neighbours == 0:
        return 0, 0
    turn = quantum_us + switch_us
    return busy_turn_wait_us(neighbours, MILLION, quantum_us, switch_us), neighbours * turn + switch_us


def long_job_us(wait_us: int, work_us: int, neighbours: int, quantum_us: int, switch_us: int) -> int:
    """How long work of more than one turn takes: its wait, itself, and all the turns of the others in between."""
    turns = -(-work_us // quantum_us)
    return wait_us + work_us + switch_us * (turns - 1) + (turns - 1) * neighbours * (quantum_us + switch_us)


def together_us(work_us: int, neighbours: int, busy_ppm: int) -> int:
    """How long work takes that shares a card in space: an equal share of what those at work leave of its speed."""
    active_ppm = neighbours * busy_ppm
    speed_ppm = max(LEAST_SPEED_PPM, MILLION - INTERFERENCE_PPM * active_ppm // MILLION)
    return -(-work_us * (MILLION + active_ppm) // speed_ppm)


def waits_us(reading: PoolReading, work_us: int) -> tuple[int, int]:
    """What sharing adds to `work_us` of GPU time: on average, and at most with these neighbours always at work."""
    mode, quantum_us, switch_us, turn_us, neighbours, busy_ppm = reading
    if not neighbours:
        return 0, 0
    if mode == SPATIAL:
        expected = together_us(work_us, neighbours, busy_ppm) - work_us
        worst = together_us(work_us, neighbours, MILLION) - work_us
        return min(expected, MOST_WAIT_US), min(worst, MOST_WAIT_US)
    turns = max(1, -(-work_us // quantum_us))
    # Between two of the own turns: whoever is in the way then has a turn, and the own one is changed to again.
    gap = neighbours * busy_ppm * (turn_us + switch_us) // MILLION + (switch_us if busy_ppm else 0)
    expected = busy_turn_wait_us(neighbours, busy_ppm, turn_us, switch_us) + (turns - 1) * gap
    longest = turn_wait_us(neighbours, quantum_us, switch_us)[1]
    worst = long_job_us(longest, work_us, neighbours, quantum_us, switch_us) - work_us
    return min(expected, MOST_WAIT_US), min(worst, MOST_WAIT_US)


def shared_ttv_us(reading: PoolReading, alone_us: int, ratio_ppm: int) -> tuple[int, PoolWait]:
    """The time to the full answer of a request that takes `alone_us` on a card of its own, and the wait in it.

    Args: ratio_ppm: seen over predicted so far; it corrects the mean, and shortens no worst case.
    """
    expected_us, worst_us = waits_us(reading, alone_us)
    worst_ttv_us = (alone_us + worst_us) * max(MILLION, ratio_ppm) // MILLION
    return (alone_us + expected_us) * ratio_ppm // MILLION, PoolWait(reading, expected_us, worst_us, worst_ttv_us)


def may_be_late(wait: PoolWait, deadline_us: int | None) -> bool:
    """Whether a deadline that is kept on average is missed if all neighbours take their turns in full."""
    reading = wait.reading
    if deadline_us is None or reading.mode != TEMPORAL or not reading.neighbours or not reading.busy_ppm:
        return False
    return wait.worst_ttv_us > deadline_us
