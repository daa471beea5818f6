"""Keeps Harpoon at work for minutes with faults among the answers, and looks for what stays behind.

    python -m bench.soak [--minutes 10] [--faults-percent 1] [--load-percent 70] [--write [docs/performance.md]]

First the capacity is measured, faults included; then plain and streamed answers together take so much of it, evenly
paced. The upstream lets each so many of a hundred requests fail, one way after the other: 500, 429, closed without an
answer, closed in the middle of it, not JSON, no answer at all, a wrong content type. Memory is read every few seconds;
at the end, when the last request has ended, it is asked for what is left: tasks, connections, requests in flight, and
money still reserved. Exit status 3 if anything is.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.report import describe_machine, write_section
from bench.run import say, write_bodies
from bench.servers import (
    BUDGET_USD,
    BUILD,
    CHAT_PATH,
    ROOT,
    TOKEN,
    BenchError,
    Server,
    compile_tool,
    free_port,
    running,
)

#: Connections of each of the two loads.
CONNECTIONS = 16
PROBE_SECONDS = 10
SAMPLE_SECONDS = 5
#: When the last request has ended, this long for what ends by itself: idle connections are kept 15 s.
SETTLE_SECONDS = 30
#: A request that the upstream never answers is given up after this.
FIRST_BYTE_S = "5"
#: Memory may differ by so much between the second fifth of the time and the last: an allocator keeps no straight line.
MOST_GROWTH_MB = 4.0
PROVIDERS = ("HOSTED_AI", "GROQ", "OPENAI")
MOST_REQUESTS = 10_000_000


@dataclass(slots=True)
class Soak:
    """What was asked, what came of it, and what was left when all was over."""

    capacity_rps: float
    asked_rps: float
    seconds: int
    faults_percent: float
    before: dict[str, int]
    after: dict[str, int] = field(default_factory=dict)
    samples_mb: list[float] = field(default_factory=list)
    loads: dict[str, dict[str, float]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def growth_mb(self) -> float:
        """Memory in the last fifth of the time less that in the second, medians."""
        fifth = max(1, len(self.samples_mb) // 5)
        return median(self.samples_mb[-fifth:]) - median(self.samples_mb[fifth : 2 * fifth] or self.samples_mb)

    def checks(self) -> list[tuple[str, str, str, bool]]:
        """What is asked of it: the thing, the bound, what was found, whether it holds."""
        before, after = self.before, self.after
        growth = self.growth_mb
        return [
            (
                "memory, last fifth of the time over the second, MB",
                f"{MOST_GROWTH_MB:g}",
                f"{growth:+.1f}",
                growth <= 4,
            ),
            ("tasks left", str(before["tasks"]), str(after["tasks"]), after["tasks"] <= before["tasks"]),
            ("threads left", str(before["threads"]), str(after["threads"]), after["threads"] <= before["threads"]),
            ("connections to the upstream left", "0", str(after["upstream"]), after["upstream"] == 0),
            ("connections of clients left", "0", str(after["clients"]), after["clients"] == 0),
            ("requests in flight", "0", str(after["in_flight"]), after["in_flight"] == 0),
            ("decisions still open", "0", str(after["open"]), after["open"] == 0),
            ("micro-dollars still reserved", "0", str(after["reserved"]), after["reserved"] == 0),
            ("requests without a settlement", "0", str(after["unsettled"]), after["unsettled"] == 0),
        ]


@contextlib.contextmanager
def run_observed(upstream_port: int, state: Path) -> Iterator[Server]:
    """The gateway as `harpoon serve` runs it, observed, with three providers at the same upstream."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.observed:build", "--factory", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "gateway.adapters.http_protocol:BoundedProtocol", "--lifespan", "on"]
    command += ["--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning"]
    environment = {
        "HARPOON_STATE": str(state),
        "HARPOON_TOKENS": TOKEN,
        "HARPOON_BUDGET_USD": BUDGET_USD,
        "HARPOON_FIRST_BYTE_TIMEOUT_S": FIRST_BYTE_S,
        **{f"{name}_BASE_URL": f"http://127.0.0.1:{upstream_port}" for name in PROVIDERS},
    }
    with running("harpoon-observed", command, port, environment) as server:
        yield server


