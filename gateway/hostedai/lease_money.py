"""The money of a lease: half-hour blocks prepaid, the unused rest credited back, in integer micro-dollars.

A lease has cost its hourly price times the time it was held, rounded up once, when it ends; while it lives, its blocks,
each rounded up. A block that begins while a lease is being given back is owed whatever the budget says: an overrun.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.hostedai.lease import Charge, Doing, Lease, Moment, Rules, State, Step, cost_usd_micros


def pay_block(lease: Lease, at: Moment, rules: Rules) -> Step | None:
    """The lease with another block prepaid, None if the budget does not allow it."""
    usd_micros = cost_usd_micros(lease.hourly_usd_micros, rules.block_us)
    if at.budget_usd_micros is not None and usd_micros > at.budget_usd_micros:
        return None
    return _paid(lease, at, rules, "block")


def _paid(lease: Lease, at: Moment, rules: Rules, kind: str, blocks: int = 1) -> Step:
    usd_micros = blocks * cost_usd_micros(lease.hourly_usd_micros, rules.block_us)
    from_us = lease.paid_until_us or at.now_us
    until_us = from_us + blocks * rules.block_us
    lease = replace(
        lease,
        paid_from_us=lease.paid_from_us or from_us,
        paid_until_us=until_us,
        paid_usd_micros=lease.paid_usd_micros + usd_micros,
    )
    return Step(lease, (Charge(kind, usd_micros, from_us, until_us),))


def pay_up(lease: Lease, at: Moment, rules: Rules) -> Step:
    """Blocks that the platform has begun while it was being released: owed, whatever the budget says."""
    if lease.ended_us or not lease.paid_from_us or lease.paid_until_us > at.now_us:
        return Step(lease)
    return _paid(lease, at, rules, "overrun", (at.now_us - lease.paid_until_us) // rules.block_us + 1)


def end_lease(lease: Lease, state: State, reason: str, at: Moment, *, held: bool) -> Step:
    """The end: what was prepaid and not used is credited back; all of it if nothing was `held`."""
    end_us = (lease.ended_us or at.now_us) if held else lease.paid_from_us
    used_us = max(0, min(end_us, lease.paid_until_us) - lease.paid_from_us)
    owed = cost_usd_micros(lease.hourly_usd_micros, used_us)
    credit = lease.paid_usd_micros - owed
    charges = (Charge("credit", -credit, lease.paid_from_us + used_us, lease.paid_until_us),) if credit else ()
    lease = replace(
        lease,
        state=state,
        doing=Doing.REST,
        due_us=0,
        since_us=at.now_us,
        is_wanted=False,
        base_url="",
        expires_us=0,
        paid_usd_micros=owed,
        ended_us=end_us if held else 0,
        reason=lease.reason or reason,
    )
    return Step(lease, charges)
