"""What each event makes of a lease: pure, no clock, no network, every state and outcome decided here and nowhere else.

Whoever drives it stores each lease before doing what it says, so that after a crash it is known what may have been
done; then everything begins with a re-read. Nothing that changes something is done twice without one. Only rows of the
lease's own team count, and a row counts as gone when two reads in a row lack it, because an empty answer is what the
panel gives for no rows and, now and then, for some.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from gateway.hostedai.lease import (
    HELD_BY_HAND,
    IDLE,
    LEAVING,
    NO_BUDGET,
    NOT_EXPOSED,
    POD_FAILED,
    POD_LATE,
    PREEMPTED,
    SET_BACK_US,
    UNANSWERED,
    UNHEALTHY,
    UNREACHABLE,
    UNWANTED,
    Accepted,
    Checked,
    Doing,
    Due,
    Event,
    Lease,
    Moment,
    NotSent,
    ReadFailed,
    Recovered,
    Refused,
    Row,
    Rows,
    Rules,
    Service,
    State,
    Step,
    Stop,
)
from gateway.hostedai.lease_money import end_lease, pay_block, pay_up

_COMING_UP: Final = frozenset((State.WAITING_POD, State.EXPOSING, State.CHECKING))


def advance(lease: Lease, event: Event, at: Moment, rules: Rules) -> Step:
    """What `event` makes of a lease. Terminal leases stay as they are: `lease_revival` is what brings one back."""
    if not lease.is_live:
        return Step(lease)
    if isinstance(event, Stop):
        return _stop(lease, event, at)
    owed = pay_up(replace(_on_clock(lease, at), turn=lease.turn + 1), at, rules)
    step = _happened(owed.lease, event, at, rules)
    return Step(step.lease, owed.charges + step.charges)


def _on_clock(lease: Lease, at: Moment) -> Lease:
    """The lease on a clock that was set back: patience begins anew, and the endpoint is withdrawn until it is seen."""
    if at.now_us >= lease.since_us - SET_BACK_US:
        return lease
    return replace(lease, since_us=at.now_us, trying_us=min(lease.trying_us, at.now_us), expires_us=0)


def _happened(lease: Lease, event: Event, at: Moment, rules: Rules) -> Step:
    if isinstance(event, Recovered):
        return Step(_recovered(lease, at))
    if isinstance(event, Due):
        return Step(_begin_renewal(lease, at))
    if isinstance(event, Rows):
        return _read(lease, event, at, rules)
    if isinstance(event, ReadFailed):
        return _unread(lease, event, at, rules)
    if lease.doing is Doing.SUBSCRIBE:
        return _subscribed(lease, event, at, rules)
    if lease.doing in (Doing.FIND_SERVICE, Doing.EXPOSE):
        return _exposed(lease, event, at, rules)
    if isinstance(event, Checked):
        return _checked(lease, event, at, rules)
    return _unsubscribed(lease, event, at, rules)


def _to(lease: Lease, state: State, doing: Doing, at: Moment, *, after_us: int = 0, **more: Any) -> Lease:
    """The lease in a state, entered now unless it was in it, with what is to be done after a while."""
    since_us = lease.since_us if lease.state is state else at.now_us
    fresh = {} if lease.state is state else {"tries": 0, "misses": 0, "failed": 0}
    values = {**fresh, **more}
    return replace(lease, state=state, doing=doing, due_us=at.now_us + after_us, since_us=since_us, **values)


def _again(lease: Lease, doing: Doing, at: Moment, rules: Rules) -> Lease:
    """The same state, and `doing` after a pause that grows with the tries."""
    pause_us = min(rules.poll_us << min(lease.tries, 4), rules.slow_poll_us)
    return replace(lease, doing=doing, due_us=at.now_us + pause_us, tries=lease.tries + 1)


def _waited_us(lease: Lease, at: Moment) -> int:
    return at.now_us - lease.since_us


def _tried_us(lease: Lease, at: Moment) -> int:
    return at.now_us - lease.trying_us


def _stop(lease: Lease, event: Stop, at: Moment) -> Step:
    if lease.state is State.WANTED:
        return end_lease(replace(lease, turn=lease.turn + 1), State.GONE, event.reason, at, held=False)
    if lease.state in (State.SUBSCRIBING, State.RELEASING):
        # What is under way has to become clear first; its outcome must still find the lease as it was.
        return Step(replace(lease, is_wanted=False, reason=lease.reason or event.reason))
    return Step(_release(replace(lease, turn=lease.turn + 1), event.reason, at))


def _release(lease: Lease, reason: str, at: Moment) -> Lease:
    """On the way out: the endpoint is withdrawn at once."""
    return _to(
        lease,
        State.RELEASING,
        Doing.READ if lease.subscription_id is None else Doing.UNSUBSCRIBE,
        at,
        is_wanted=False,
        expires_us=0,
        base_url="",
        reason=lease.reason or reason,
    )


def _recovered(lease: Lease, at: Moment) -> Lease:
    if lease.state is State.HELD:
        return _begin_renewal(lease, at)
    doing = lease.doing
    if lease.state is State.EXPOSING:
        doing = Doing.FIND_SERVICE
    elif lease.state is State.RENEWING or doing in (Doing.SUBSCRIBE, Doing.UNSUBSCRIBE):
        doing = Doing.READ
    # It may have been sent at the last moment before the crash, so the time it has to show begins now.
    since_us = at.now_us if lease.state is State.SUBSCRIBING else lease.since_us
    return replace(lease, doing=doing, due_us=at.now_us, since_us=since_us, misses=0)


def _begin_renewal(lease: Lease, at: Moment) -> Lease:
    return _to(lease, State.RENEWING, Doing.READ, at) if lease.state is State.HELD else lease


def _own(lease: Lease, event: Rows) -> Row | None:
    """The row that is this lease's: of its team and its pool; one whose id is known is preferred."""
    mine = [row for row in event.rows if row.team == lease.team and row.pool_id == lease.pool_id]
    known = [row for row in mine if row.subscription_id == lease.subscription_id]
    staying = [row for row in mine if not row.is_leaving]
    return next(iter(known or staying or mine), None)


