"""Which pool to lease next, and what follows a refusal: pure, by the table of policies.

VRAM admission counts what is live: our own server, those of our other leases on the pool, and for each place that
somebody else holds what such a server takes. How a pool spreads its tenants over its cards cannot be seen, so the worst
case counts: as many neighbours on our card as its sharing ratio leaves room for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.hostedai.models import PoolOffer
from gateway.hostedai.policy_table import OnFull, Placement, PolicyRow, pool_class

MILLION: Final = 1_000_000
WAIT_US: Final = 30 * MILLION


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of a card, of our server, and what is assumed of somebody else's where nothing is known of it.

    A first-party dashboard assumes 48,000 for the latter; the demo pools serve models of at most 20 GB.
    """

    card_mb: int = 94_970
    server_mb: int = 20_000
    neighbour_mb: int = 20_000


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool with what is known of it. `sharing_ratio` and `neighbours` are the worst case where nothing is said.

    `neighbours_mb`: what the others are known to take together, None = unknown. `is_ours`: we lease it now.
    """

    offer: PoolOffer
    pool: str
    sharing_ratio: int
    neighbours: int
    neighbours_mb: int | None = None
    is_ours: bool = False
    is_allowed: bool = True


@dataclass(frozen=True, slots=True)
class Take:
    """Lease this pool."""

    state: PoolState


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing is free; look again then."""

    at_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No pool. `may_leave`: whether another provider may serve instead; False = the request is denied."""

    reason: str
    may_leave: bool


Move = Take | WaitUntil | GiveUp


def state_of(
    offer: PoolOffer, row_ratio: int | None, *, ours: int = 0, neighbours_mb: int | None = None, is_allowed: bool = True
) -> PoolState | None:
    """What is known of an offered pool; None if it can't be said which pool of the catalogue it is.

    Args: row_ratio: the sharing ratio that the operator says, if the platform doesn't. ours: places that we hold.
    """
    ratio = offer.sharing_ratio or row_ratio
    pool = pool_class(offer.name, ratio)
    if pool is None:
        return None
    ratio = ratio or {"private-1x": 1, "shared-4x": 4, "shared-8x": 10}[pool]
    held = None if offer.total_vgpus is None else max(0, offer.total_vgpus - offer.available_vgpus - ours)
    neighbours = ratio - 1 if held is None else held
    return PoolState(offer, pool, ratio, neighbours, neighbours_mb, ours > 0, is_allowed)


def kappa_ppm(row: PolicyRow, state: PoolState, memory: Memory) -> int:
    """VRAM handed out over VRAM there is, on the card we would get, in the worst case."""
    slices = max(1, state.sharing_ratio * row.share_sent(state.sharing_ratio) // 100)
    beside = min(state.neighbours, state.sharing_ratio - slices)
    if state.neighbours_mb is not None and state.neighbours:
        others_mb = min(state.neighbours_mb, -(-state.neighbours_mb // state.neighbours) * beside)
    else:
        others_mb = beside * memory.neighbour_mb
    return (memory.server_mb + others_mb) * MILLION // memory.card_mb


def admits(row: PolicyRow, state: PoolState, memory: Memory) -> str:
    """Why a pool is not for this row; empty if it is."""
    if not state.is_allowed:
        return "the pool is not allow-listed"
    if row.visibility == "private" and row.on_full is OnFull.DENY and state.sharing_ratio != 1:
        return "the pool is shared"
    if row.on_full is OnFull.DENY and state.neighbours and state.offer.is_private is False:
        return "others may be on the pool"
    found = kappa_ppm(row, state, memory)
    if found > row.kappa_ppm:
        return f"VRAM would be overcommitted {found / MILLION:.2f} times, and the cap is {row.kappa_ppm / MILLION:.2f}"
    return ""


def ordered(row: PolicyRow, states: Sequence[PoolState], memory: Memory) -> list[PoolState]:
    """The pools that the row admits, in the order they are asked: its own class first, then what may follow it."""
    able = [state for state in states if not admits(row, state, memory)]
    own = [state for state in able if state.pool == row.pool]
    if row.on_full is OnFull.DENY:
        others: list[PoolState] = []
    elif row.on_full is OnFull.NEXT_IN_CLASS_ELSE_DEARER:
        # A dearer class is one that guarantees the whole card, which a shared pool does for all of its slices.
        others = [state for state in able if state.pool != row.pool and not state.neighbours]
    else:
        # Never to a pool that is shared more than the row asks for.
        others = [state for state in able if state.pool != row.pool and state.sharing_ratio < row.ratios[0]]
        if row.on_full is OnFull.NEXT_POOL_THEN_TIER:
            others = []
    return sorted(own, key=lambda one: _rank(row, one)) + sorted(others, key=lambda one: _rank(row, one))


def _rank(row: PolicyRow, state: PoolState) -> tuple[int, ...]:
    """Free places first, then by the row's placement; ties by id."""
    full = int(state.offer.available_vgpus < 1 and not state.is_ours)
    price = state.offer.hourly_usd_micros or 0
    if row.placement is Placement.CHEAPEST:
        return full, price, state.neighbours, state.offer.id
    if row.placement is Placement.EMPTIEST:
        return full, int(state.neighbours > 0), state.neighbours, price, state.offer.id
    if row.placement is Placement.LEAST_VRAM:
        known = state.neighbours_mb if state.neighbours_mb is not None else state.neighbours * MILLION
        return full, known, state.neighbours, price, state.offer.id
    return full, price, state.offer.id


def next_move(
    row: PolicyRow,
    states: Sequence[PoolState],
    memory: Memory,
    refused: frozenset[int],
    now_us: int,
    deadline_us: int | None,
) -> Move:
    """What to do now. Args: refused: pools that had no place, since it was last waited. deadline_us: None = none."""
    candidates = ordered(row, states, memory)
    left = [state for state in candidates if state.offer.id not in refused]
    if row.on_full is OnFull.DENY:
        # The first refusal ends it: another pool was not what was asked for.
        if left and not refused:
            return Take(left[0])
        return GiveUp("no private pool has a place: fail closed", may_leave=False)
    if row.on_full is OnFull.WAIT_THEN_NEXT and refused:
        own_left = [state for state in left if state.pool == row.pool]
        if own_left:
            return Take(own_left[0])
        if deadline_us is not None and now_us + WAIT_US < deadline_us:
            return WaitUntil(now_us + WAIT_US, "every pool of the class is full")
    if left:
        return Take(left[0])
    if not candidates:
        return GiveUp("no pool is admissible", may_leave=True)
    return GiveUp("every admissible pool is full", may_leave=True)
