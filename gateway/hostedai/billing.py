"""Our accounts of leases against the platform's bill: pure, in integer micro-dollars, each difference explained or not.

Both sides prepay half hours and give back what was not used. They differ where one sees what the other doesn't: when a
hold began and ended, pods that were stopped (paid at a quarter), half hours bought ahead, holds that are none of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.hostedai.lease import HOUR_US, MILLION, Lease, cost_usd_micros
from gateway.hostedai.lease_store import ChargeRow, Use
from gateway.hostedai.models import Bill, Usage

BLOCK_US: Final = 1_800 * MILLION
#: A stopped pod is paid at a quarter of its rate by default.
STOPPED_PPM: Final = 250_000
#: Each side rounds each stretch of time for itself, and hours come with limited digits.
ROUNDING_USD_MICROS: Final = 4
#: How much longer than the platform we may have taken a hold to be there: asking, a slow answer, two looks.
SEEN_LATE_US: Final = 180 * MILLION


@dataclass(frozen=True, slots=True)
class Part:
    """Part of a difference (ours less theirs), and where it comes from."""

    usd_micros: int
    why: str


@dataclass(frozen=True, slots=True)
class Line:
    """One subscription on both sides. `lease_id` empty: not ours. `unexplained`: what no part accounts for."""

    subscription_id: int
    lease_id: str
    pool: str
    ours_usd_micros: int
    theirs_usd_micros: int
    parts: tuple[Part, ...]
    unexplained_usd_micros: int
    requests: int = 0
    requests_usd_micros: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def difference_usd_micros(self) -> int:
        """Ours less theirs."""
        return self.ours_usd_micros - self.theirs_usd_micros


@dataclass(frozen=True, slots=True)
class Statement:
    """All of it. `bill_parts`: what the bill has besides subscriptions; `unexplained`: of the bill's total."""

    lines: tuple[Line, ...]
    bill_usd_micros: int
    bill_parts: tuple[Part, ...]
    unexplained_usd_micros: int

    @property
    def is_explained(self) -> bool:
        """Whether nothing is left unexplained."""
        return not self.unexplained_usd_micros and not any(line.unexplained_usd_micros for line in self.lines)


def reconcile(
    leases: Sequence[Lease],
    charges: Sequence[ChargeRow],
    uses: Sequence[Use],
    metered: Sequence[Usage],
    bill: Bill,
    now_us: int,
) -> Statement:
    """Every subscription on both sides, and the bill against their sum."""
    ours: dict[str, tuple[int, int]] = {}
    for row in charges:
        usd_micros, held_us = ours.get(row.lease_id, (0, 0))
        length_us = row.charge.until_us - row.charge.from_us
        held_us += -length_us if row.charge.kind == "credit" else length_us
        ours[row.lease_id] = usd_micros + row.charge.usd_micros, held_us
    theirs = {one.subscription_id: one for one in metered}
    by_lease: dict[str, list[Use]] = {}
    for use in uses:
        by_lease.setdefault(use.lease_id, []).append(use)
    lines = []
    for lease in leases:
        found = theirs.get(lease.subscription_id) if lease.subscription_id else None
        lines.append(_line(lease, ours.get(lease.id, (0, 0)), found, by_lease.get(lease.id, ()), now_us))
    known = {lease.subscription_id for lease in leases}
    lines += [_stranger(one) for one in metered if one.subscription_id not in known]
    listed = sum([one.usd_micros for one in metered])
    parts = [
        Part(bill.base_usd_micros, "monthly base cost"),
        Part(bill.storage_usd_micros, "shared storage"),
    ]
    parts = [part for part in parts if part.usd_micros]
    rest = bill.total_usd_micros - listed - sum([part.usd_micros for part in parts])
    if rest and abs(rest) <= ROUNDING_USD_MICROS * max(1, len(metered)):
        parts.append(Part(rest, "rounding"))
        rest = 0
    return Statement(tuple(lines), bill.total_usd_micros, tuple(parts), rest)


def _line(lease: Lease, held: tuple[int, int], theirs: Usage | None, mine: Sequence[Use], now_us: int) -> Line:
    billed = 0 if theirs is None else theirs.usd_micros
    ours, held_us = held
    parts, rest = _parts(lease, ours, held_us, theirs, now_us)
    return Line(
        lease.subscription_id or 0,
        lease.id,
        lease.pool_name,
        ours,
        billed,
        tuple(part for part in parts if part.usd_micros),
        rest,
        len(mine),
        sum([use.usd_micros for use in mine]),
        sum([use.input_tokens for use in mine]),
        sum([use.output_tokens for use in mine]),
    )


