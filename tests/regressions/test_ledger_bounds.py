"""The ledger asked for much, by many, by callers who left, over keys that changed, and by servers that lie."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.ledger_files import back_up, restore
from tests.gateway.commands.command_kit import invoke, told
from tests.worker.api.application_kit import answers, application, ask, two_providers
from tests.worker.decision_kit import NOW_US, config, facts, hasher, settlement, world
from tests.worker.ledger.log_kit import (
    OTHER_SEED,
    PUBLIC_KEY,
    SHA3,
    check,
    checkpoint_of,
    export_of,
    fill,
    signed,
    verify_stored,
)
from worker.api.ledger import ledger_routes
from worker.ledger.checkpoint import Checkpoint, checkpoint_from_text
from worker.ledger.entry import OBSERVATION, append_entry, leaf_hash
from worker.ledger.log import MOST_BYTES
from worker.ledger.merkle import inclusion_path, root_hash, subtree_of
from worker.ports import Sql

CAPPED = config(default_cap=10**9)
LONG = MOST_BYTES // 4


async def test_a_page_and_a_step_of_verification_hold_so_many_bytes_and_always_one_entry() -> None:
    """A thousand certificates at once were more than an object's memory, and most of a machine's."""
    async with application() as harpoon:
        await harpoon.client.post("/chat/completions", json=ask())
        await harpoon.none_open()

        def append(sql: Sql) -> None:
            for number in range(10):
                text = json.dumps("x" * (LONG if number < 9 else 2 * MOST_BYTES // 5))
                append_entry(sql, hasher(), "local", 1, OBSERVATION, NOW_US, "{}", text)

        await harpoon.services.mediator._database.transact(append)  # type: ignore[attr-defined]
        seen: list[int] = []
        pages = []
        while True:
            after = f"&after={seen[-1]}" if seen else ""
            page = (await harpoon.client.get(f"http://localhost/api/ledger/entries?limit=1000{after}")).json()
            pages.append(len(page["data"]))
            seen += [one["seq"] for one in page["data"]]
            if not page["has_more"]:
                break
        assert seen == list(range(16))
        assert len(pages) > 2
        assert max(pages) <= 10
        report = (await harpoon.client.get("http://localhost/api/ledger/verify")).json()
        assert (report["ok"], report["size"]) == (True, 16), report
        # What is missing is missing wherever a page ends.
        await harpoon.rows("DELETE FROM ledger WHERE seq = 9")
        report = (await harpoon.client.get("http://localhost/api/ledger/verify")).json()
        assert (report["fault"]["reason"], report["fault"]["seq"]) == ("SEQ_MISMATCH", 9)
        page = (await harpoon.client.get("http://localhost/api/ledger/entries?after=15")).json()
        assert (page["data"], page["has_more"]) == ([], False)


async def test_of_two_who_ask_at_once_both_get_one_checkpoint() -> None:
    async with world(CAPPED) as state:
        await fill(state)
        first = await checkpoint_of(state)
        second = await signed(first._replace(at_us=first.at_us + 1))
        unsigned = first._replace(key_id="", signature=b"")
        other = await signed(first, OTHER_SEED)

        async def kept(one: Checkpoint) -> Any:
            return (await state.mediator.ledger("acme", "keep", {"text": one.to_text()}))["text"]

        assert await kept(first) == first.to_text()
        assert await kept(second) == first.to_text()
        # Under another key it is another one, which is kept in its place; also if one of the two is nobody's.
        assert await kept(other) == other.to_text()
        assert await kept(unsigned) == unsigned.to_text()
        assert await kept(second) == second.to_text()
        assert (await verify_stored(state))["checkpoints"] == 1


async def test_verification_ends_when_nobody_waits_for_it() -> None:
    async with application() as harpoon:
        await harpoon.client.post("/chat/completions", json=ask())
        steps: list[int] = []
        enough = asyncio.Event()

        class Endless:
            async def ledger(self, *_asked: object) -> dict[str, Any]:
                steps.append(1)
                if len(steps) == 5:
                    enough.set()
                await asyncio.sleep(0)
                return {"size": 1, "state": {}}

        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        services = replace(harpoon.services, mediator=Endless())  # type: ignore[arg-type]
        (route,) = [one for one in ledger_routes(services) if one.path.endswith("verify")]
        headers = [(b"host", b"localhost")]
        scope = {"type": "http", "method": "GET", "headers": headers, "query_string": b"", "path": route.path}
        asking = asyncio.ensure_future(route.app(scope, messages.get, send))
        await enough.wait()
        messages.put_nowait({"type": "http.disconnect"})
        async with asyncio.timeout(10):
            await asking
        assert sent == []


async def test_checkpoints_of_a_key_before_are_still_compared() -> None:
    """After a change of keys nothing that anybody had kept could be held against an export any more."""
    async with world(CAPPED) as state:
        await fill(state)
        old = await signed(await checkpoint_of(state), OTHER_SEED)
        unsigned = old._replace(key_id="", signature=b"")
        await state.mediator.admit(facts(40))
        lines = await export_of(state)
        for held in (old, unsigned):
            assert check(lines, held).ok
            wrong = held._replace(root=bytes(32))
            report = check(lines, wrong)
            assert report.fault is not None
            assert report.fault.reason == "CHECKPOINT_MISMATCH"
            # Who demands a key gets it.
            demanded = check(lines, held, key=PUBLIC_KEY)
            assert demanded.fault is not None
            assert demanded.fault.reason == "SIGNATURE_INVALID"
        forged = (await checkpoint_of(state))._replace(signature=bytes(64))
        report = check(lines, forged)
        assert report.fault is not None
        assert report.fault.reason == "SIGNATURE_INVALID"


async def test_a_restored_backup_that_went_on_is_another_log_than_the_one_that_was_seen(tmp_path: Path) -> None:
    path, backup, again = tmp_path / "harpoon.db", tmp_path / "monday.db", tmp_path / "restored" / "harpoon.db"
    async with world(CAPPED, str(path)) as state:
        await fill(state)
        monday = await checkpoint_of(state)
        back_up_there = await asyncio.to_thread(back_up, path, backup)
        assert back_up_there["acme"]["ok"]
        for number in (41, 42):
            await state.mediator.admit(facts(number))
        tuesday = await checkpoint_of(state)
    await asyncio.to_thread(restore, backup, again)
    async with world(CAPPED, str(again)) as state:
        assert check(await export_of(state), monday).ok
        cut = check(await export_of(state), monday, tuesday).fault
        assert cut is not None
        assert cut.reason == "TRUNCATED"
        for number in range(50, 60):
            await state.mediator.admit(facts(number, model="m"))
            await state.mediator.settle(settlement(number))
        forked = check(await export_of(state), monday, tuesday).fault
        assert forked is not None
        assert forked.reason == "CHECKPOINT_MISMATCH"
        # By itself it is a log in good order: nothing in it could tell.
        assert (await verify_stored(state))["ok"]


WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
connection.execute("PRAGMA synchronous = NORMAL")
connection.execute("CREATE TABLE beat (count INTEGER)")
connection.execute("INSERT INTO beat VALUES (0)")
print("writing", flush=True)
while True:
    connection.execute("UPDATE beat SET count = count + 1")
"""


