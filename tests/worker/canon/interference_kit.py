"""Agents who share things: the vectors everybody knows, and random ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from worker.canon.interference import BUDGET, DISCIPLINES, QUEUE, SHARED, Commitment, Resource, State

HOUR_US = 3_600_000_000


def using(agent: str, work_us: int, action: str = "work", priority: int = 0, place: int = 0, **uses: int) -> Commitment:
    """Work on resources of so many slots each."""
    return Commitment(agent, action, work_us, tuple(sorted(uses.items())), (), (), priority, place)


def touching(agent: str, work_us: int, reads: str = "", writes: str = "", **more: int) -> Commitment:
    return Commitment(agent, "work", work_us, (), tuple(reads), tuple(writes), **more)


def pool(capacity: int, *commitments: Commitment, discipline: str = SHARED) -> State:
    """One resource, and who uses it, in their order."""
    placed = tuple(one._replace(place=place) for place, one in enumerate(commitments, 1))
    return State({"gpu": Resource("gpu", capacity, discipline)}, placed)


#: Two tenants of one pool: A and B hold three slots each of five, and are to be done after 8 and 12 hours.
BASELINE = pool(5, using("A", 24_000_000_000, "parallel", gpu=3), using("B", 10 * HOUR_US, gpu=3))
#: A takes six slots (and is done after 4 hours, B after 18), goes on as it does, or makes room (14 and 10).
ACCELERATE = using("A", 8_000_000_000, "accelerate", gpu=6)
PARALLEL = using("A", 24_000_000_000, "parallel", gpu=3)
DEFER = using("A", 14 * HOUR_US, "defer", gpu=2)

#: A pool of two slots, of which one is the victim's: there is room for one more, and not for two.
PAIR = pool(2, using("victim", 10, gpu=1))
FIRST, SECOND = using("first", 10, gpu=1), using("second", 10, gpu=1)

NAMES = "abc"
AGENTS = "ijkl"


@st.composite
def states(draw: Any) -> State:
    """Three resources, and a commitment of some agents."""
    resources = {name: Resource(name, draw(st.integers(1, 4)), draw(st.sampled_from(DISCIPLINES))) for name in NAMES}
    agents = draw(st.lists(st.sampled_from(AGENTS), unique=True))
    return State(resources).having(*[draw(actions(agent)) for agent in agents])


@st.composite
def actions(draw: Any, agent: str | None = None, names: str = NAMES) -> Commitment:
    uses = draw(st.dictionaries(st.sampled_from(names), st.integers(1, 3), max_size=2))
    return Commitment(
        agent=draw(st.sampled_from(AGENTS)) if agent is None else agent,
        action="act",
        work_us=draw(st.integers(0, 50)),
        uses=tuple(sorted(uses.items())),
        reads=tuple(sorted(draw(st.sets(st.sampled_from(names), max_size=2)))),
        writes=tuple(sorted(draw(st.sets(st.sampled_from(names), max_size=1)))),
        priority=draw(st.integers(0, 2)),
    )


__all__ = [
    "ACCELERATE",
    "BASELINE",
    "BUDGET",
    "DEFER",
    "FIRST",
    "HOUR_US",
    "PAIR",
    "PARALLEL",
    "QUEUE",
    "SECOND",
    "SHARED",
    "actions",
    "pool",
    "states",
    "touching",
    "using",
]