def drive(server: Server, bodies: dict[str, Path], seconds: int, rate: float | None) -> list[subprocess.Popen[str]]:
    """Plain and streamed answers together, in the background; `rate` is of both together, None = as fast as it goes."""
    started = []
    for kind in ("plain", "stream"):
        command = [str(compile_tool("client")), str(server.port), CHAT_PATH, str(CONNECTIONS), str(MOST_REQUESTS)]
        command += [str(bodies[kind]), "--seconds", str(seconds), *(["--stream"] if kind == "stream" else [])]
        command += [] if rate is None else ["--rate", f"{rate / 2:.1f}"]
        for line in server.headers:
            command += ["--header", line]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
    return started


def finish(started: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """What the loads found. Raises: BenchError."""
    found = []
    for one in started:
        said, _ = one.communicate()
        if one.returncode != 0:
            raise BenchError("the load client failed")
        found.append(json.loads(said))
    return found


def fetch(server: Server, path: str) -> str:
    """The body of a GET. Raises: BenchError."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {TOKEN}", "connection": "close"})
        answer = connection.getresponse()
        body = answer.read().decode()
    except OSError as problem:
        raise BenchError(f"{server.name} does not answer {path}") from problem
    finally:
        connection.close()
    if answer.status != 200:
        raise BenchError(f"{server.name} answers {path} with {answer.status}")
    return body


def counts(page: str, name: str) -> dict[str, int]:
    """The samples of a counter or gauge on a metrics page, by their labels."""
    lines = [line.rpartition(" ") for line in page.splitlines() if line.startswith((name + "{", name + " "))]
    return {labels: int(float(value)) for labels, _, value in lines}


def open_connections(pid: int, upstream_port: int, port: int) -> tuple[int, int]:
    """TCP connections that the process holds: to the upstream, and of clients (Linux: /proc)."""
    held = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            held.add(str(entry.readlink()))
    upstream = clients = 0
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
        is_listening = fields[3] == "0A"
        if f"socket:[{fields[9]}]" in held and not is_listening:
            upstream += remote == upstream_port
            clients += local == port
    return upstream, clients


def books(state: Path) -> dict[str, int]:
    """What the database still holds open."""
    connection = sqlite3.connect(f"file:{state / 'harpoon.db'}?mode=ro", uri=True)
    try:
        one = connection.execute("SELECT COUNT(*) FROM decision WHERE state = 'open'").fetchone()[0]
        reserved = connection.execute("SELECT COALESCE(SUM(reserved), 0) FROM account").fetchone()[0]
        missing = connection.execute(
            "SELECT COUNT(*) FROM decision WHERE state <> 'denied' AND completion_id = 0"
        ).fetchone()[0]
    finally:
        connection.close()
    return {"open": one, "reserved": reserved, "unsettled": missing}


def look(server: Server, upstream_port: int, state: Path) -> dict[str, int]:
    """All that can stay behind, now."""
    upstream, clients = open_connections(server.pid, upstream_port, server.port)  # before ours are among them
    held: dict[str, int] = json.loads(fetch(server, "/observed"))
    flight = counts(fetch(server, "/metrics"), "harpoon_requests_in_flight")
    now = {"upstream": upstream, "clients": clients, "in_flight": sum(flight.values())}
    return {**held, **now, **books(state)}


def soak(minutes: float, faults_percent: float, load_percent: float) -> Soak:
    """The whole run. Raises: BenchError."""
    bodies, port = write_bodies(), free_port()
    faults = ["--fault-per-mille", str(round(faults_percent * 10))]
    upstream_command = [str(compile_tool("upstream")), str(port), *faults]
    with (
        tempfile.TemporaryDirectory(prefix="bench-soak-") as folder,
        running("upstream", upstream_command, port, {}, ready_path="/v1/models"),
        run_observed(port, Path(folder)) as server,
    ):
        finish(drive(server, bodies, 2, None))
        time.sleep(SETTLE_SECONDS / 2)
        before = look(server, port, Path(folder))
        say(f"before: {before}")
        capacity = sum(one["rps"] for one in finish(drive(server, bodies, PROBE_SECONDS, None)))
        run = Soak(capacity, capacity * load_percent / 100, round(minutes * 60), faults_percent, before)
        say(f"capacity {capacity:,.0f} requests a second, of which {run.asked_rps:,.0f} for {run.seconds} s")
        started = drive(server, bodies, run.seconds, run.asked_rps)
        while any(one.poll() is None for one in started):
            time.sleep(SAMPLE_SECONDS)
            run.samples_mb.append(server.memory_mb()[0])
            if len(run.samples_mb) % 12 == 0:
                say(f"  {len(run.samples_mb) * SAMPLE_SECONDS} s: {run.samples_mb[-1]:.1f} MB")
        run.loads = dict(zip(("plain", "stream"), finish(started), strict=True))
        time.sleep(SETTLE_SECONDS)
        run.after = look(server, port, Path(folder))
        run.statuses = counts(fetch(server, "/metrics"), "harpoon_requests_total")
        say(f"after: {run.after}")
    return run


def page_section(run: Soak, date: str, command: str) -> str:
    """The section of docs/performance.md."""
    bad, done = (sum(load[name] for load in run.loads.values()) for name in ("bad", "requests"))
    samples = run.samples_mb
    head = (
        f"{date}, {describe_machine()}. {run.seconds / 60:g} minutes at {run.asked_rps:,.0f} requests a second, "
        f"{run.asked_rps / run.capacity_rps:.0%} of what it served just before ({run.capacity_rps:,.0f}), half of them "
        f"streamed, over {2 * CONNECTIONS} connections; {run.faults_percent:g} % of the upstream's answers were "
        f"faults of seven kinds. Of {done:,.0f} requests {bad:,.0f} ended for the client in something else than a "
        "whole answer with status 200: faults that fallback may not or could not mend. Memory, read every "
        f"{SAMPLE_SECONDS} s: from {min(samples):.1f} to {max(samples):.1f} MB."
    )
    lines = ["| when all was over | at most | found | holds |", "| --- | ---: | ---: | --- |"]
    for title, bound, found, holds in run.checks():
        lines.append(f"| {title} | {bound} | {found} | {'yes' if holds else '**no**'} |")
    title = "## Minutes of work, with faults"
    return "\n\n".join([title, head, f"Reproduce it with `{command}`.", "\n".join(lines)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--faults-percent", type=float, default=1)
    parser.add_argument("--load-percent", type=float, default=70, help="of the measured capacity")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=ROOT / "docs" / "performance.md",
        default=None,
        help="page to write the table into, beside printing it",
    )
    parser.add_argument("--date", default="", help="date to print (today)")
    options = parser.parse_args()
    try:
        run = soak(options.minutes, options.faults_percent, options.load_percent)
    except BenchError as problem:
        say(f"bench: {problem}")
        return 1
    (BUILD / "soak.json").write_text(json.dumps(asdict(run), indent=1))
    date = options.date or datetime.now(UTC).date().isoformat()
    command = f"python -m bench.soak --minutes {options.minutes:g} --faults-percent {options.faults_percent:g}"
    text = page_section(run, date, command)
    print(text)
    if options.write is not None:
        write_section(options.write, "soak", text)
    return 0 if all(holds for _, _, _, holds in run.checks()) else 3


if __name__ == "__main__":
    sys.exit(main())
