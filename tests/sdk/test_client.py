"""The SDK against a real server: events arrive, wait while it is away, survive kill -9; none is dropped silently."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scr_sdk import InvalidEvent, RuntimeClosed, SessionCompletionRuntime, SpoolFull, SpoolUnavailable
from scr_sdk.sender import SendSettings

from tests.sdk.capture_server import KEY, CaptureServer, serving
from tests.worker.sessions.session_kit import SHORT

ROOT = Path(__file__).parents[2]
QUICK = SendSettings(base_s=0.01, cap_s=0.05, timeout_s=5.0)
PATIENCE_S = 30.0
#: A port where nobody listens: the privileged one of a service that is long out of use.
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def server() -> Iterator[CaptureServer]:
    with serving() as found:
        yield found


def runtime(endpoint: str, tmp_path: Path, **changes: Any) -> SessionCompletionRuntime:
    return SessionCompletionRuntime(
        KEY, endpoint, spool=tmp_path / "spool" / "events.db", **({"send": QUICK} | changes)
    )


def sessions(count: int) -> list[dict[str, Any]]:
    return [SHORT | {"session_id": f"sess_demo_{index}"} for index in range(count)]


async def test_captured_plainly_or_with_await_it_arrives(server: CaptureServer, tmp_path: Path) -> None:
    with runtime(server.url, tmp_path) as scr:
        plain = scr.capture(SHORT)
        awaited = await scr.capture(SHORT)
        assert scr.flush(PATIENCE_S)
        assert scr.stats() == (2, 0, 0)
    assert server.ids() == [plain.event_id, awaited.event_id]
    assert {(path, key) for path, key, _ in server.requests} == {("/api/session-completion/events", f"Bearer {KEY}")}


def test_a_hundred_demo_events(server: CaptureServer, tmp_path: Path) -> None:
    with runtime(server.url, tmp_path) as scr:
        for index in range(100):
            outcome = "timeout" if index % 10 == 0 else "success"
            scr.capture(
                {"session_id": f"sess_demo_{index}", "usage": {"total_tokens": 1000 + 10 * index}, "outcome": outcome}
            )
    assert [event.session_id for event in server.events] == [f"sess_demo_{index}" for index in range(100)]
    assert sum(event.total_tokens for event in server.events) == 149_500
    assert sum(event.status == "timeout" for event in server.events) == 10


def test_while_the_server_is_away_events_wait_and_arrive_in_order_later(tmp_path: Path) -> None:
    with serving() as gone:
        port = gone.port
    first = runtime(f"http://127.0.0.1:{port}", tmp_path)
    taken = [first.capture(one).event_id for one in sessions(25)]
    first.close(timeout_s=0.0)
    assert not first.flush(0.0)
    with serving(port) as server, runtime(server.url, tmp_path) as second:
        taken += [second.capture(one).event_id for one in sessions(5)]
        assert second.flush(PATIENCE_S)
        assert server.ids() == taken


def test_faults_of_the_server_are_tried_again(server: CaptureServer, tmp_path: Path) -> None:
    server.faults = [500, 503, 429, 401, 403, 404, 302, 408]
    with runtime(server.url, tmp_path) as scr:
        taken = scr.capture(SHORT).event_id
        assert scr.flush(PATIENCE_S)
    assert server.ids() == [taken]
    assert len(server.requests) == 9


def test_what_is_sent_twice_has_one_id(server: CaptureServer, tmp_path: Path) -> None:
    server.drop_answers = 2
    with runtime(server.url, tmp_path) as scr:
        taken = scr.capture(SHORT).event_id
        assert scr.flush(PATIENCE_S)
    assert server.ids() == [taken] * 3


def test_one_bad_event_holds_up_no_other_and_is_kept_with_the_reason(server: CaptureServer, tmp_path: Path) -> None:
    bad = SHORT | {"session_id": "bad", "usage": {"total_tokens": 3, "input_tokens": 2, "output_tokens": 2}}
    with runtime(NOWHERE, tmp_path) as scr:
        for one in (*sessions(3), bad, *sessions(3)):
            scr.capture(one)
        scr.close(timeout_s=0.0)
    with runtime(server.url, tmp_path) as scr:
        assert scr.flush(PATIENCE_S)
        assert scr.stats() == (0, 0, 1)
        ((text, reason),) = scr.refused()
        scr.forget_refused()
        assert scr.stats() == (0, 0, 0)
    assert '"bad"' in text
    assert reason == "422: usage.total_tokens: is not input_tokens + output_tokens"
    assert len(server.events) == 6


def test_a_full_spool_is_an_error_and_room_is_made_by_sending(tmp_path: Path) -> None:
    scr = runtime(NOWHERE, tmp_path, max_events=3)
    for one in sessions(3):
        scr.capture(one)
    with pytest.raises(SpoolFull):
        scr.capture(SHORT)
    scr.close(timeout_s=0.0)
    with serving() as server, runtime(server.url, tmp_path, max_events=3) as again:
        assert again.flush(PATIENCE_S)
        again.capture(SHORT)
        assert again.flush(PATIENCE_S)
        assert len(server.events) == 4


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    scr = runtime(NOWHERE, tmp_path, max_bytes=1_000)
    with pytest.raises(SpoolFull):
        scr.capture(SHORT | {"metadata": {"a": "x" * 1_000}})
    scr.capture(SHORT)
    scr.close(timeout_s=0.0)


def test_an_event_that_is_wrong_is_not_taken(server: CaptureServer, tmp_path: Path) -> None:
    with runtime(server.url, tmp_path) as scr:
        with pytest.raises(InvalidEvent):
            scr.capture({"session_id": "s"})
        assert scr.stats() == (0, 0, 0)
    with pytest.raises(RuntimeClosed):
        scr.capture(SHORT)


def test_many_threads_lose_nothing(server: CaptureServer, tmp_path: Path) -> None:
    with runtime(server.url, tmp_path) as scr:
        taken: list[str] = []

        def work() -> None:
            taken.extend([scr.capture(one).event_id for one in sessions(40)])

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert scr.flush(PATIENCE_S)
    assert sorted(server.ids()) == sorted(taken)


CAPTURING = """
import sys
from scr_sdk import SessionCompletionRuntime
scr = SessionCompletionRuntime("{key}", "{url}", spool={spool!r}, durability={durability!r})
while True:
    print(scr.capture({{"session_id": "s", "usage": {{"total_tokens": 1}}}}).event_id, flush=True)
