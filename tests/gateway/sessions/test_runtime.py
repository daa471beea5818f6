"""The sessions of a worker process: the usual four, routes that change or are broken, secrets that are missing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.adapters.host import SystemClock, SystemIds
from gateway.sessions.holders import is_dead, new_holder
from gateway.sessions.routes_watch import enabled, from_json, load
from gateway.sessions.runtime import SessionRuntime
from tests.worker.sessions.session_kit import FULL, captured, changed
from worker.errors import SettingsError, StateError
from worker.sessions.settings import SessionsSettings

CLOCK = SystemClock()
ROUTES = """version: 1
destinations:
  billing: {type: jsonl}
  audit: {type: jsonl, path: elsewhere/audit.jsonl}
rules:
  - {name: all, to: [billing]}
"""


@asynccontextmanager
async def running(
    state: Path, settings: SessionsSettings | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[SessionRuntime]:
    runtime = SessionRuntime(settings or SessionsSettings(), state, CLOCK, SystemIds(), environment or {})
    try:
        await runtime.start(alone=True)
        yield runtime
    finally:
        await runtime.stop()


async def capture(runtime: SessionRuntime, *numbers: int) -> None:
    events = [captured(changed("event_id", f"evt_{number}", FULL)) for number in numbers]
    await runtime.spool.capture("acme", events, CLOCK.now_us())


def ids(path: Path) -> list[str]:
    return [json.loads(line)["event_id"] for line in path.read_text().split("\n")[:-1]] if path.exists() else []


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # a file that grows tells nobody
            await asyncio.sleep(0.01)


async def test_without_anything_set_events_are_kept_and_delivered_to_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as runtime:
        await capture(runtime, 1)
        assert [kept["event"]["event_id"] for kept in await runtime.spool.recent(None, 10)] == ["evt_1"]
    assert not (tmp_path / "sessions").exists()


async def test_with_names_alone_every_session_comes_to_each_of_them(tmp_path: Path) -> None:
    names = ("billing", "analytics", "audit", "store")
    async with running(tmp_path, SessionsSettings(destinations=names)) as runtime:
        await capture(runtime, 1, 2)
        folder = tmp_path / "sessions"
        await until(lambda: all(ids(folder / f"{name}.jsonl") == ["evt_1", "evt_2"] for name in ("billing", "audit")))
        await until(lambda: runtime.metrics.routed == dict.fromkeys(names, 2))


async def test_what_was_captured_before_a_stop_is_delivered_after_the_next_start(tmp_path: Path) -> None:
    settings = SessionsSettings(destinations=("billing",))
    async with running(tmp_path, settings):
        pass
    # Nobody delivers while this one captures.
    idle = SessionRuntime(settings, tmp_path, CLOCK, SystemIds(), {})
    await idle._database.open()
    await capture(idle, 1)
    await idle._database.close()
    async with running(tmp_path, settings):
        await until(lambda: ids(tmp_path / "sessions" / "billing.jsonl") == ["evt_1"])


async def test_routes_are_taken_up_when_the_file_changes_and_a_broken_change_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(ROUTES)
    state = tmp_path / "state"
    state.mkdir()
    async with running(state, SessionsSettings(routes=str(file))) as runtime:
        await capture(runtime, 1)
        await until(lambda: ids(state / "sessions" / "billing.jsonl") == ["evt_1"])
        file.write_text(ROUTES.replace("rules:", "rulez:"))
        await until(lambda: runtime.metrics.routes_problem != "")
        assert "routes.yaml:5:1" in runtime.metrics.routes_problem
        assert "did you mean rules?" in caplog.text
        await capture(runtime, 2)
        await until(lambda: ids(state / "sessions" / "billing.jsonl") == ["evt_1", "evt_2"])
        file.write_text(ROUTES.replace("to: [billing]", "to: [audit]"))
        await until(lambda: runtime.metrics.routes_problem == "")
        await capture(runtime, 3)
        await until(lambda: "evt_3" in ids(state / "sessions" / "elsewhere" / "audit.jsonl"))
        assert ids(state / "sessions" / "billing.jsonl") == ["evt_1", "evt_2"]


async def test_what_a_dead_process_of_this_machine_held_is_free_at_once(tmp_path: Path) -> None:
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    living = new_holder(SystemIds())
    dead = living.replace(f".{os.getpid()}.", f".{ended.pid}.")
    assert (is_dead(living), is_dead(dead)) == (False, True)
    assert not any(map(is_dead, ("", "elsewhere.1.x", living.replace(f".{os.getpid()}.", ".nobody."))))
    async with running(tmp_path, SessionsSettings(destinations=("billing",))) as runtime:
        far_us = CLOCK.now_us() + 3_600_000_000
        statement = "UPDATE destination SET holder = ?, held_until_us = ?"
        await runtime._database.transact(lambda sql: sql.execute(statement, dead, far_us))
        await capture(runtime, 1)
        await until(lambda: ids(tmp_path / "sessions" / "billing.jsonl") == ["evt_1"])


HOOK = """version: 1
destinations:
  hook: {type: webhook, url: "https://example.com/hook", secret_env: HOOK_SECRET}
