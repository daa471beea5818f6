"""The dashboard's view of a spool: minutes of the clock, lines of the latest sessions, who had them when."""

from __future__ import annotations

from typing import Any

from gateway.adapters.sqlite_database import SqliteDatabase
from worker.sessions.cursors import register_in
from worker.sessions.overview import MINUTES, latest_in, overview_in, per_minute_in
from worker.sessions.spool_capture import Row, accept_in
from worker.sessions.spool_schema import migrate_spool

MINUTE_US = 60_000_000
NOW_US = 1_790_000_000_000_000
NOBODY = '{"session":{"session_id":"s","duration_ms":1.5},"usage":{"total_tokens":3},"outcome":{"status":"success"}%s}'


async def spool_of(fn: Any) -> Any:
    """What `fn` finds in a fresh spool."""
    database = SqliteDatabase(":memory:")
    await database.open()
    try:
        await database.transact(migrate_spool)
        return await database.transact(fn)
    finally:
        await database.close()


def row(name: str, more: str = "") -> Row:
    return Row(name, "key", NOBODY % more)


async def test_minutes_are_those_of_the_clock_and_of_all_tenants() -> None:
    def told(sql: Any) -> list[int]:
        start_us = NOW_US // MINUTE_US * MINUTE_US
        for number, at_us in enumerate((start_us, start_us - 1, start_us - MINUTE_US, start_us - 59 * MINUTE_US)):
            accept_in(sql, f"tenant-{number}", [row(f"evt_{number}")], at_us)
        accept_in(sql, "tenant-0", [row("early")], start_us - 59 * MINUTE_US - 1)
        accept_in(sql, "tenant-0", [row("to come")], start_us + MINUTE_US)
        return per_minute_in(sql, NOW_US)

    counts = await spool_of(told)
    assert len(counts) == MINUTES
    assert (counts[-1], counts[-2], counts[0], sum(counts)) == (1, 2, 1, 4)


async def test_the_first_minutes_of_1970_are_no_reason_to_count_everything() -> None:
    counts = await spool_of(lambda sql: (accept_in(sql, "a", [row("evt")], 0), per_minute_in(sql, 0))[1])
    assert counts == [0] * (MINUTES - 1) + [1]


async def test_lines_say_what_is_known_and_nothing_else() -> None:
    def told(sql: Any) -> list[dict[str, Any]]:
        register_in(sql, ["billing"])
        accept_in(sql, "a", [row("plain"), row("demo", ',"metadata":{"demo":true}')], NOW_US)
        sql.execute("INSERT INTO delivery VALUES ('billing', 1, 2, ?, '[1]')", NOW_US + 1_500)
        # A clock that was set back makes no delivery come before its capture.
        sql.execute("INSERT INTO delivery VALUES ('billing', 2, 2, ?, '[]')", NOW_US - 5)
        return latest_in(sql, 50)

    demo, plain = await spool_of(told)
    assert (demo["event_id"], demo["is_demo"], demo["delivered_after_us"]) == ("demo", True, {"billing": 0})
    assert (plain["is_demo"], plain["delivered_after_us"]) == (False, {"billing": 1_500})
    assert (plain["model"], plain["estimated_cost_usd"], plain["duration_ms"]) == (None, None, 1)


async def test_amounts_are_shown_with_the_digits_they_have() -> None:
    def told(sql: Any) -> list[Any]:
        for number, amount in enumerate(("0", "0.00002", "12.50", "1000000")):
            text = NOBODY.replace('"total_tokens":3', f'"total_tokens":3,"estimated_cost_usd":{amount}') % ""
            accept_in(sql, "a", [Row(f"evt_{number}", "key", text)], NOW_US)
        return [one["estimated_cost_usd"] for one in latest_in(sql, 50)]

    assert await spool_of(told) == ["1000000", "12.5", "0.00002", "0"]


async def test_an_empty_spool_shows_nothing() -> None:
    assert await spool_of(lambda sql: overview_in(sql, NOW_US)) == {
        "per_minute": [0] * MINUTES,
        "recent": [],
        "dead_letters": [],
    }
