"""Finished requests are told beside their way, all of them, in order; a sink that fails or is stuck harms nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import pytest

from gateway.adapters.request_observer import MAX_BATCH, MAX_WAITING, RequestObserver
from tests.worker.finished_kit import elsewhere
from worker.telemetry import Finished

PATIENCE_S = 10


def told_by(number: int) -> Finished:
    return elsewhere(request_id=str(number))


def test_every_request_is_told_once_and_in_order() -> None:
    first: list[str] = []
    sizes: list[int] = []
    observer = RequestObserver(
        [lambda batch: first.extend(one.request_id for one in batch), lambda batch: sizes.append(len(batch))]
    )
    for number in range(1_000):
        observer.finished(told_by(number))
    observer.close()
    assert first == [str(number) for number in range(1_000)]
    assert sum(sizes) == 1_000
    assert max(sizes) <= MAX_BATCH


def test_nothing_is_told_on_the_requests_own_way() -> None:
    threads: set[str] = set()
    observer = RequestObserver([lambda _: threads.add(threading.current_thread().name)])
    observer.finished(told_by(1))
    observer.close()
    assert threads == {"harpoon-observer"}


def test_a_sink_that_fails_keeps_no_other_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    def fails(_: Sequence[Finished]) -> None:
        raise OSError("nobody reads this pipe")

    observer = RequestObserver([fails, lambda batch: told.extend(one.request_id for one in batch)])
    with caplog.at_level(logging.ERROR, "harpoon"):
        observer.finished(told_by(1))
        observer.close()
    assert told == ["1"]
    assert "could not be told" in caplog.text


def test_a_stuck_sink_holds_up_nobody_and_what_is_lost_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    stuck, go_on = threading.Event(), threading.Event()
    told: list[Finished] = []

    def waits(batch: Sequence[Finished]) -> None:
        stuck.set()
        assert go_on.wait(PATIENCE_S)
        told.extend(batch)

    observer = RequestObserver([waits])
    observer.finished(told_by(0))
    assert stuck.wait(PATIENCE_S)
    for number in range(MAX_WAITING + 7):
        observer.finished(told_by(number))
    with caplog.at_level(logging.WARNING, "harpoon"):
        go_on.set()
        observer.close()
    assert len(told) == 1 + MAX_WAITING
    assert "7 finished requests were neither logged nor exported" in caplog.text


def test_without_a_sampler_the_callers_word_is_passed_on() -> None:
    observer = RequestObserver([])
    assert [observer.samples("a" * 32, told) for told in (None, True, False)] == [False, True, False]
    observer.close()
    observer = RequestObserver([], lambda trace_id, _: trace_id.startswith("a"))
    assert (observer.samples("a" * 32, None), observer.samples("b" * 32, True)) == (True, False)
    observer.close()