def _parts(lease: Lease, ours: int, held_us: int, theirs: Usage | None, now_us: int) -> tuple[list[Part], int]:
    """What makes the difference of one lease, and what is left of it."""
    rest = ours - (0 if theirs is None else theirs.usd_micros)
    if theirs is None:
        if lease.is_live and rest and now_us - lease.created_us <= SEEN_LATE_US:
            return [Part(rest, "prepaid; the platform does not show the hold yet")], 0
        if not lease.is_live and not lease.is_seen:
            return [Part(rest, "accepted, and never shown: charged for the time that it was waited for")], 0
        return [], rest
    parts = []
    full_us = _billed_us(theirs.hours_us) if lease.is_live else theirs.hours_us
    full = cost_usd_micros(lease.hourly_usd_micros, full_us)
    stopped = full - theirs.usd_micros
    if stopped > ROUNDING_USD_MICROS and not lease.is_live:
        stopped_s = stopped * HOUR_US * MILLION // (lease.hourly_usd_micros * (MILLION - STOPPED_PPM)) // MILLION
        if stopped_s * MILLION <= full_us:
            parts.append(Part(stopped, f"its pod was stopped for {stopped_s} s, which costs a quarter"))
            rest -= stopped
    if lease.is_live:
        ahead = _blocks_ahead(lease, theirs.hours_us, now_us)
        if ahead:
            bought = cost_usd_micros(lease.hourly_usd_micros, BLOCK_US) * ahead
            parts.append(Part(bought, f"{ahead} half hours bought ahead of the platform's"))
            rest -= bought
    else:
        part = _time_part(lease, held_us, theirs.hours_us)
        parts.append(part)
        rest -= part.usd_micros
    if rest and abs(rest) <= ROUNDING_USD_MICROS:
        parts.append(Part(rest, "rounding"))
        rest = 0
    return parts, rest


def _time_part(lease: Lease, our_us: int, their_us: int) -> Part:
    """What comes of the two sides having seen the beginning and the end of a hold at different times."""
    more_us = our_us - their_us
    usd_micros = cost_usd_micros(lease.hourly_usd_micros, our_us) - cost_usd_micros(lease.hourly_usd_micros, their_us)
    if more_us >= 0:
        return Part(usd_micros, f"counted from asking until it was seen to be gone: {more_us // 1_000} ms more")
    return Part(usd_micros, f"its row was hidden when it was taken to be gone: {-more_us // 1_000} ms less")


def _billed_us(held_us: int) -> int:
    """The half hours that are paid for a hold that goes on."""
    return (held_us // BLOCK_US + 1) * BLOCK_US


def _blocks_ahead(lease: Lease, held_us: int, now_us: int) -> int:
    """How many half hours more than the platform a live lease has prepaid."""
    ours = -(-(lease.paid_until_us - lease.paid_from_us) // BLOCK_US)
    return ours - _billed_us(held_us) // BLOCK_US


def _stranger(one: Usage) -> Line:
    part = Part(-one.usd_micros, "a hold that no lease stood for: made by hand, or gone before it ever showed")
    parts = (part,) if one.usd_micros else ()
    return Line(one.subscription_id, "", one.pool_name, 0, one.usd_micros, parts, 0)


def to_plain(statement: Statement) -> dict[str, Any]:
    """The statement as JSON-like values."""

    def plain(part: Part) -> Mapping[str, Any]:
        return {"usd_micros": part.usd_micros, "why": part.why}

    return {
        "bill_usd_micros": statement.bill_usd_micros,
        "bill_parts": [plain(part) for part in statement.bill_parts],
        "unexplained_usd_micros": statement.unexplained_usd_micros,
        "explained": statement.is_explained,
        "subscriptions": [
            {
                "subscription_id": line.subscription_id,
                "lease_id": line.lease_id,
                "pool": line.pool,
                "ours_usd_micros": line.ours_usd_micros,
                "theirs_usd_micros": line.theirs_usd_micros,
                "difference_usd_micros": line.difference_usd_micros,
                "parts": [plain(part) for part in line.parts],
                "unexplained_usd_micros": line.unexplained_usd_micros,
                "requests": line.requests,
                "requests_usd_micros": line.requests_usd_micros,
                "input_tokens": line.input_tokens,
                "output_tokens": line.output_tokens,
            }
            for line in statement.lines
        ],
    }
