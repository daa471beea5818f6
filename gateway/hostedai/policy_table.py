"""What a priority means on hosted.ai, as one table: every knob is a field that the platform really has.

The pools, ratios, scheduling, optimisation, shares and what follows a full pool are Harpoon's own design; the other
knobs (quantum, security level, VIP, VRAM cap, placement) complete it. All of it is our mapping: the platform documents
the fields, and not what they are good for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

PRIVATE, SHARED = "private", "shared"
#: Of the platform's scheduler modes those whose names are known; others exist, which guarantee nothing.
DISABLED, USER_SELECTED = "disabled", "user_selected"


class OnFull(StrEnum):
    """What follows when a pool has no place."""

    DENY = "deny"
    NEXT_IN_CLASS_ELSE_DEARER = "next pool of the class, else a dearer one"
    NEXT_POOL_THEN_TIER = "next pool, then the next tier"
    WAIT_THEN_NEXT = "wait within the deadline, else the next pool"


class Placement(StrEnum):
    """Which of several pools is asked first."""

    ALLOWED_ONLY = "only pools that are allow-listed"
    EMPTIEST = "the emptiest pool"
    LEAST_VRAM = "the least VRAM in use"
    CHEAPEST = "the cheapest with a free slot"


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One priority.

    Args: pool: the catalogue's pool. ratios: sharing ratios that fit it, least and most. share_percent: guaranteed
    share that is sent, None = one slice, 0 = the field says nothing because the GPU is whole. kappa_ppm: most VRAM
    handed out over VRAM there is. takes_turns: whether exclusive turns with others are accepted. quantum_s: None = the
    model chooses it.
    """

    priority: str
    pool: str
    visibility: str
    ratios: tuple[int, int]
    ratio: int
    scheduling: str
    optimisation: str
    scheduler_mode: str
    share_percent: int | None
    share: str
    is_vip: bool
    security_level: str
    quantum_s: int | None
    kappa_ppm: int
    takes_turns: bool
    placement: Placement
    on_full: OnFull

    def share_sent(self, sharing_ratio: int) -> int:
        """What goes along as guaranteed_gpu_share_percent: whole slices in whole percent, else 0, which takes one."""
        if sharing_ratio == 1 or self.share_percent == 0:
            return 0
        if self.share_percent is not None and sharing_ratio * self.share_percent % 100 == 0:
            return self.share_percent
        return 100 // sharing_ratio if 100 % sharing_ratio == 0 else 0


POLICY_TABLE: Final = MappingProxyType(
    {
        row.priority: row
        for row in (
            PolicyRow(
                "max_security",
                pool="private-1x",
                visibility=PRIVATE,
                ratios=(1, 1),
                ratio=1,
                scheduling="temporal",
                optimisation="security",
                scheduler_mode=DISABLED,
                share_percent=0,
                share="whole GPU",
                is_vip=False,
                security_level="high",
                quantum_s=30,
                kappa_ppm=900_000,
                takes_turns=False,
                placement=Placement.ALLOWED_ONLY,
                on_full=OnFull.DENY,
            ),
            PolicyRow(
                "max_performance",
                pool="private-1x",
                visibility=PRIVATE,
                ratios=(1, 1),
                ratio=1,
                scheduling="spatial",
                optimisation="performance",
                scheduler_mode=DISABLED,
                share_percent=100,
                share="100 %",
                is_vip=True,
                security_level="low",
                quantum_s=30,
                kappa_ppm=900_000,
                takes_turns=False,
                placement=Placement.EMPTIEST,
                on_full=OnFull.NEXT_IN_CLASS_ELSE_DEARER,
            ),
            PolicyRow(
                "balanced",
                pool="shared-4x",
                visibility=SHARED,
                ratios=(2, 4),
                ratio=4,
                scheduling="spatial",
                optimisation="balanced",
                scheduler_mode=USER_SELECTED,
                share_percent=25,
                share="25 %",
                is_vip=False,
                security_level="medium",
                quantum_s=None,
                kappa_ppm=1_000_000,
                takes_turns=True,
                placement=Placement.LEAST_VRAM,
                on_full=OnFull.NEXT_POOL_THEN_TIER,
            ),
            PolicyRow(
                "cost_optimized",
                pool="shared-8x",
                visibility=SHARED,
                ratios=(5, 10),
                ratio=8,
                scheduling="temporal",
                optimisation="cost",
                scheduler_mode=USER_SELECTED,
                share_percent=None,
                share="1/ratio",
                is_vip=False,
                security_level="low",
                quantum_s=None,
                kappa_ppm=1_250_000,
                takes_turns=True,
                placement=Placement.CHEAPEST,
                on_full=OnFull.WAIT_THEN_NEXT,
            ),
        )
    }
)
#: Which row a lease for a pool of the catalogue goes by, where only the pool is known.
ROW_OF_POOL: Final = MappingProxyType(
    {
        "private-1x": POLICY_TABLE["max_security"],
        "shared-4x": POLICY_TABLE["balanced"],
        "shared-8x": POLICY_TABLE["cost_optimized"],
    }
)


def pool_class(name: str, sharing_ratio: int | None) -> str | None:
    """The catalogue's pool that a pool of the platform is: by its name, else by its sharing ratio, None = unknown."""
    if name in ROW_OF_POOL:
        return name
    if sharing_ratio is None:
        return None
    for pool, row in ROW_OF_POOL.items():
        if row.ratios[0] <= sharing_ratio <= row.ratios[1]:
            return pool
    return None
