"""A lease that had ended while its hold had not: brought back, so that it is released like any other."""

from __future__ import annotations

from dataclasses import replace

from gateway.hostedai.lease import Doing, Lease, Moment, Row, Rules, State, Step
from gateway.hostedai.lease_money import pay_up


def revive(lease: Lease, row: Row, at: Moment, rules: Rules) -> Step:
    """A lease that had ended, while its row is there after all: it is released, and paid for from when it was asked."""
    assert not lease.is_live
    assert row.team == lease.team
    back = replace(
        lease,
        state=State.RELEASING,
        doing=Doing.READ if row.is_leaving else Doing.UNSUBSCRIBE,
        due_us=at.now_us,
        since_us=at.now_us,
        turn=lease.turn + 1,
        subscription_id=row.subscription_id,
        is_wanted=False,
        expires_us=0,
        ended_us=0,
        misses=0,
        tries=0,
        paid_from_us=lease.paid_from_us or at.now_us,
        paid_until_us=lease.paid_from_us or at.now_us,
        paid_usd_micros=0,
    )
    if lease.subscription_id not in (None, row.subscription_id):
        # Another hold than the one that ended: it begins now for us, because nobody says since when it is there.
        back = replace(back, is_seen=True, paid_from_us=at.now_us, paid_until_us=at.now_us)
    elif lease.ended_us > lease.paid_from_us:
        # What an earlier end was charged stays charged; this is only for the time that comes on top.
        back = replace(back, paid_from_us=lease.ended_us, paid_until_us=lease.ended_us)
    return pay_up(back, at, rules)
