"""A lease by itself, told one event after the other, each when it is due."""

from __future__ import annotations

from dataclasses import replace

from gateway.hostedai.lease import Accepted, Checked, Event, Lease, Moment, Row, Rows, Rules, Service, State
from gateway.hostedai.lease_machine import advance

RULES = Rules()
SECOND = 1_000_000
NEW = Lease("lease_1", "red", "team", 2, 660_000, created_us=SECOND, since_us=SECOND)
MINE = Row(7, 2, "team")
RUNS = replace(MINE, pod_name="pod", pod="running")
GOES = replace(MINE, is_leaving=True)
FOUND = Service("http://pod/v1")


class Life:
    """A lease on its way, with everything it was charged."""

    def __init__(self, lease: Lease = NEW, **moment: object) -> None:
        self.lease = lease
        self.now_us = lease.since_us
        self.charged = 0
        self.moment = moment

    def on(self, event: Event, after_s: int = 0, **moment: object) -> Lease:
        self.now_us = max(self.now_us, self.lease.due_us) + after_s * SECOND
        at = Moment(self.now_us, **{**self.moment, **moment})  # type: ignore[arg-type]
        step = advance(self.lease, event, at, RULES)
        self.lease = step.lease
        self.charged += sum([charge.usd_micros for charge in step.charges])
        return self.lease

    def up_to_held(self) -> Life:
        for event in (Rows(()), Accepted(7), Rows((RUNS,)), Service(), Service("http://pod/v1"), Checked(True)):
            self.on(event)
        assert self.lease.state is State.HELD
        return self
