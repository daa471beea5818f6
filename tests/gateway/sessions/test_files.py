"""The file of events: torn lines, files that are cut or moved away, a disk that is full."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.sessions.jsonl import JsonlDestination, JsonlSettings, cut_torn_line
from gateway.sessions.sqlite_store import SqliteStore, SqliteStoreSettings
from worker.sessions.destination import Failed, Fate, Shaped


def event(number: int, size: int = 0) -> Shaped:
    return Shaped(f"evt_{number}", "acme", "s", 0, "", f'{{"event_id":"evt_{number}","x":"{"x" * size}"}}')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"torn", b""),
        (b"one\n", b"one\n"),
        (b"one\ntorn", b"one\n"),
        (b"one\n" + b"t" * 200_000, b"one\n"),
        (b"o" * 200_000 + b"\nt", b"o" * 200_000 + b"\n"),
        (b"\n", b"\n"),
    ],
)
def test_a_torn_last_line_is_cut_off_and_nothing_else(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(before)
    descriptor = os.open(path, os.O_RDWR)
    assert cut_torn_line(descriptor) == len(before) - len(after)
    os.close(descriptor)
    assert path.read_bytes() == after


async def test_a_crash_at_any_byte_of_a_write_leaves_whole_lines_after_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    whole = f"{event(1).text}\n{event(2).text}\n".encode()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        destination = JsonlDestination(JsonlSettings(path))
        assert list(await destination.deliver([event(3)])) == [Fate.DELIVERED]
        await destination.close()
        lines = path.read_text().split("\n")
        assert lines[-1] == ""
        assert lines[-2] == event(3).text
        assert lines[:-2] == [event(1).text, event(2).text][: whole[:size].count(b"\n")]


async def test_a_file_that_has_grown_enough_gives_way_to_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    destination = JsonlDestination(JsonlSettings(path, rotate_bytes=1_024))
    for number in range(6):
        await destination.deliver([event(number, 600)])
    await destination.close()
    assert sorted(os.listdir(tmp_path)) == ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]
    names = ("events.jsonl.1", "events.jsonl.2", "events.jsonl")
    assert "".join((tmp_path / name).read_text() for name in names).count("\n") == 6


async def test_no_name_makes_a_new_file_take_the_place_of_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "events[1]*.jsonl"
    destination = JsonlDestination(JsonlSettings(path, rotate_bytes=1_024))
    for number in range(9):
        await destination.deliver([event(number, 600)])
    assert sum((tmp_path / name).read_text().count("\n") for name in os.listdir(tmp_path)) == 9


async def test_writes_that_were_given_up_on_harm_neither_the_file_nor_any_other(tmp_path: Path) -> None:
    """Tasks are cancelled and the destination closed while their threads still write."""
    path = tmp_path / "events.jsonl"
    destination = JsonlDestination(JsonlSettings(path))
    for number in range(20):
        task = asyncio.create_task(destination.deliver([event(number, 2_000_000)]))  # type: ignore[arg-type]
        await asyncio.sleep(0.001)
        task.cancel()
        await destination.close()
        other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
        assert list(await destination.deliver([event(100 + number)])) == [Fate.DELIVERED]
        os.close(other)
    assert (tmp_path / "other").read_bytes() == b""
    for line in path.read_text().split("\n")[:-1]:
        json.loads(line)


async def test_a_store_may_be_closed_while_a_write_that_was_given_up_on_goes_on(tmp_path: Path) -> None:
    store = SqliteStore(SqliteStoreSettings(tmp_path / "store.db"))
    for number in range(10):
        batch = [event(number * 500 + at, 2_000) for at in range(500)]
        task = asyncio.create_task(store.deliver(batch))  # type: ignore[arg-type]
        await asyncio.sleep(0.001)
        task.cancel()
        await store.close()
        assert list(await store.deliver([event(number)])) == [Fate.DELIVERED]
    await store.close()


async def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    destination = JsonlDestination(JsonlSettings(path))
    await destination.deliver([event(1)])
    path.rename(tmp_path / "moved")
    await destination.deliver([event(2)])
    await destination.close()
    assert path.read_text() == event(2).text + "\n"


async def test_on_a_full_disk_nothing_of_a_batch_stays(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    destination = JsonlDestination(JsonlSettings(path))
    await destination.deliver([event(1)])
    before = path.read_bytes()
    with files_of_at_most(5_000):
        outcomes = list(await destination.deliver([event(2, 4_000), event(3, 4_000)]))
    assert isinstance(outcomes[0], Failed)
    assert outcomes[0].is_down
    assert outcomes[1] is Fate.NOT_TRIED
    assert path.read_bytes() == before
    assert list(await destination.deliver([event(2), event(3)])) == [Fate.DELIVERED] * 2
    await destination.close()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
