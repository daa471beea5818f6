"""The file of events: torn lines, files that are cut or moved away, a disk that is full."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.sessions.jsonl import JsonlDestination, JsonlSettings, cut_torn_line
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
