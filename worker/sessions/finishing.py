"""What a batch's outcomes do to its destination: the cursor moves on, events are parked, retried, or given up.

A failure is the event's own if something else was delivered, or nothing tells otherwise; it then counts towards the
attempts after which the event becomes a dead letter. While the destination as a whole fails, no event is blamed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from worker.ports import Sql, as_int
from worker.sessions.cursors import DOWN_AFTER, NEVER_US, Claim, Taken
from worker.sessions.destination import Failed, Fate, Outcome
from worker.sessions.retry_schedule import RetrySchedule
from worker.sessions.spool_schema import MAX_DELIVERY
from worker.upstream.retry import backoff_us

# A statement has at most 100 parameters.
_IDS_AT_ONCE: Final = 99
_BEHIND: Final = "waits behind an earlier event of its key"
_WAITS: Final = "waits until the destination is back"


class Result(NamedTuple):
    """What became of one event of a claim. `draw`: below DRAWS, for the wait after a failure."""

    taken: Taken
    outcome: Outcome
    draw: int


class Finished(NamedTuple):
    """What finishing a batch did; `is_lost`: somebody else held the cursor by then, and nothing was written."""

    is_lost: bool = False
    delivered: int = 0
    skipped: int = 0
    parked: int = 0
    dead: int = 0
    is_down: bool = False


@dataclass(slots=True)
class _Batch:
    """The writing of one batch."""

    sql: Sql
    name: str
    now_us: int
    schedule: RetrySchedule
    retry_us: int
    is_down: bool
    delivered: list[int] = field(default_factory=list)
    skipped: int = 0
    parked: int = 0
    dead: int = 0
    #: Keys whose first event may have gone.
    keys: set[str] = field(default_factory=set)

    def settle(self, result: Result) -> None:
        """An event that was set aside before, or that the cursor passes."""
        taken, outcome = result.taken, result.outcome
        if outcome is Fate.DELIVERED:
            self.delivered.append(taken.id)
            self._unpark(taken)
        elif outcome is Fate.SKIPPED:
            self.skipped += 1
            self._unpark(taken)
        elif isinstance(outcome, Failed):
            self._failed(taken, outcome, result.draw)
        elif not taken.is_parked:
            self._park(taken, 0, NEVER_US, _BEHIND)

    def _failed(self, taken: Taken, failed: Failed, draw: int) -> None:
        if not failed.is_permanent and (self.is_down or failed.is_down or failed.is_gone):
            self._park(taken, taken.failures, self.retry_us, failed.reason)
            return
        failures = taken.failures + 1
        wait_us = None if failed.is_permanent else self.schedule.wait_us(failures, draw, failed.retry_after_us)
        if wait_us is not None:
            self._park(taken, failures, self.now_us + wait_us, failed.reason)
            return
        self._unpark(taken)
        self.dead += 1
        self.sql.execute(
            "INSERT INTO dead_letter (destination, id, failures, reason, at_us) VALUES (?, ?, ?, ?, ?)",
            self.name,
            taken.id,
            failures,
            failed.reason,
            self.now_us,
        )

    def _park(self, taken: Taken, failures: int, due_us: int, reason: str) -> None:
        self.parked += not taken.is_parked
        self.keys.add(taken.key)
        self.sql.execute(
            "INSERT INTO parked (destination, id, key, failures, due_us, reason) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (destination, id) DO UPDATE"
            " SET failures = excluded.failures, due_us = excluded.due_us, reason = excluded.reason",
            self.name,
            taken.id,
            taken.key,
            failures,
            due_us,
            reason,
        )

    def _unpark(self, taken: Taken) -> None:
        if taken.is_parked:
            self.keys.add(taken.key)
            self.sql.execute("DELETE FROM parked WHERE destination = ? AND id = ?", self.name, taken.id)


def finish_in(
    sql: Sql, claim: Claim, results: Sequence[Result], now_us: int, schedule: RetrySchedule, draw: int
) -> Finished:
    """Write down what became of a claim's events, and keep the cursor: a claim or a release follows.

    Args: draw: below DRAWS, for how long a destination that is down is left alone.
    """
    rows = sql.execute(
        "SELECT failures, failing_key, position FROM destination WHERE name = ? AND holder = ?",
        claim.name,
        claim.holder,
    )
    if not rows:
        return Finished(is_lost=True)
    results = _still_there(sql, claim.name, as_int(rows[0][2]), results)
    failures, failing_key = _failures(as_int(rows[0][0]), str(rows[0][1]), results)
    is_down = failures >= DOWN_AFTER
    retry_us = _retry_us(failures, results, now_us, schedule, draw) if is_down else 0
    batch = _Batch(sql, claim.name, now_us, schedule, retry_us, is_down)
    passed = _passed(results, is_down)
    for result in results:
        if result.taken.is_parked or result.taken.id <= passed:
            batch.settle(result)
    for key in batch.keys:
        promote_in(sql, claim.name, key, now_us)
    for first, last, skipped in _spans(batch.delivered):
        sql.execute(
            "INSERT INTO delivery (destination, first_id, last_id, at_us, skipped) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (destination, first_id) DO UPDATE"
            " SET last_id = excluded.last_id, at_us = excluded.at_us, skipped = excluded.skipped",
            claim.name,
            first,
            last,
            now_us,
            json.dumps(skipped, separators=(",", ":")),
        )
    told = [one.outcome for one in results if isinstance(one.outcome, Failed)]
    sql.execute(
        "UPDATE destination SET position = MAX(position, ?), failures = ?, failing_key = ?, retry_us = ?,"
        " delivered = delivered + ?, skipped = skipped + ?, delivered_us = COALESCE(?, delivered_us),"
        " failed_us = COALESCE(?, failed_us), reason = ?, off = COALESCE(?, off) WHERE name = ?",
        passed,
        failures,
        failing_key,
        retry_us,
        len(batch.delivered),
        batch.skipped,
        now_us if batch.delivered else None,
        now_us if told else None,
        told[-1].reason if told else "",
        next((one.reason for one in told if one.is_gone), None),
        claim.name,
    )
    return Finished(False, len(batch.delivered), batch.skipped, batch.parked, batch.dead, is_down)


def _still_there(sql: Sql, name: str, position: int, results: Sequence[Result]) -> list[Result]:
    """Without events that were erased or passed by age meanwhile: they are accounted for already. Keys as they are by
    now: that of an event changes when a person is erased from it."""
    keys: dict[int, str] = {}
    for start in range(0, len(results), _IDS_AT_ONCE):
        ids = [one.taken.id for one in results[start : start + _IDS_AT_ONCE]]
        places = ",".join("?" * len(ids))
        rows = sql.execute(
            "SELECT id, COALESCE((SELECT p.key FROM parked p WHERE p.destination = ? AND p.id = event.id), key)"
            f" FROM event WHERE id IN ({places})",
            name,
            *ids,
        )
        keys.update({as_int(event): str(key) for event, key in rows})
    return [
        one if keys[one.taken.id] == one.taken.key else one._replace(taken=one.taken._replace(key=keys[one.taken.id]))
        for one in results
        if one.taken.id in keys and (one.taken.is_parked or one.taken.id > position)
    ]


def _failures(failures: int, failing_key: str, results: Sequence[Result]) -> tuple[int, str]:
    """How many failures of different keys in a row there are now, and the last of those keys."""
    outcomes = [one.outcome for one in results]
    if Fate.DELIVERED in outcomes:
        # What else failed in this batch, failed by itself; only that it wants a pause concerns all.
        return (DOWN_AFTER, "") if any(isinstance(one, Failed) and one.is_down for one in outcomes) else (0, "")
    for taken, outcome, _ in results:
        if not isinstance(outcome, Failed) or outcome.is_permanent:
            continue
        if outcome.is_down:
            failures, failing_key = max(failures + 1, DOWN_AFTER), taken.key
        elif taken.key != failing_key:
            failures, failing_key = failures + 1, taken.key
        elif failures >= DOWN_AFTER:
            # A probe of a destination that is down, even if it was of the same key again.
            failures += 1
    return failures, failing_key


def _retry_us(failures: int, results: Sequence[Result], now_us: int, schedule: RetrySchedule, draw: int) -> int:
    """When a destination that is down is tried again."""
    asked_us = max((one.outcome.retry_after_us for one in results if isinstance(one.outcome, Failed)), default=0)
    wait_us = backoff_us(failures - DOWN_AFTER, draw, schedule.base_us, schedule.cap_us)
    return now_us + max(wait_us, asked_us)


def _passed(results: Sequence[Result], is_down: bool) -> int:
    """The last event that the cursor passes. What wasn't tried stays behind it, as far as nothing later was settled."""
    passed, is_clean = 0, True
    for taken, outcome, _ in results:
        if taken.is_parked:
            continue
        is_tried = outcome is Fate.DELIVERED
        if isinstance(outcome, Failed):
            is_tried = outcome.is_permanent or not is_down
        if is_tried or (is_clean and (outcome is Fate.SKIPPED or taken.is_blocked)):
            passed, is_clean = taken.id, True
        else:
            is_clean = False
    return passed