def _read(lease: Lease, event: Rows, at: Moment, rules: Rules) -> Step:
    row = _own(lease, event)
    if lease.state is State.WANTED:
        return _read_before(lease, row, at, rules)
    if lease.state is State.SUBSCRIBING:
        return _read_asked(lease, row, at, rules)
    if lease.state is State.RELEASING:
        return _read_leaving(lease, row, at, rules)
    if row is None:
        return _missed(lease, at, rules)
    lease = _with_row(lease, row)
    if row.is_leaving:
        out = _release(lease, PREEMPTED, at)
        return Step(replace(out, doing=Doing.READ, due_us=at.now_us + rules.poll_us))
    if row.pod == "broken":
        return Step(_release(lease, POD_FAILED, at))
    if not lease.is_wanted:
        return Step(_release(lease, UNWANTED, at))
    if lease.state is State.WAITING_POD:
        if row.pod == "running":
            return _kept(_to(lease, State.EXPOSING, Doing.FIND_SERVICE, at, pod_name=row.pod_name), at, rules)
        if _tried_us(lease, at) > rules.bring_up_us:
            return Step(_release(lease, POD_LATE, at))
        return _kept(_again(lease, Doing.READ, at, rules), at, rules)
    return _read_held(lease, row, at)


def _read_before(lease: Lease, row: Row | None, at: Moment, rules: Rules) -> Step:
    """Nothing was asked yet."""
    if row is not None and row.is_leaving:
        if _waited_us(lease, at) > rules.release_patience_us:
            return end_lease(lease, State.FAILED, LEAVING, at, held=False)
        return Step(_again(lease, Doing.READ, at, rules))
    if row is not None and not at.may_adopt:
        return end_lease(lease, State.FAILED, HELD_BY_HAND, at, held=False)
    paid = pay_block(lease, at, rules)
    if paid is None:
        # A hold that is there costs money without a lease of its own, so it goes.
        if row is not None:
            return Step(_release(replace(lease, subscription_id=row.subscription_id), NO_BUDGET, at))
        return end_lease(lease, State.FAILED, NO_BUDGET, at, held=False)
    if row is not None:
        return Step(_adopt(paid.lease, row.subscription_id, at), paid.charges)
    asked = _to(paid.lease, State.SUBSCRIBING, Doing.SUBSCRIBE, at, asked=paid.lease.asked + 1)
    return Step(asked, paid.charges)


def _adopt(lease: Lease, subscription_id: int | None, at: Moment, after_us: int = 0) -> Lease:
    lease = replace(lease, subscription_id=subscription_id, trying_us=at.now_us)
    return _to(lease, State.WAITING_POD, Doing.READ, at, after_us=after_us)


def _read_asked(lease: Lease, row: Row | None, at: Moment, rules: Rules) -> Step:
    """It is not known whether the subscribe took effect."""
    if row is not None and not row.is_leaving:
        adopted = _adopt(lease, row.subscription_id, at)
        return Step(adopted if lease.is_wanted else _release(adopted, UNWANTED, at))
    if row is not None and _waited_us(lease, at) > rules.release_patience_us:
        # Nothing was there before it was asked, so what is stuck on its way out is its own hold.
        out = replace(lease, subscription_id=row.subscription_id, is_seen=True)
        return Step(replace(_release(out, PREEMPTED, at), doing=Doing.READ))
    if _waited_us(lease, at) <= rules.settle_us or row is not None:
        return Step(_again(lease, Doing.READ, at, rules))
    if lease.is_wanted and lease.asked < rules.most_subscribes:
        again = replace(lease, since_us=at.now_us, asked=lease.asked + 1, tries=0)
        return Step(replace(again, doing=Doing.SUBSCRIBE, due_us=at.now_us))
    return end_lease(lease, State.FAILED, UNANSWERED, at, held=False)


