"""A lease of a pool, as values: what state it is in, what can happen to it, and what it costs.

    wanted ── subscribing ── waiting_pod ── exposing ── checking ── held ⇄ renewing ── releasing ── gone
       └───────────┴─────────────┴── (no capacity, no budget, lost) ──┴──────────┴─────────────── failed

What each event makes of a lease is decided in lease_machine.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HOUR_US: Final = 3_600_000_000
MILLION: Final = 1_000_000
#: A clock that shows less than it did by more than this was set back: what it said of the future counts no more.
SET_BACK_US: Final = 10 * MILLION


class State(StrEnum):
    """Where a lease stands."""

    WANTED = "wanted"
    SUBSCRIBING = "subscribing"
    WAITING_POD = "waiting_pod"
    EXPOSING = "exposing"
    CHECKING = "checking"
    HELD = "held"
    RENEWING = "renewing"
    RELEASING = "releasing"
    GONE = "gone"
    FAILED = "failed"


class Doing(StrEnum):
    """What is to be done for a lease next, once it is due."""

    READ = "read"
    SUBSCRIBE = "subscribe"
    FIND_SERVICE = "find_service"
    EXPOSE = "expose"
    CHECK = "check"
    UNSUBSCRIBE = "unsubscribe"
    REST = "rest"


TERMINAL: Final = frozenset((State.GONE, State.FAILED))
#: In these a client may be given the endpoint, until it expires.
SERVING: Final = frozenset((State.HELD, State.RENEWING))
#: Why a lease failed or was released: words for people and for what a policy does next.
NO_CAPACITY, NO_ACCESS, NO_BUDGET = "no_capacity", "no_access", "no_budget"
NOT_VALID, UNANSWERED, UNREACHABLE, HELD_BY_HAND = "not_valid", "unanswered", "unreachable", "held_by_hand"
LEAVING, PREEMPTED, POD_FAILED, POD_LATE = "leaving", "preempted", "pod_failed", "pod_late"
NOT_EXPOSED, UNHEALTHY, UNWANTED, IDLE = "not_exposed", "unhealthy", "unwanted", "idle"


@dataclass(frozen=True, slots=True)
class Rules:
    """Times of a lease, in microseconds, each with where it comes from.

    `settle_us`: how long a subscribe without an answer may take to show. `bring_up_us`: from the hold to an endpoint
    that answers; pods that are pending for ten minutes are deleted, first-party clients wait thirteen, and then a model
    loads. `release_patience_us`: first-party clients look for two minutes. `block_us`: what is prepaid at a time.
    `term_us`: how long an endpoint may be used after it was last seen to be ours. `misses`: reads in a row without a
    row until it counts as gone. `failed_checks`: of a held lease, until it is given up.
    """

    poll_us: int = 3 * MILLION
    slow_poll_us: int = 30 * MILLION
    settle_us: int = 90 * MILLION
    bring_up_us: int = 1_500 * MILLION
    release_patience_us: int = 120 * MILLION
    reach_patience_us: int = 300 * MILLION
    term_us: int = 300 * MILLION
    renew_us: int = 60 * MILLION
    block_us: int = 1_800 * MILLION
    most_subscribes: int = 2
    misses: int = 2
    failed_checks: int = 3


@dataclass(frozen=True, slots=True)
class Lease:
    """One wish for a hold on a pool, and what became of it.

    Args: slots: what it takes of its pool. token: the fencing token under which the endpoint was handed out last, 0 =
    never. expires_us: until when it may be used. paid_from_us, paid_until_us: what of time is prepaid. ended_us: when
    the hold was first seen to be gone, 0 = it is there, or never was. turn: counts what was decided, so that an outcome
    that comes too late is told apart. asked: how often subscribe was sent. is_seen: whether a read has shown its row.
    trying_us: since when an endpoint is looked for. failed: checks in a row that a held one did not pass. is_wanted:
    False = it is to be released as soon as it is clear what there is.
    """

    id: str
    tenant: str
    team: str
    pool_id: int
    hourly_usd_micros: int
    pool_name: str = ""
    priority: str = "balanced"
    share_percent: int = 0
    vgpus: int = 1
    slots: int = 1
    is_vip: bool = False
    memory_mb: int = 0
    state: State = State.WANTED
    doing: Doing = Doing.READ
    due_us: int = 0
    turn: int = 0
    is_wanted: bool = True
    created_us: int = 0
    since_us: int = 0
    trying_us: int = 0
    is_seen: bool = False
    subscription_id: int | None = None
    pod_name: str = ""
    base_url: str = ""
    token: int = 0
    expires_us: int = 0
    paid_from_us: int = 0
    paid_until_us: int = 0
    paid_usd_micros: int = 0
    ended_us: int = 0
    asked: int = 0
    misses: int = 0
    tries: int = 0
    failed: int = 0
    reason: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it may hold something."""
        return self.state not in TERMINAL

    @property
    def service_name(self) -> str:
        """What its pod's service is exposed as: letters, digits and hyphens, and different for each lease."""
        return f"harpoon-{self.id[-12:]}"

    def serves(self, now_us: int) -> bool:
        """Whether its endpoint may be used now."""
        sighted = self.since_us - SET_BACK_US <= now_us < self.expires_us
        return sighted and self.state in SERVING and self.is_wanted


