"""Times what the ledger does: an append, its parts, a root, proofs, verification; and SHA3-256 by each hasher.

    python -m bench.ledger [--entries 20000] [--write docs/performance.md]

Appends go into a database file of their own, sixteen a commit as under load, and one a commit; the figure is the whole
time of all of them by their number, so the hashes of tiles are in it. The entry is one that a request writes. SHA3-256
is told as multiples of safe-pysha3's time for the same message.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from bench.report import describe_machine, write_section
from gateway.adapters.host import PureHasher, PySha3Hasher
from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.adapters.wasmtime_kernel import KernelHasher
from worker.errors import StateError
from worker.ledger.entry import ACTION, append_entry
from worker.ledger.log import CONSISTENCY, HEAD, INCLUSION, VERIFY, ledger_in
from worker.ledger.tiles import TILE
from worker.ports import Hasher, Sql
from worker.schema import migrate

BATCHES = 9
TOGETHER = 16
NOW_US = 1_750_000_000_000_000
PAYLOAD = (
    f'{{"catalogue":"{"a" * 64}","decision":"{"b" * 64}","decision_id":"dec_{"c" * 32}",'
    '"reserved_usd_micros":1234,"route":"simulator/llama-3.1-8b-instruct@shared-4x"}'
)
EVIDENCE = '{"candidates":["' + "x" * 2_900 + '"]}'
#: A node of the tree, an entry, a decision's record, a megabyte.
SIZES = {"65 bytes (a node)": 65, "430 bytes (an entry)": 430, "4 KiB (a record)": 4_096, "1 MB": 1_000_000}


def time_calls(calls: int, call: Callable[[], object]) -> float:
    """Microseconds of one call: the median over batches."""
    took = []
    for _ in range(BATCHES):
        began = time.perf_counter_ns()
        for _ in range(calls):
            call()
        took.append((time.perf_counter_ns() - began) / calls / 1000)
    return median(took)


async def time_appends(path: Path, hasher: Hasher, entries: int, together: int) -> float:
    """Microseconds of one append, all together, `together` of them a commit."""
    database = SqliteDatabase(str(path))
    await database.open()
    await database.transact(migrate)
    made = "INSERT INTO tenant (log, tenant, catalogue_hash, created_us) VALUES (1, 'bench', '', 0)"
    await database.transact(lambda sql: sql.execute(made))
    digest = hasher.sha3_256(EVIDENCE.encode()).hex()

    def append(sql: Sql) -> int:
        return append_entry(sql, hasher, "bench", 1, ACTION, NOW_US, PAYLOAD, EVIDENCE, digest)

    began = time.perf_counter_ns()
    for _ in range(entries // together):
        await asyncio.gather(*[database.transact(append) for _ in range(together)])
    took = (time.perf_counter_ns() - began) / (entries // together * together) / 1000
    await database.close()
    return took


async def time_reading(path: Path, hasher: Hasher) -> list[tuple[str, float]]:
    """What is asked of a log: a root, proofs, and verification by the entry."""
    database = SqliteDatabase(str(path))
    await database.open()
    size = (await database.transact(lambda sql: ledger_in(sql, hasher, "bench", HEAD, {})))["size"]

    async def one(act: str, **given: object) -> float:
        took = []
        for _ in range(BATCHES):
            began = time.perf_counter_ns()
            await database.transact(lambda sql: ledger_in(sql, hasher, "bench", act, given))
            took.append((time.perf_counter_ns() - began) / 1000)
        return median(took)

    rows = [
        (f"the root over {size:,} entries", await one(HEAD)),
        ("an inclusion proof", await one(INCLUSION, entry=size // 3, size=None)),
        ("a consistency proof", await one(CONSISTENCY, first=size // 3, second=None)),
        ("verification of an entry and its record", await one(VERIFY, state=None, size=None, limit=TILE) / TILE),
    ]
    await database.close()
    return rows


async def measure_log(entries: int) -> list[tuple[str, float]]:
    hasher = PySha3Hasher()
    await hasher.load()
    with tempfile.TemporaryDirectory(prefix="harpoon-bench-") as folder:
        shared, alone = Path(folder) / "shared.db", Path(folder) / "alone.db"
        rows = [
            (f"an append, {TOGETHER} a commit", await time_appends(shared, hasher, entries, TOGETHER)),
            ("an append, one a commit", await time_appends(alone, hasher, entries // 8, 1)),
        ]
        return rows + await time_reading(shared, hasher)


async def measure_hashers() -> list[tuple[str, dict[str, float]]]:
    """For each size of a message, microseconds by hasher."""
    hashers: dict[str, Callable[[bytes], object]] = {}
    for name, made in (("safe-pysha3", PySha3Hasher()), ("kernel", KernelHasher()), ("pure Python", PureHasher())):
        try:
            await made.load()
        except StateError as problem:
            print(f"{name} is left out: {problem}")
            continue
        hashers[name] = made.sha3_256
    rows = []
    for label, size in SIZES.items():
        message = bytes(index % 251 for index in range(size))
        took = {}
        for name, digest in hashers.items():
            calls = max(1, 20_000 // max(1, size // 136) // (200 if name == "pure Python" else 1))
            took[name] = time_calls(calls, partial(digest, message))
        rows.append((label, took))
    return rows


def tables(log: list[tuple[str, float]], hashers: list[tuple[str, dict[str, float]]]) -> str:
    lines = ["| of the log, with safe-pysha3 | us |", "| --- | --- |"]
    lines += [f"| {name} | {us:,.0f} |" for name, us in log]
    names = list(hashers[0][1])
    others = " | ".join(name for name in names if name != "safe-pysha3")
    lines += ["", f"| SHA3-256 of | safe-pysha3, us | {others} |"]
    lines.append("| --- " * (len(names) + 1) + "|")
    for label, took in hashers:
        base = took["safe-pysha3"]
        ratios = [f"{took[name] / base:,.1f}x" for name in names if name != "safe-pysha3"]
        lines.append(f"| {label} | {base:,.1f} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--write", type=Path, default=None, help="page to write the tables into, beside printing them")
    options = parser.parse_args()
    text = tables(asyncio.run(measure_log(max(TILE * 2, options.entries))), asyncio.run(measure_hashers()))
    print(text)
    if options.write is not None:
        head = f"{describe_machine()}. One process, no network: `python -m bench.ledger`."
        write_section(options.write, "ledger", f"## The ledger\n\n{head}\n\n{text}")


if __name__ == "__main__":
    main()