def promote_in(sql: Sql, name: str, key: str, now_us: int) -> None:
    """Have the first event of a key tried now, if it waited for those before it."""
    sql.execute(
        "UPDATE parked SET due_us = ? WHERE destination = ? AND due_us = ?"
        " AND id = (SELECT MIN(id) FROM parked WHERE destination = ? AND key = ?)",
        now_us,
        name,
        NEVER_US,
        name,
        key,
    )
    # One that a replay set before it takes its place.
    sql.execute(
        "UPDATE parked SET due_us = ? WHERE destination = ? AND key = ? AND due_us < ?"
        " AND id > (SELECT MIN(id) FROM parked WHERE destination = ? AND key = ?)",
        NEVER_US,
        name,
        key,
        NEVER_US,
        name,
        key,
    )


def _spans(ids: Sequence[int]) -> list[tuple[int, int, list[int]]]:
    """The ids as few spans, each with the offsets of those between that aren't among them."""
    spans: list[tuple[int, int, list[int]]] = []
    for one in sorted(ids):
        if spans and one - spans[-1][0] < MAX_DELIVERY:
            first, last, skipped = spans[-1]
            spans[-1] = (first, one, [*skipped, *range(last + 1 - first, one - first)])
        else:
            spans.append((one, one, []))
    return spans