def _subscribed(lease: Lease, event: Event, at: Moment, rules: Rules) -> Step:
    if isinstance(event, Accepted):
        adopted = _adopt(lease, event.subscription_id, at, rules.poll_us)
        if lease.is_wanted:
            return Step(adopted)
        # Without an id there is nothing yet that could be given back; a read will find it.
        out = _release(adopted, UNWANTED, at)
        return Step(out if event.subscription_id is not None else replace(out, doing=Doing.READ))
    if isinstance(event, Refused) and event.reason != HELD_BY_HAND:
        return end_lease(lease, State.FAILED, event.reason, at, held=False)
    if isinstance(event, NotSent):
        if not lease.is_wanted or _waited_us(lease, at) > rules.reach_patience_us:
            return end_lease(lease, State.FAILED, UNREACHABLE, at, held=False)
        return Step(_again(lease, Doing.SUBSCRIBE, at, rules))
    return Step(_again(lease, Doing.READ, at, rules))


def _missed(lease: Lease, at: Moment, rules: Rules) -> Step:
    """A read without the row of a lease that should have one."""
    if not lease.is_seen and _tried_us(lease, at) < rules.settle_us:
        # A new row may take a while to show.
        return Step(replace(lease, doing=Doing.READ, due_us=at.now_us + rules.poll_us))
    lease = _without_row(lease, at)
    if lease.misses < rules.misses:
        return Step(replace(lease, doing=Doing.READ, due_us=at.now_us + rules.poll_us))
    if not lease.is_seen and lease.subscription_id is not None:
        # The panel said that there is one: it is given back by that id, shown or not.
        return Step(_release(lease, UNANSWERED, at))
    # Accepted without an id, and never seen: nothing came of it.
    return end_lease(lease, State.FAILED, PREEMPTED if lease.is_seen else UNANSWERED, at, held=lease.is_seen)


def _without_row(lease: Lease, at: Moment) -> Lease:
    """One more read without its row; the hold is taken to have ended at the first of them in a row."""
    return replace(lease, misses=lease.misses + 1, ended_us=lease.ended_us or at.now_us)


def _with_row(lease: Lease, row: Row) -> Lease:
    return replace(lease, misses=0, ended_us=0, is_seen=True, subscription_id=row.subscription_id)


def _unread(lease: Lease, event: Event, at: Moment, rules: Rules) -> Step:
    """Nothing can be read. What holds money is looked after until it is clear; a mere wish gives up."""
    if lease.state is State.WANTED and (_waited_us(lease, at) > rules.reach_patience_us or not lease.is_wanted):
        return end_lease(lease, State.FAILED, UNREACHABLE, at, held=False)
    if lease.state in _COMING_UP and _tried_us(lease, at) > rules.bring_up_us:
        return Step(_release(lease, UNREACHABLE, at))
    if lease.state is State.RENEWING and lease.doing is Doing.FIND_SERVICE:
        return _found_again(lease, event, at, rules)
    return Step(_again(lease, lease.doing, at, rules))


def _exposed(lease: Lease, event: Event, at: Moment, rules: Rules) -> Step:
    if lease.state is State.RENEWING:
        return _found_again(lease, event, at, rules)
    if isinstance(event, Service) and event.base_url:
        return Step(_to(lease, State.CHECKING, Doing.CHECK, at, base_url=event.base_url))
    if _tried_us(lease, at) > rules.bring_up_us:
        return Step(_release(lease, NOT_EXPOSED, at))
    if lease.doing is Doing.FIND_SERVICE and isinstance(event, Service) and not event.exists:
        return Step(replace(lease, doing=Doing.EXPOSE, due_us=at.now_us))
    if lease.doing is Doing.EXPOSE and isinstance(event, Refused):
        # The pod may have gone meanwhile: the rows say so.
        return Step(_to(lease, State.WAITING_POD, Doing.READ, at, after_us=rules.poll_us))
    return Step(_again(lease, Doing.FIND_SERVICE, at, rules))


def _read_held(lease: Lease, row: Row, at: Moment) -> Step:
    """A renewal has found its row: the same pod's address is asked for anew, another one has to be exposed first."""
    if row.pod_name and row.pod_name != lease.pod_name:
        return Step(_withdrawn(lease, at))
    return Step(replace(lease, doing=Doing.FIND_SERVICE, due_us=at.now_us))


