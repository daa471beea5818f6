"""Every constant of the pool model, by name, with where it comes from; change one and nothing else has to change.

Marks: `documented` (the platform's documentation or its first-party code), `measured` (first-party test notes, one run
each), `nvshare` (a fact of the open-source GPU sharing it very likely rests on), `assumed` (our choice).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

MILLION: Final = 1_000_000
DOCUMENTED, MEASURED, NVSHARE, ASSUMED = "documented", "measured", "nvshare", "assumed"
AUTO, SPATIAL, TEMPORAL = "auto", "spatial", "temporal"
SHARE_MODES = (AUTO, SPATIAL, TEMPORAL)
PACK, SPREAD = "pack", "spread"


class ParameterError(ValueError):
    """A parameter that no model can be built with; says which one and what it must be."""


def check_integers(value: Any, names: Sequence[str]) -> None:
    """Raises: ParameterError for one of these fields that holds no integer."""
    for name in names:
        given = getattr(value, name)
        if not isinstance(given, int) or isinstance(given, bool):
            raise ParameterError(f"{name} must be an integer")


def _parameter(default: Any, mark: str, least: int, most: int, meaning: str) -> Any:
    return field(default=default, metadata={"mark": mark, "least": least, "most": most, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Parameters:
    """The constants, in microseconds, megabytes and parts per million. Raises: ParameterError for one out of range."""

    gpu_memory_mb: int = _parameter(
        94_970, MEASURED, 1_000, 10_000_000, "memory that a 96 GB card reports, in megabytes"
    )
    hidden_memory_mb: int = _parameter(1_536, NVSHARE, 0, 1_000_000, "memory that the sharing runtime keeps to itself")
    page_in_mb_per_s: int = _parameter(
        12_000, ASSUMED, 1, 1_000_000, "how fast a tenant's working set comes back into the card (5,000 to 45,000)"
    )
    drain_us: int = _parameter(
        50_000, ASSUMED, 0, 60_000_000, "time until the kernels already submitted have run at the end of a turn"
    )
    idle_hold_us: int = _parameter(
        5_000_000, NVSHARE, 0, 600_000_000, "how long a tenant without work keeps its turn while another one waits"
    )
    interference_ppm: int = _parameter(
        50_000, ASSUMED, 0, 250_000, "speed that each further tenant costs all those that run at the same time"
    )
    slices_weight_spatial: int = _parameter(1, ASSUMED, 0, 1, "1: slices weigh at the same time; 0: all weigh alike")
    switch_detection_us: int = _parameter(
        1_000_000, ASSUMED, 0, 600_000_000, "time until a card changes between the two modes by itself"
    )
    fail_from_ppm: int = _parameter(
        1_250_000, MEASURED, 0, 100_000_000, "memory handed out over memory there is, up to which no pod fails"
    )
    fail_surely_ppm: int = _parameter(
        1_670_000, MEASURED, 1, 100_000_000, "the same ratio, from which an allocation surely fails a pod"
    )
    provision_median_us: int = _parameter(
        60_000_000, ASSUMED, 0, 86_400_000_000, "median time until a pod runs (a lognormal law)"
    )
    provision_sigma_ppm: int = _parameter(600_000, ASSUMED, 0, 3_000_000, "spread of that law: sigma of the logarithm")
    pending_limit_us: int = _parameter(
        600_000_000, DOCUMENTED, 1, 86_400_000_000, "a pod that is not running by then is deleted"
    )
    renew_turns: int = _parameter(
        1,
        ASSUMED,
        0,
        1,
        "1: a turn that ends with nobody waiting begins anew; 0: whoever comes then gets the card at once",
    )
    page_in_inside_turn: int = _parameter(
        0, ASSUMED, 0, 1, "1: page-in uses up the turn; 0: the turn begins when the working set is back"
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            value, least, most = getattr(self, one.name), one.metadata["least"], one.metadata["most"]
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ParameterError(f"{one.name} must be an integer from {least} to {most}")
        if self.fail_surely_ppm <= self.fail_from_ppm:
            raise ParameterError("fail_surely_ppm must be above fail_from_ppm")
        if self.hidden_memory_mb >= self.gpu_memory_mb:
            raise ParameterError("hidden_memory_mb must be below gpu_memory_mb")

    @property
    def usable_memory_mb(self) -> int:
        """What tenants can hold of a card at the same time."""
        return self.gpu_memory_mb - self.hidden_memory_mb


def parameter_notes() -> list[tuple[str, int, str, str]]:
    """Name, default, mark and meaning of every parameter, in the order they are declared."""
    return [
        (one.name, int(getattr(Parameters(), one.name)), one.metadata["mark"], one.metadata["meaning"])
        for one in fields(Parameters)
    ]


def parameters_from(plain: Mapping[str, Any]) -> Parameters:
    """The defaults with those of `plain` in their place. Raises: ParameterError for an unknown name or a bad value."""
    known = {one.name for one in fields(Parameters)}
    unknown = sorted(set(plain) - known)
    if unknown:
        raise ParameterError(f"there is no parameter {unknown[0]!r}; there are {', '.join(sorted(known))}")
    return Parameters(**plain)


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """How one pool is set up: what the platform's `pool/create` takes, and how its cards share.

    Args: sharing_ratio: slots a card is sold in, 1 to 10. quantum_us: the longest turn a slice gets, 2 to 300 seconds.
    share_mode: SHARE_MODES; `auto` shares in space while the tenants' memory fits, in turns else. private: one team
    only. placement: of several cards that have room, `pack` takes the fullest and `spread` the emptiest.
    Raises: ParameterError.
    """

    id: int
    name: str
    gpus: int = 1
    sharing_ratio: int = 1
    quantum_us: int = 30_000_000
    share_mode: str = AUTO
    private: bool = False
    security_level: str = "low"
    hourly_usd_micros: int = 660_000
    placement: str = SPREAD
    gpu_model: str = "RTX PRO 6000"

    def __post_init__(self) -> None:
        check_integers(self, ("id", "gpus", "sharing_ratio", "quantum_us", "hourly_usd_micros"))
        if not isinstance(self.name, str) or not 0 < len(self.name) <= 128 or not isinstance(self.private, bool):
            raise ParameterError("a pool has a name of 1 to 128 characters, and is private or not (true, false)")
        if not 1 <= self.gpus <= 1_024:
            raise ParameterError("a pool has 1 to 1024 GPUs")
        if not 1 <= self.sharing_ratio <= 10:
            raise ParameterError("sharing_ratio must be from 1 to 10")
        if not 2 * MILLION <= self.quantum_us <= 300 * MILLION:
            raise ParameterError("the time quantum must be from 2 to 300 seconds")
        if self.share_mode not in SHARE_MODES:
            raise ParameterError(f"share_mode must be one of {', '.join(SHARE_MODES)}")
        if self.placement not in (PACK, SPREAD):
            raise ParameterError("placement must be pack or spread")
        if self.security_level not in ("low", "medium", "high"):
            raise ParameterError("security_level must be low, medium or high")
        if self.hourly_usd_micros < 0:
            raise ParameterError("a price is not negative")

    @property
    def slots(self) -> int:
        """How many slices the pool can sell."""
        return self.gpus * self.sharing_ratio


#: Speed of one request among n that a server answers at once, relative to being alone (ppm): the platform's own figures
#: for a 70B model are 42, 180 and 450 tokens/s at batch 1, 8 and 32.
BATCH_POINTS: Final[tuple[tuple[int, int], ...]] = ((1, 1_000_000), (8, 535_714), (32, 334_821))
ONE_AT_A_TIME: Final[tuple[tuple[int, int], ...]] = ((1, 1_000_000),)


def batch_speeds(points: tuple[tuple[int, int], ...], most: int) -> tuple[int, ...]:
    """Speed of each request among n in ppm, for n from 0 to `most`, straight lines between the points.

    Raises: ParameterError for points that don't begin at 1 or don't grow.
    """
    try:
        sizes = [size for size, _ in points]
        is_whole = all(type(number) is int for point in points for number in point)
    except (TypeError, ValueError):
        sizes, is_whole = [], False
    grows = sizes == sorted(set(sizes)) and all(speed > 0 for _, speed in points) if is_whole else False
    if not grows or sizes[:1] != [1]:
        raise ParameterError("batch points begin with size 1, grow, and have speeds above zero")
    speeds = [points[0][1]]
    for size in range(1, most + 1):
        after = next((position for position, point in enumerate(points) if point[0] >= size), None)
        if after is None:
            speeds.append(points[-1][1] * points[-1][0] // size)
            continue
        high_size, high = points[after]
        if high_size == size:
            speeds.append(high)
            continue
        low_size, low = points[after - 1]
        speeds.append(low + (high - low) * (size - low_size) // (high_size - low_size))
    return tuple(speeds)