def test_a_backup_ends_beside_a_server_that_never_stops_writing(tmp_path: Path) -> None:
    """A copy in several steps began anew with every write in between, and so never came to an end."""
    path = tmp_path / "harpoon.db"

    async def make() -> None:
        async with world(CAPPED, str(path)) as state:
            await fill(state)
            await state.rows("CREATE TABLE ballast (text TEXT)")
            ballast = "INSERT INTO ballast VALUES (hex(zeroblob(?)))"
            await state.database.transact(lambda sql: [sql.execute(ballast, 450_000) for _ in range(70)])

    asyncio.run(make())
    # In a process of its own, so that it writes while a step is being copied.
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    # Files of others that look like one of ours are left alone.
    stray = tmp_path / "copy.db.partial"
    stray.write_text("mine")
    copied: list[dict[str, Any]] = []
    copier = threading.Thread(target=lambda: copied.append(back_up(path, tmp_path / "copy.db")), daemon=True)
    copier.start()
    copier.join(60)
    is_over, was_writing = not copier.is_alive(), writer.poll() is None
    writer.kill()
    writer.communicate()
    assert is_over
    assert was_writing
    assert copied[0]["acme"]["ok"]
    assert stray.read_text() == "mine"
    assert sorted(one.name for one in tmp_path.iterdir() if "copy" in one.name) == ["copy.db", "copy.db.partial"]


