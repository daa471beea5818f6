"""No session is lost: gateways are killed at random moments under load, while destinations fail and the disk is full.

    python -m bench.session_kills --kills 500

Two real gateways share a state folder. Clients report sessions to both; every round kills one of them, or both, with
kill -9 and starts it again. Of four destinations two are files, one is a webhook whose receiver fails in every way, and
one is a webhook that nobody listens to. Once, no file can grow, as on a full disk. In the end every session that was
acknowledged must be at every destination that is alive, none may be there that nobody reported, and each destination's
account must add up: captured = delivered + skipped + pending + parked + dead.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.settings import ALL_SETTINGS
from worker.sessions.cursors import Account, conserved_in

KEY: Final = "scr_a_key_for_the_kill_test"
SECRET: Final = "whsec_" + b64encode(b"the kill test's secret, 32 bytes").decode()
SECRET_VARIABLE: Final = "KILL_TEST_SECRET"
HEALTHY: Final = ("file", "store", "hook")
DEAD: Final = "nobody"
START_S: Final = 60
SETTLE_S: Final = 180
FULL_DISK_S: Final = 1.0
CLIENTS: Final = 4
TRIES: Final = 4


@dataclass(slots=True)
class Tally:
    """What clients sent, and which of it was acknowledged."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    broken: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run found; `problems` is empty when it went well."""

    kills: int
    acknowledged: int
    sent: int
    repeated: dict[str, int]
    accounts: tuple[Account, ...]
    problems: tuple[str, ...]
    elapsed_s: float


class Receiver:
    """A receiver of webhooks that answers, fails, hangs or hangs up, as chance has it, until it is told to behave."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.behaves = False
        self.got: dict[str, int] = {}
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = await reader.readexactly(int(headers["content-length"]))
                # What comes after the id was noted may be lost: then it comes again.
                fate = 0.9 if self.behaves else self._draw.random()
                if fate >= 0.25:
                    event = json.loads(body)["event_id"]
                    self.got[event] = self.got.get(event, 0) + 1
                if fate < 0.02:
                    await asyncio.sleep(1.5)
                if fate < 0.05 or 0.25 <= fate < 0.28:
                    break
                answer = "500 Oops" if fate < 0.2 else "429 Slow" if fate < 0.25 else "204 OK"
                again = "retry-after: 0\r\n" if fate < 0.25 else ""
                writer.write(f"HTTP/1.1 {answer}\r\n{again}content-length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.close()


class Gateways:
    """Two gateways over one state folder."""

    def __init__(self, folder: Path, hook_port: int) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.ports = [_free_port(), _free_port()]
        self._processes: list[subprocess.Popen[bytes] | None] = [None, None]
        (folder / "routes.yaml").write_text(
            f"""version: 1
destinations:
  file: {{type: jsonl, begin: beginning}}
  store: {{type: sqlite, begin: beginning}}
  hook:
    type: webhook
    begin: beginning
    url: http://127.0.0.1:{hook_port}/
    secret_env: {SECRET_VARIABLE}
    allow_private: true
    timeout_ms: 1000
    max_attempts: 1000
    max_wait_s: 1
  {DEAD}:
    type: webhook
    begin: beginning
    url: http://127.0.0.1:1/
    secret_env: {SECRET_VARIABLE}
    allow_private: true
    max_wait_s: 2
rules:
  - name: everything
    to: [file, store, hook, {DEAD}]