@dataclass(frozen=True, slots=True)
class Row:
    """A subscription of the team as a read showed it. `pod_status`: running, broken or pending."""

    subscription_id: int
    pool_id: int
    team: str
    is_leaving: bool = False
    pod_name: str = ""
    pod: str = "pending"


@dataclass(frozen=True, slots=True)
class Event:
    """Root of what can happen to a lease."""


@dataclass(frozen=True, slots=True)
class Due(Event):
    """The time of a held lease to be renewed has come."""


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """The process that drove it is gone; what it was doing may be done."""


@dataclass(frozen=True, slots=True)
class Stop(Event):
    """It is not wanted any more."""

    reason: str = UNWANTED


@dataclass(frozen=True, slots=True)
class Rows(Event):
    """A read: the holds there are."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class ReadFailed(Event):
    """A read without an answer."""


@dataclass(frozen=True, slots=True)
class Accepted(Event):
    """A change was accepted. `subscription_id`: if the panel said it."""

    subscription_id: int | None = None


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """A change was refused, and had no effect. `reason`: NO_CAPACITY and so on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unsure(Event):
    """A change may or may not have had its effect."""


@dataclass(frozen=True, slots=True)
class NotSent(Event):
    """A change was never asked for."""


@dataclass(frozen=True, slots=True)
class Service(Event):
    """Where the pod's service is reached, None = there is none yet. `exists`: it is there, with no address yet."""

    base_url: str | None = None
    exists: bool = False


@dataclass(frozen=True, slots=True)
class Checked(Event):
    """Whether the endpoint answers."""

    is_healthy: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """What else counts when something happens.

    Args: budget_usd_micros: what the tenant's lease budget has left, None = there is no limit. next_token: a fencing
    token higher than any before. may_adopt: the pool was leased before, so a hold found there is ours. is_idle: nobody
    has used it for so long that another block would be wasted.
    """

    now_us: int
    budget_usd_micros: int | None = None
    next_token: int = 1
    may_adopt: bool = False
    is_idle: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """Money that moves: a block that is prepaid (positive), or what is credited back (negative), for a time."""

    kind: str
    usd_micros: int
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Step:
    """A lease after something happened, and the money that it moved; both are stored together."""

    lease: Lease
    charges: tuple[Charge, ...] = ()


def cost_usd_micros(hourly_usd_micros: int, duration_us: int) -> int:
    """What a duration costs, a fraction of a micro-dollar counted as a whole one."""
    return -(-hourly_usd_micros * duration_us // HOUR_US)