async def test_where_the_log_can_not_be_written_no_request_is_sent_on() -> None:
    provider = answers()
    async with two_providers(None, provider) as harpoon:
        assert (await harpoon.client.post("/chat/completions", json=ask())).status_code == 200
        await harpoon.none_open()
        calls, before = len(provider.calls), await harpoon.rows("SELECT * FROM account")
        await harpoon.rows("CREATE TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'it is full'); END")
        for asked in (ask(), ask(stream=True), ask(covenant={"residency": ["JP"]})):
            answer = await harpoon.client.post("/chat/completions", json=asked)
            assert answer.status_code == 500, answer.text
            assert "full" not in answer.text
        assert len(provider.calls) == calls
        assert await harpoon.rows("SELECT * FROM account") == before
        assert await harpoon.rows("SELECT COUNT(*) FROM decision") == [(1,)]


ENTRIES = [
    f'{{"at_us":1,"kind":"OBSERVATION","payload":{{"n":{n}}},"seq":{n},"tenant":"local","v":2}}' for n in range(6)
]


@contextmanager
def lying(change: Any) -> Iterator[str]:
    """A server that proves something, as `change` makes it of what was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name: int(values[0]) for name, values in parse_qs(urlsplit(self.path).query).items()}
            body = json.dumps(change(urlsplit(self.path).path.rpartition("/")[2], asked)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def proof_of(entry: int) -> dict[str, Any]:
    leaves = [leaf_hash(SHA3, one.encode()) for one in ENTRIES]
    subtree = subtree_of(SHA3, leaves)
    path = [step.hex() for step in inclusion_path(SHA3, subtree, entry, 6)]
    return {"entry": entry, "size": 6, "root": root_hash(SHA3, subtree, 6).hex(), "path": path}


@pytest.mark.parametrize(
    ("proved", "shown", "words"),
    [(3, 3, ""), (4, 4, "something else than was asked"), (3, 4, "does not verify"), (4, 3, "something else")],
)
def test_a_proof_of_another_entry_is_no_proof_of_the_one_that_was_asked_for(
    proved: int, shown: int, words: str
) -> None:
    """A server could show entry 4 with its proof, and be told to have proved entry 3."""

    def answer(path: str, _asked: dict[str, int]) -> dict[str, Any]:
        return proof_of(proved) if path == "proof" else {"data": [{"entry": ENTRIES[shown]}]}

    with lying(answer) as url:
        done = invoke("ledger", "prove", "--entry", "3", HARPOON_URL=url)
    if words:
        told(done, 1, words)
    else:
        assert done.exit_code == 0, done.output
        assert "entry 3 is in the log of 6 entries" in done.stdout


def test_an_entry_under_another_s_number_is_no_proof() -> None:
    """The entry's own number is compared too: the tree could hold the same text in two places."""

    def answer(path: str, _asked: dict[str, int]) -> dict[str, Any]:
        leaves = [leaf_hash(SHA3, ENTRIES[0].encode())] * 6
        subtree = subtree_of(SHA3, leaves)
        steps = [step.hex() for step in inclusion_path(SHA3, subtree, 3, 6)]
        if path == "proof":
            return {"entry": 3, "size": 6, "root": root_hash(SHA3, subtree, 6).hex(), "path": steps}
        return {"data": [{"entry": ENTRIES[0]}]}

    with lying(answer) as url:
        told(invoke("ledger", "prove", "--entry", "3", HARPOON_URL=url), 1, "another number")


async def test_a_checkpoint_read_back_is_the_one_that_was_kept() -> None:
    async with world(CAPPED) as state:
        await fill(state)
        made = await checkpoint_of(state)
        text = (await state.mediator.ledger("acme", "keep", {"text": made.to_text()}))["text"]
        assert checkpoint_from_text(text) == made
