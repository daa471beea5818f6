"""`harpoon sessions` as it is typed: the generator against a real server, then what the state folder says of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.commands.sessions import demo_event
from tests.gateway.commands.command_kit import invoke, run, told
from tests.serving import Serving, serving

KEY = "scr_a_key_for_the_commands"
ROUTES = """version: 1
destinations:
  billing: {type: jsonl}
  nobody: {type: webhook, url: "http://127.0.0.1:1/", secret_env: HOOK_SECRET, allow_private: true}
parties:
  billing:
    shares_with: [{party: auditor, transform: [{keep: [usage]}]}]
rules:
  - {name: all, to: [billing]}
  - {name: failures, match: {outcome.status: timeout}, to: [nobody], transform: [{keep: [event_id]}]}
"""
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sessions")
    (folder / "routes.yaml").write_text(ROUTES)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Serving]:
    settings = {"SCR_API_KEY": KEY, "SCR_ROUTES": str(folder / "routes.yaml"), "HOOK_SECRET": SECRET}
    with serving(folder / "state", HARPOON_SURFACES="sessions", **settings) as server:
        yield server


def status_of(server: Serving) -> dict[str, dict[str, Any]]:
    found = run("sessions", "status", "--json", HARPOON_STATE=str(server.state))
    assert found.returncode == 0, found.stderr
    return {one["name"]: one for one in json.loads(found.stdout)}


def test_the_generator_sends_a_hundred_sessions_of_which_ten_timed_out(server: Serving) -> None:
    sent = run("sessions", "demo", "--rate", "0", "--url", server.base, SCR_API_KEY=KEY)
    assert (sent.returncode, sent.stdout) == (0, "Sent 100 events: 90 success, 10 timeout\n")
    for _ in range(300):
        found = status_of(server)
        if found["billing"]["delivered"] == 100:
            break
        time.sleep(0.05)
    assert found["billing"]["delivered"] == 100
    waits = found["nobody"]
    assert waits["captured"] == 100
    assert waits["skipped"] + waits["pending"] + waits["parked"] == 100
    lines = (server.state / "sessions" / "billing.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert sum(event["usage"]["total_tokens"] for event in events) == 149_500
    assert [event["session"]["session_id"] for event in events] == [f"sess_demo_{number}" for number in range(100)]


def test_made_up_sessions_say_so() -> None:
    first, last = demo_event(0), demo_event(99)
    assert (first["outcome"], last["outcome"]) == ("timeout", "success")
    assert (first["usage"], last["usage"]) == ({"total_tokens": 1_000}, {"total_tokens": 1_990})
    assert first["metadata"] == {"demo": True}
    assert first["event_id"] != demo_event(0)["event_id"]


def test_a_server_that_wants_another_key_is_told_about(server: Serving) -> None:
    refused = run("sessions", "demo", "--rate", "0", "--url", server.base, SCR_API_KEY="scr_not_the_right_key")
    assert refused.returncode == 2
    assert "scr_not_the_right_key" not in refused.stderr
    told(invoke("sessions", "demo", "--url", "http://127.0.0.1:1"), 2, "nothing answers at http://127.0.0.1:1")


def test_dead_letters_are_listed_replayed_and_dropped(server: Serving) -> None:
    asyncio.run(bury(server.state, 1, 11))
    listed = run("sessions", "dead", "--json", HARPOON_STATE=str(server.state))
    (letter, _) = json.loads(listed.stdout)
    assert (letter["destination"], letter["reason"]) == ("billing", "it answered 422")
    table = run("sessions", "dead", "--destination", "billing", HARPOON_STATE=str(server.state))
    assert letter["event_id"] in table.stdout
    again = run("sessions", "replay", "--event", letter["event_id"], HARPOON_STATE=str(server.state))
    assert again.stdout == "1 dead letter to be delivered again\n"
    dropped = run("sessions", "replay", "--all", "--drop", HARPOON_STATE=str(server.state))
    assert dropped.stdout == "1 dead letter given up for good\n"
    assert run("sessions", "replay", "--all", HARPOON_STATE=str(server.state)).stdout.startswith("0 dead letters")


async def bury(state: Path, *ids: int) -> None:
    """As if the destination had refused these that it has."""
    database = SqliteDatabase(str(state / "sessions.db"))
    await database.open()
    for one in ids:
        statement = "INSERT INTO dead_letter VALUES ('billing', ?, 1, 'it answered 422', 0)"
        await database.transact(lambda sql, one=one, said=statement: sql.execute(said, one))  # type: ignore[misc]
        await database.transact(lambda sql: sql.execute("UPDATE destination SET delivered = delivered - 1"))
    await database.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay",), "--destination NAME, --event ID or --all"),
        (("replay", "--all", "--switch-on"), "--switch-on needs --destination"),
        (("status",), "there is no spool in"),
        (("dead",), "there is no spool in"),
        (("replay", "--all"), "there is no spool in"),
        (("exposure", "nowhere.yaml"), "nowhere.yaml can't be read"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    told(invoke("sessions", *arguments, HARPOON_STATE=str(tmp_path)), 2, words)


def test_exposure_tells_who_sees_what(folder: Path) -> None:
    found = invoke("sessions", "exposure", str(folder / "routes.yaml"), "--json")
    assert found.exit_code == 0, found.output
    parties = {one["party"]: one for one in json.loads(found.stdout)}
    assert "user.user_id" in parties["billing"]["sees"]
    assert "user.user_id" not in parties["auditor"]["sees"]
    assert "usage.total_tokens" in parties["auditor"]["sees"]
    assert parties["nobody"]["infers"] == ["outcome.status"]
    table = invoke("sessions", "exposure", str(folder / "routes.yaml")).stdout
    assert [line.split()[1:] for line in table.splitlines() if line.startswith("outcome.status")] == [
        ["-", "sees", "infers"]
    ]


def test_a_wrong_file_of_routes_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text("version: 1\ndestinations:\n  a: {type: webhok}\nrules: []\n")
    told(invoke("sessions", "exposure", str(path)), 2, f"{path}:3:", "must be one of webhook")