"""


@pytest.mark.parametrize("durability", ["process", "power"])
def test_what_was_captured_before_kill_9_arrives_after_it(tmp_path: Path, durability: str) -> None:
    spool = tmp_path / "spool" / "events.db"
    program = CAPTURING.format(key=KEY, url=NOWHERE, spool=str(spool), durability=durability)
    taken: list[str] = []
    for count in (3, 20, 50):
        with start(program) as process:
            assert process.stdout is not None
            taken += [process.stdout.readline().strip() for _ in range(count)]
            process.send_signal(signal.SIGKILL)
            taken += [line.strip() for line in process.stdout if re.fullmatch(r"evt_[0-9a-f]{32}\n", line)]
    with serving() as server, runtime(server.url, tmp_path) as scr:
        assert scr.flush(PATIENCE_S)
        arrived = server.ids()
    assert set(taken) <= set(arrived)
    assert len(arrived) == len(set(arrived)) <= len(taken) + 3


ENDING = """
from scr_sdk import SessionCompletionRuntime
scr = SessionCompletionRuntime("{key}", "{url}", spool={spool!r})
for i in range(100):
    scr.capture({{"session_id": f"sess_demo_{{i}}", "usage": {{"total_tokens": 1000 + 10 * i}}, "outcome": "success"}})
print("captured")
"""


def test_a_script_that_just_ends_has_sent_what_it_captured(server: CaptureServer, tmp_path: Path) -> None:
    for url, arrived in ((server.url, 100), (NOWHERE, 100)):
        with start(ENDING.format(key=KEY, url=url, spool=str(tmp_path / "spool" / f"{arrived}.db"))) as process:
            said, _ = process.communicate(timeout=60)
        assert (said, process.returncode) == ("captured\n", 0)
        assert len(set(server.ids())) == arrived


FORKING = """
import os, sys
from scr_sdk import SessionCompletionRuntime
scr = SessionCompletionRuntime("{key}", "{url}", spool={spool!r})
scr.capture({{"session_id": "parent", "usage": {{"total_tokens": 1}}}})
children = []
for _ in range(3):
    scr.capture({{"session_id": "parent", "usage": {{"total_tokens": 1}}}})
    child = os.fork()
    if not child:
        for _ in range(10):
            scr.capture({{"session_id": "child", "usage": {{"total_tokens": 1}}}})
        scr.close(30)
        os._exit(0)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
scr.capture({{"session_id": "parent", "usage": {{"total_tokens": 1}}}})
scr.close(30)
print(codes)
"""


def test_children_that_fork_off_report_too(server: CaptureServer, tmp_path: Path) -> None:
    program = FORKING.format(key=KEY, url=server.url, spool=str(tmp_path / "spool" / "events.db"))
    with start(program) as process:
        said, _ = process.communicate(timeout=60)
    assert said.strip() == "[0, 0, 0]"
    # A child that ends while it sends leaves that to the others, so an event may come twice, under its one id.
    arrived = {event.event_id: event.session_id for event in server.events}
    assert sorted(arrived.values()) == ["child"] * 30 + ["parent"] * 5


def start(program: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "sdk" / "python"), "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)


def test_it_is_the_owners_file(server: CaptureServer, tmp_path: Path) -> None:
    with runtime(server.url, tmp_path):
        path = tmp_path / "spool" / "events.db"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_can_not_be_used_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file in the place of a folder")
    with pytest.raises(SpoolUnavailable):
        runtime(NOWHERE, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"api_key": ""}, "api_key is missing"),
        ({"api_key": "k", "endpoint": "ftp://host"}, "the endpoint is a URL"),
        ({"api_key": "k", "endpoint": "http://"}, "the endpoint is a URL"),
        ({"api_key": "k", "endpoint": "http://me:canary@host"}, "the endpoint is a URL"),
        ({"api_key": "canary\n", "endpoint": NOWHERE}, "printable ASCII"),
        ({"api_key": "k", "durability": "none"}, "durability is one of"),
    ],
)
def test_arguments_that_can_not_be_used(
    arguments: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCR_API_KEY", raising=False)
    with pytest.raises(ValueError, match=message) as refused:
        SessionCompletionRuntime(**arguments, spool=tmp_path / "events.db")  # type: ignore[arg-type]
    assert "canary" not in str(refused.value)


def test_the_environment_stands_for_the_arguments(
    server: CaptureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("API_KEY", KEY), ("ENDPOINT", server.url), ("SPOOL", str(tmp_path / "here.db"))):
        monkeypatch.setenv(f"SCR_{name}", value)
    with SessionCompletionRuntime() as scr:
        scr.capture(SHORT)
        assert KEY not in repr(scr)
    assert len(server.events) == 1
    assert (tmp_path / "here.db").exists()