rules: []
"""


async def test_a_secret_that_is_missing_or_no_secret_stops_the_start_without_being_shown(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(HOOK)
    for environment, words in (({}, "HOOK_SECRET"), ({"HOOK_SECRET": "not-a-secret"}, "whsec_")):
        with pytest.raises(SettingsError, match=words) as refused:
            async with running(tmp_path, SessionsSettings(routes=str(file)), environment):
                pass
        assert "not-a-secret" not in str(refused.value)


def test_only_enabled_destinations_of_the_routes_are_served() -> None:
    text = json.dumps(
        {"version": 1, "destinations": {"a": None, "b": None}, "rules": [{"name": "all", "to": ["a", "b"]}]}
    )
    routes = load(SessionsSettings(routes_json=text, destinations=("b",)))
    assert (list(routes.destinations), routes.rules[0].to) == (["b"], ("b",))
    assert list(load(SessionsSettings(routes_json=text)).destinations) == ["a", "b"]
    with pytest.raises(SettingsError, match="names c; the routes have a, b"):
        enabled(from_json(text), ("c",))
    with pytest.raises(SettingsError, match="no JSON"):
        from_json("{")


async def test_with_the_durability_power_commits_wait_for_the_disk(tmp_path: Path) -> None:
    settings = replace(SessionsSettings(), durability="power")
    async with running(tmp_path, settings) as runtime:
        assert runtime._database._settings.synchronous == "FULL"
        await capture(runtime, 1)


async def test_a_spool_whose_file_is_removed_delivers_what_it_has_and_takes_no_more(tmp_path: Path) -> None:
    settings = SessionsSettings(destinations=("billing",))
    async with running(tmp_path, settings) as runtime:
        await capture(runtime, 1)
        for name in ("sessions.db", "sessions.db-wal", "sessions.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        await until(lambda: bool(runtime.spool.problem))
        with pytest.raises(StateError, match="removed or replaced"):
            await capture(runtime, 2)
        with pytest.raises(StateError):
            await runtime.spool.figures(None, CLOCK.now_us())
        await until(lambda: ids(tmp_path / "sessions" / "billing.jsonl") == ["evt_1"])
    async with running(tmp_path, settings) as runtime:
        await capture(runtime, 2)
        await until(lambda: ids(tmp_path / "sessions" / "billing.jsonl") == ["evt_1", "evt_2"])


async def test_a_change_of_routes_that_the_spool_does_not_take_is_tried_again(
    tmp_path: Path,
) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(ROUTES)
    async with running(tmp_path, SessionsSettings(routes=str(routes))) as runtime:
        holder = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)
        database = runtime._database
        database._settings = replace(database._settings, busy_limit_us=1_000)
        holder.execute("BEGIN IMMEDIATE")
        routes.write_text(ROUTES.replace("to: [billing]", "to: [audit]"))
        await until(lambda: bool(runtime.metrics.routes_problem))
        holder.execute("ROLLBACK")
        holder.close()
        await until(lambda: not runtime.metrics.routes_problem)
        await capture(runtime, 1)
        await until(lambda: ids(tmp_path / "sessions" / "elsewhere" / "audit.jsonl") == ["evt_1"])


async def test_an_address_that_is_none_is_told_and_not_quoted(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(
        "version: 1\ndestinations:\n"
        "  hook: {type: webhook, url: 'http://user:hush@[::1', secret_env: HOOK, allow_private: true}\nrules: []\n"
    )
    settings = SessionsSettings(routes=str(routes))
    with pytest.raises(SettingsError, match="hook") as caught:
        async with running(tmp_path, settings, {"HOOK": "whsec_" + "a" * 32}):
            pass
    assert "hush" not in str(caught.value)


async def test_a_store_keeps_events_as_long_as_the_routes_say(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(
        "version: 1\ndestinations: {store: {retention_days: 30}}\nrules:\n"
        "  - {name: soon, match: {usage.model: gpt-4}, to: [store], retention_days: 2}\n"
        "  - {name: all, to: [store]}\n"
    )
    store = tmp_path / "sessions" / "store.db"

    def rows() -> list[tuple[str, int]]:
        with contextlib.closing(sqlite3.connect(store)) as connection:
            days = "CAST(round(julianday(expires_at) - julianday(captured_at)) AS INTEGER)"
            return connection.execute(f"SELECT event_id, {days} FROM session_completed ORDER BY event_id").fetchall()

    settings = SessionsSettings(routes=str(routes))
    async with running(tmp_path, settings) as runtime:
        await capture(runtime, 1)
        other = captured(changed("usage.model", "other", changed("event_id", "evt_2", FULL)))
        await runtime.spool.capture("acme", [other], CLOCK.now_us())
        delivered = runtime.metrics.routed
        await until(lambda: delivered.get("store") == 2)
        assert rows() == [("evt_1", 2), ("evt_2", 30)]
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE session_completed SET expires_at = '2026-01-01' WHERE event_id = 'evt_1'")
        connection.commit()
    async with running(tmp_path, settings):
        await until(lambda: len(rows()) == 1)
