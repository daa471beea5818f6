"""A starting process learns whether it is alone, also after kill -9 of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.adapters.process_lock import StateLock
from worker.errors import StateError

ROOT = Path(__file__).resolve().parents[3]
PROCESS = Path(__file__).with_name("lock_process.py")


class Child:
    """One `lock_process.py`."""

    def __init__(self, state: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROCESS), str(state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def share(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(b"share\n")
        self.process.stdin.flush()
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Child]]:
    children: list[Child] = []

    def start() -> Child:
        children.append(Child(tmp_path))
        return children[-1]

    yield start
    for child in children:
        child.kill()


def quick(state: Path) -> StateLock:
    return StateLock(state, wait_limit_us=20_000, pause_us=1000)


def test_the_first_process_is_alone_and_the_next_is_not(start: Callable[[], Child]) -> None:
    first = start()
    assert first.answer() == "alone"
    assert first.share() == "shared"
    assert start().answer() == "shared"
    assert start().answer() == "shared"


def test_a_process_waits_while_another_recovers(start: Callable[[], Child], tmp_path: Path) -> None:
    first = start()
    assert first.answer() == "alone"
    with pytest.raises(StateError, match="too long"):
        quick(tmp_path).try_exclusive()
    second = start()  # waits in its own start-up until the first shares
    assert first.share() == "shared"
    assert second.answer() == "shared"


def test_kill_9_while_recovering_leaves_the_next_process_alone(start: Callable[[], Child]) -> None:
    first = start()
    assert first.answer() == "alone"
    second = start()
    first.kill()
    assert second.answer() == "alone"


def test_kill_9_of_one_of_two_leaves_nobody_alone_until_the_other_dies(
    start: Callable[[], Child], tmp_path: Path
) -> None:
    first = start()
    assert first.answer() == "alone"
    assert first.share() == "shared"
    second = start()
    assert second.answer() == "shared"
    first.kill()
    third = quick(tmp_path)
    assert not third.try_exclusive()
    third.release()
    second.kill()
    assert third.try_exclusive()
    third.release()


def test_a_program_started_by_the_holder_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = quick(tmp_path)
    assert lock.try_exclusive()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    lock.release()
    again = quick(tmp_path)
    assert again.try_exclusive()
    again.release()
    child.communicate(b"\n")


def test_misuse_is_refused(tmp_path: Path) -> None:
    lock = quick(tmp_path)
    with pytest.raises(StateError, match="not locked"):
        lock.share()
    assert lock.try_exclusive()
    with pytest.raises(StateError, match="already"):
        lock.try_exclusive()
    lock.share()
    lock.share()
    lock.release()
    lock.release()
    with pytest.raises(StateError, match="can't be locked"):
        quick(tmp_path / "no" / "folder").try_exclusive()