"""
        )

    def start(self, which: int) -> None:
        names = {setting.name for setting in ALL_SETTINGS}
        environment = {name: value for name, value in os.environ.items() if name not in names}
        environment |= {
            "HARPOON_STATE": str(self.state),
            "HARPOON_SURFACES": "sessions",
            "SERVICE_PORT": str(self.ports[which]),
            "SCR_API_KEY": KEY,
            "SCR_ROUTES": str(self.folder / "routes.yaml"),
            SECRET_VARIABLE: SECRET,
        }
        with (self.folder / f"gateway-{which}.log").open("ab") as log:
            self._processes[which] = subprocess.Popen(
                [str(Path(sys.executable).with_name("harpoon")), "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def ready(self, which: int) -> None:
        ends_s = time.monotonic() + START_S
        async with httpx.AsyncClient(trust_env=False) as client:
            while time.monotonic() < ends_s:
                process = self._processes[which]
                assert process is not None
                if process.poll() is not None:
                    raise AssertionError((self.folder / f"gateway-{which}.log").read_text()[-2_000:])
                with contextlib.suppress(httpx.TransportError):
                    await client.get(f"http://127.0.0.1:{self.ports[which]}/health")
                    return
                await asyncio.sleep(0.05)
        raise AssertionError("a gateway doesn't start")

    def end(self, which: int, how: signal.Signals) -> None:
        process, self._processes[which] = self._processes[which], None
        if process is not None:
            process.send_signal(how)
            process.wait(30)

    def limit_files(self, most_bytes: int) -> None:
        """No file of the gateways grows beyond this: the write fails, as on a disk that is full."""
        for process in self._processes:
            if process is not None:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def report(gateways: Gateways, tally: Tally, draw: random.Random, name: str, is_over: Callable[[], bool]) -> None:
    """One client: sessions alone and in batches, to whichever gateway, again under the same ids if that fails."""
    number = 0
    async with httpx.AsyncClient(trust_env=False, timeout=5, headers={"authorization": f"Bearer {KEY}"}) as client:
        while not is_over():
            events = []
            for _ in range(draw.choice((1, 1, 5, 20))):
                number += 1
                events.append(
                    {
                        "event_id": f"evt_{name}_{number}",
                        "session_id": f"{name}_{draw.randint(0, 9)}",
                        "usage": {"total_tokens": number},
                    }
                )
            ids = [str(event["event_id"]) for event in events]
            tally.sent.update(ids)
            for _ in range(TRIES):
                url = f"http://127.0.0.1:{draw.choice(gateways.ports)}/api/session-completion/events"
                try:
                    answer = await client.post(url, json=events if len(events) > 1 else events[0])
                except httpx.HTTPError:
                    tally.broken += 1
                    await asyncio.sleep(draw.random() * 0.2)
                    continue
                if answer.status_code == 200:
                    tally.acknowledged.update(ids)
                    break
                tally.refused += 1
                await asyncio.sleep(draw.random() * 0.2)
            await asyncio.sleep(draw.random() * 0.02)


async def run(kills: int, seed: int, tell: Callable[[str], object] = lambda line: None) -> Verdict:
    """Kill so often, let everything settle, and look."""
    draw, tally, began_s = random.Random(seed), Tally(), time.monotonic()
    receiver = Receiver(draw)
    await receiver.open()
    with tempfile.TemporaryDirectory(prefix="harpoon-kills-") as folder:
        gateways = Gateways(Path(folder), receiver.port)
        is_over = [False]
        try:
            gateways.start(0)
            await gateways.ready(0)
            gateways.start(1)
            await gateways.ready(1)
            clients = [
                asyncio.create_task(report(gateways, tally, random.Random(seed + at), f"c{at}", lambda: is_over[0]))
                for at in range(CLIENTS)
            ]
            await _kill(gateways, kills, draw, tally, tell)
            is_over[0] = True
            await asyncio.gather(*clients)
            receiver.behaves = True
            accounts = await _settled(gateways, tell)
        finally:
            for which in (0, 1):
                gateways.end(which, signal.SIGTERM)
            await receiver.close()
        # Once more when nobody runs, from the files themselves.
        accounts = await _accounts(gateways.state)
        return _judge(kills, tally, receiver, gateways.state, accounts, time.monotonic() - began_s)


async def _kill(
    gateways: Gateways, kills: int, draw: random.Random, tally: Tally, tell: Callable[[str], object]
) -> None:
    done, full_at = 0, draw.randint(kills // 4, max(kills // 4, kills // 2))
    while done < kills:
        await asyncio.sleep(draw.random() * 0.6)
        if full_at is not None and done >= full_at:
            gateways.limit_files(16 * 1024)
            await asyncio.sleep(FULL_DISK_S)
            gateways.limit_files(resource.RLIM_INFINITY)
            tell(f"the disk was full for {FULL_DISK_S} s; {tally.refused} requests refused so far")
            full_at = kills + 1
        struck = [0, 1] if draw.random() < 0.25 and kills - done > 1 else [draw.randint(0, 1)]
        for which in struck:
            gateways.end(which, signal.SIGKILL)
        # While they start, the other serves on; also while they start they may be killed again.
        for which in struck:
            gateways.start(which)
        if draw.random() < 0.8:
            for which in struck:
                await gateways.ready(which)
        done += len(struck)
        if done % 10 < len(struck):
            tell(f"{done} of {kills} kills: {len(tally.acknowledged)} acknowledged of {len(tally.sent)} sent")
    for which in (0, 1):
        await gateways.ready(which)


async def _accounts(state: Path) -> tuple[Account, ...]:
    database = SqliteDatabase(str(state / "sessions.db"))
    await database.open()
    try:
        return tuple(await database.transact(conserved_in))
    finally:
        await database.close()


async def _settled(gateways: Gateways, tell: Callable[[str], object]) -> tuple[Account, ...]:
    """The accounts once nothing waits for a destination that is alive."""
    ends_s = time.monotonic() + SETTLE_S
    while True:
        accounts = await _accounts(gateways.state)
        left = sum(one.pending + one.parked for one in accounts if one.name in HEALTHY)
        if not left or time.monotonic() > ends_s:
            return accounts
        tell(f"settling: {left} to go")
        await asyncio.sleep(1)


def _judge(
    kills: int, tally: Tally, receiver: Receiver, state: Path, accounts: tuple[Account, ...], elapsed_s: float
) -> Verdict:
    lines = [json.loads(line) for line in (state / "sessions" / "file.jsonl").read_text().split("\n")[:-1]]
    ids = [line["event_id"] for line in lines]
    connection = sqlite3.connect(state / "sessions" / "store.db")
    stored = [row[0] for row in connection.execute("SELECT event_id FROM session_completed")]
    connection.close()
    arrived = {"file": ids, "store": stored, "hook": list(receiver.got)}
    problems = []
    for name, found in arrived.items():
        lost, invented = tally.acknowledged - set(found), set(found) - tally.sent
        if lost:
            problems.append(f"{name} lacks {len(lost)} acknowledged sessions, such as {min(lost)}")
        if invented:
            problems.append(f"{name} has {len(invented)} sessions that nobody sent, such as {min(invented)}")
    if len(stored) != len(set(stored)):
        problems.append("the store has a session twice")
    for one in accounts:
        if not one.is_conserved:
            problems.append(f"the account of {one.name} doesn't add up: {one}")
        if one.dead or one.skipped:
            problems.append(f"{one.name} gave up {one.dead} sessions and skipped {one.skipped}")
    dead = next((one for one in accounts if one.name == DEAD), None)
    if dead is None or dead.delivered or dead.pending + dead.parked != dead.captured:
        problems.append(f"what waits for the dead destination is not all there: {dead}")
    repeated = {
        "file": len(ids) - len(set(ids)),
        "store": len(stored) - len(set(stored)),
        "hook": sum(receiver.got.values()) - len(receiver.got),
    }
    return Verdict(kills, len(tally.acknowledged), len(tally.sent), repeated, accounts, tuple(problems), elapsed_s)


def table(verdict: Verdict) -> str:
    """The accounts, for a terminal and for docs/sessions.md."""
    lines = ["| destination | captured | delivered | pending | parked | dead | sent again |", "| --- |" + " ---: |" * 6]
    for one in verdict.accounts:
        again = verdict.repeated.get(one.name, 0)
        lines.append(
            f"| {one.name} | {one.captured} | {one.delivered} | {one.pending} | {one.parked} | {one.dead} | {again} |"
        )
    told = (
        f"{verdict.kills} kills in {verdict.elapsed_s:.0f} s: {verdict.acknowledged} sessions acknowledged of "
        f"{verdict.sent} sent"
    )
    return "\n".join([told, "", *lines])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    verdict = asyncio.run(run(options.kills, options.seed, lambda line: print(line, flush=True)))
    print(table(verdict))
    for problem in verdict.problems:
        print(f"WRONG: {problem}")
    print("nothing was lost, nothing invented, every account adds up" if not verdict.problems else "it failed")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