def _withdrawn(lease: Lease, at: Moment) -> Lease:
    """Its endpoint is not to be used any more, and another one is looked for."""
    return _to(replace(lease, expires_us=0, base_url="", trying_us=at.now_us), State.WAITING_POD, Doing.READ, at)


def _found_again(lease: Lease, event: Event, at: Moment, rules: Rules) -> Step:
    """Where a held pod is reached now. A node port that it has lost may be another team's by now, and would answer."""
    if isinstance(event, Service) and event.base_url:
        if event.base_url == lease.base_url:
            return Step(replace(lease, doing=Doing.CHECK, due_us=at.now_us))
        moved = replace(lease, expires_us=0, trying_us=at.now_us, base_url=event.base_url)
        return Step(_to(moved, State.CHECKING, Doing.CHECK, at))
    if lease.doing is Doing.EXPOSE and isinstance(event, Refused):
        # It is exposed under this name already, says 409: a panel that can't tell where leaves what it told before.
        if event.reason == HELD_BY_HAND:
            return Step(replace(lease, doing=Doing.CHECK, due_us=at.now_us))
        return Step(_withdrawn(lease, at))
    if _waited_us(lease, at) > rules.bring_up_us:
        return Step(_release(lease, NOT_EXPOSED, at))
    if lease.doing is Doing.FIND_SERVICE and isinstance(event, Service) and not event.exists:
        return Step(replace(lease, doing=Doing.EXPOSE, due_us=at.now_us))
    return Step(_again(lease, Doing.READ, at, rules))


def _checked(lease: Lease, event: Checked, at: Moment, rules: Rules) -> Step:
    if not event.is_healthy:
        if lease.state is State.CHECKING:
            if _tried_us(lease, at) > rules.bring_up_us:
                return Step(_release(lease, UNHEALTHY, at))
            # A server that loads its model says nothing yet; a pod that failed shows in the rows.
            if lease.tries % 4 == 3:
                return Step(_to(lease, State.WAITING_POD, Doing.READ, at))
            return Step(_again(lease, Doing.CHECK, at, rules))
        lease = replace(lease, failed=lease.failed + 1)
        if lease.failed >= rules.failed_checks:
            return Step(_release(lease, UNHEALTHY, at))
        return Step(_again(lease, Doing.READ, at, rules))
    if not lease.is_wanted:
        return Step(_release(lease, UNWANTED, at))
    kept = _kept(lease, at, rules)
    if not kept.lease.is_wanted:
        return kept
    lease = kept.lease
    token = lease.token if lease.expires_us > at.now_us else at.next_token
    expires_us = min(at.now_us + rules.term_us, lease.paid_until_us)
    held = _to(lease, State.HELD, Doing.READ, at, after_us=rules.renew_us, token=token, expires_us=expires_us)
    return Step(held, kept.charges)


def _kept(lease: Lease, at: Moment, rules: Rules) -> Step:
    """The lease with its next block, if the one it has is about to end; released if nobody needs it or can pay it."""
    if lease.paid_until_us - at.now_us > 2 * rules.renew_us:
        return Step(lease)
    if at.is_idle:
        return Step(_release(lease, IDLE, at))
    return pay_block(lease, at, rules) or Step(_release(lease, NO_BUDGET, at))


def _unsubscribed(lease: Lease, event: Event, at: Moment, rules: Rules) -> Step:
    """However an unsubscribe ended, a read says what became of it; but of a hold that no read ever showed."""
    if lease.doing is Doing.UNSUBSCRIBE and isinstance(event, NotSent) and not lease.is_seen:
        return Step(_again(lease, Doing.UNSUBSCRIBE, at, rules))
    return Step(_again(lease, Doing.READ, at, rules))


def _read_leaving(lease: Lease, row: Row | None, at: Moment, rules: Rules) -> Step:
    if row is None:
        unseen = lease.subscription_id is None and _waited_us(lease, at) <= rules.settle_us
        lease = _without_row(lease, at)
        # One that was never seen may still come to show.
        if lease.misses < rules.misses or unseen:
            return Step(replace(lease, doing=Doing.READ, due_us=at.now_us + rules.poll_us))
        was_asked_for = lease.reason in (UNWANTED, IDLE, "")
        state = State.GONE if was_asked_for else State.FAILED
        return end_lease(lease, state, UNWANTED, at, held=lease.subscription_id is not None)
    lease = _with_row(lease, row)
    if not row.is_leaving:
        # It stays as if nobody had asked: an unsubscribe that had no effect is asked for again.
        return Step(_again(lease, Doing.UNSUBSCRIBE, at, rules))
    if _waited_us(lease, at) > rules.release_patience_us:
        # A stuck row is asked to go again each time that patience ends.
        return Step(replace(lease, doing=Doing.UNSUBSCRIBE, due_us=at.now_us, since_us=at.now_us, tries=0))
    return Step(_again(lease, Doing.READ, at, rules))
