"""`harpoon probe` as people run it: against a gateway with its simulator, and against nobody."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.commands.command_kit import invoke, run, told
from tests.gateway.probe.probe_kit import KEY, Answering, Asked, LockstepClock, Model, serving
from tests.serving import HARPOON, Serving, environment, free_port
from tests.serving import serving as harpoon_serving

QUICK = ("--warm", "2", "--concurrency", "2")


@pytest.fixture(scope="module")
def harpoon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with harpoon_serving(tmp_path_factory.mktemp("probe") / "state") as server:
        yield server


class Elsewhere:
    """A server in a thread of its own, whose clock nobody keeps step with. `asked` tells that a request came."""

    def __init__(self, model: Model) -> None:
        self.base = ""
        self._model = model
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with serving(self._model, Unheeded()) as self.base:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Elsewhere:
        self._thread.start()
        self._ready.wait(20)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()


class Unheeded(LockstepClock):
    """Waits for nobody."""

    async def looked(self, before: int) -> None:
        await asyncio.sleep(0)


def test_a_gateway_keeps_the_api_and_is_called_simulated(harpoon: Serving) -> None:
    result = invoke("probe", harpoon.base, *QUICK, "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["endpoint"] == f"{harpoon.base}/v1"
    assert (found["kind"], found["simulated"]) == ("Harpoon", True)
    assert {one["verdict"] for one in found["compatibility"] if one["need"] == "required"} == {"holds"}
    questions = {one["question"]: one["short"] for one in found["questions"]}
    assert questions["Can a request choose its tier or pool?"] == "yes"
    assert questions["Does it tell its prices?"] == "per answer"
    assert found["taken"]["cost_usd_micros"] == 0


def test_the_simulator_itself_can_be_probed(harpoon: Serving, tmp_path: Path) -> None:
    page = tmp_path / "probe.html"
    result = invoke("probe", f"{harpoon.base}/simulator/v1", *QUICK, "--output", str(page))
    assert result.exit_code == 0, result.output
    assert f"wrote {page}: html report" in result.stdout
    assert "(simulated)</h1>" in page.read_text()


def test_the_pilot_runs_from_beginning_to_end(harpoon: Serving, tmp_path: Path) -> None:
    report = tmp_path / "pilot.json"
    result = invoke("probe", harpoon.base, "--preset", "pilot", "--requests", "160", "--output", str(report))
    assert result.exit_code == 0, result.output
    found = json.loads(report.read_text())
    assert [phase["planned"] for phase in found["pilot"]["phases"]] == [100, 1_000]
    assert found["pilot"]["phases"][0]["n"] == 100
    assert len(found["pilot"]["models"]) == 3
    assert "--requests" in found["unfinished"][0]


def test_a_broken_api_is_exit_status_1_and_names_what_is_broken() -> None:
    with Elsewhere(Model(done=b"")) as server:
        result = run("probe", server.base, *QUICK, "--max-cost", "1", HARPOON_PROBE_KEY=KEY)
    assert result.returncode == 1
    assert "| stream.done |" in result.stdout
    assert KEY not in result.stdout + result.stderr


def test_before_more_is_spent_than_allowed_somebody_is_asked_or_nothing_is() -> None:
    model = Model()
    with Elsewhere(model) as server:
        dear = ("--price-in", "1000", "--price-out", "1000")
        result = run("probe", server.base, *QUICK, *dear)
        assert result.returncode == 2
        assert "more than --max-cost $0.25" in result.stderr
        assert [asked for asked in model.asked if asked.method == "POST"] == []
        partial = run("probe", server.base, *QUICK, *dear, "--yes", "--format", "json")
    found = json.loads(partial.stdout)
    assert any("--max-cost" in one for one in found["unfinished"])
    assert found["taken"]["cost_usd_micros"] <= 250_000


def test_ctrl_c_gives_what_is_known_by_then() -> None:
    class Stops(Model):
        count = 0

        async def stream(self, asked: Asked, answer: Answering) -> None:
            self.count += 1
            if self.count == 5:
                process.send_signal(signal.SIGINT)
                await asyncio.sleep(3600)
            await super().stream(asked, answer)

    command = [str(HARPOON), "probe", "", *QUICK, "--format", "json"]
    with Elsewhere(Stops()) as server:
        command[2] = server.base
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    found = json.loads(out)
    assert found["interrupted"] is True
    assert {one["verdict"] for one in found["compatibility"]} == {"holds"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((f"http://127.0.0.1:{free_port()}",), "nobody answers"),
        (("ftp://example.com",), "no base address"),
        (("http://sk-secret@example.com/v1",), "with no key in it"),
        (("http://x", "--max-cost", "much"), "--max-cost"),
        (("http://x", "--price-in", "1"), "say both"),
        (("http://x", "--header", "nothing"), "--header"),
        (("http://x", "--output", "report.pdf"), ".md, .json or .html"),
        (("http://x", "--baseline", "nobody/nothing"), "--baseline"),
    ],
)
def test_what_can_not_be_probed_is_said_in_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    result = invoke("probe", *arguments)
    told(result, 2, said)
    assert "sk-secret" not in result.output
