"""Memory of 0.3-1 GB and 6-17 s of cold start (regression list, 5): their causes, which can be told without a clock.

The figures themselves are measured beside other gateways by `python -m bench.run` (docs/performance.md).
"""

from __future__ import annotations

import gc
import json
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import httpx
import pytest

from gateway.settings import ALL_SETTINGS
from tests.faults.plays import answers_well
from tests.faults.upstream import fault_upstream
from tests.faults.world import chat, three_routes
from tests.serving import START_PAUSE_S, START_TRIES, STOP_S, environment, free_port
from tests.worker.api.application_kit import ask, served
from worker.live import FIRST_TOKEN, NOTES, LiveNotes, Note

ROOT = Path(__file__).parents[2]
#: An import of what is not the container's fails, as it would there; at the end the modules that were loaded are told.
AS_IN_THE_CONTAINER = """
import atexit, json, sys

allowed, told = set(json.loads(sys.argv[1])), sys.argv[2]

class Absent:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if path is None and top[0] != "_" and top not in allowed and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"the container has no {name}", name=name)

def tell():
    with open(told, "w") as file:
        json.dump(sorted(sys.modules), file)

sys.meta_path.insert(0, Absent())
atexit.register(tell)
from gateway.cli import main
sys.argv = ["harpoon", "serve"]
main()
"""
#: What a gateway may take in to serve; another one's client alone loads some 3,000.
MAX_MODULES = 1_100
#: Large things that some setting or command needs, and no start without it.
HEAVY = {
    "aiohttp",
    "jsonschema",
    "mcp",
    "nats",
    "numpy",
    "openai",
    "opentelemetry",
    "pandas",
    "prometheus_client",
    "ray",
    "sklearn",
    "tiktoken",
    "torch",
    "transformers",
}


def containers_packages() -> set[str]:
    """The top-level modules of the container's dependencies, of what these need, and our own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted, seen = [distribution_of(line) for line in project["dependencies"]], set[str]()
    while wanted:
        name = wanted.pop()
        if name not in seen and is_installed(name):
            seen.add(name)
            needs = [line for line in metadata.requires(name) or [] if "extra ==" not in line]
            wanted += map(distribution_of, needs)
    owned = metadata.packages_distributions()
    packages = {top for top, owners in owned.items() if seen & {owner.lower().replace("_", "-") for owner in owners}}
    return packages | {"gateway", "worker", "wasm_classifier"}


def distribution_of(line: str) -> str:
    return re.split(r"[=<>!~;\[ (]", line, maxsplit=1)[0].lower().replace("_", "-")


def is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The modules that `harpoon serve` has loaded after it served, with the container's packages and no others."""
    folder = tmp_path_factory.mktemp("start")
    told, log, port = folder / "modules.json", folder / "log", free_port()
    settings = environment(HARPOON_STATE=str(folder / "state"), SERVICE_PORT=str(port), HARPOON_SIMULATOR_SPEED="0")
    allowed = containers_packages()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", AS_IN_THE_CONTAINER, json.dumps(sorted(allowed)), str(told)],
            env=settings,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        for stream in (False, True):
            answer = first_answer(process, port, log, stream)
            assert answer.status_code == 200, answer.text
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
    assert told.exists(), log.read_text()
    modules: list[str] = json.loads(told.read_text())
    return modules


def first_answer(process: subprocess.Popen[bytes], port: int, log: Path, stream: bool) -> httpx.Response:
    """An answer of the server, once it answers; fails with its output if it ends instead."""
    for _ in range(START_TRIES):
        assert process.poll() is None, log.read_text()
        try:
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            return httpx.post(url, json=ask(stream=stream), trust_env=False)
        except httpx.TransportError:
            time.sleep(START_PAUSE_S)
    raise AssertionError(f"it does not answer: {log.read_text()}")


def test_cold_start_takes_in_what_serving_needs_and_nothing_heavy(loaded: list[str]) -> None:
    """It starts and serves where nothing but its own dependencies is installed, and leaves the large ones alone."""
    tops = {name.partition(".")[0] for name in loaded}
    assert {"worker", "gateway", "starlette", "uvicorn"} <= tops
    assert tops & (HEAVY - {"aiohttp"}) == set()
    assert len(loaded) < MAX_MODULES


def test_cold_start_needs_one_process() -> None:
    """One worker unless more are asked for: each more is the same memory again."""
    (workers,) = (setting for setting in ALL_SETTINGS if setting.name == "HARPOON_WORKERS")
    assert workers.default == "1"


def objects_of_ours() -> Counter[str]:
    """How many objects of each of our classes are alive."""
    gc.collect()
    kinds = (type(one) for one in gc.get_objects())
    return Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds if is_ours(kind.__module__))


def is_ours(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in ("worker", "gateway", "wasm_classifier")


def kinds_of_request(number: int) -> Iterator[dict[str, object]]:
    """Requests that differ from one another in everything a cache could be keyed by."""
    question = [{"role": "user", "content": f"What is vGPU number {number}?"}]
    for stream in (False, True):
        yield chat(messages=question, stream=stream)
        yield chat(messages=question, stream=stream, covenant={"budget_usd": 0}, user=f"user-{number}")
        yield chat(messages=question, stream=stream, model=f"no-model-{number}")


async def test_memory_does_not_grow_with_requests() -> None:
    """Served, refused or wrong: once it is over, no object of a request is left in the process."""

    async def serve(numbers: range) -> tuple[Counter[str], int]:
        statuses = Counter[int]()
        for number in numbers:
            for body in kinds_of_request(number):
                statuses[(await client.post("/chat/completions", json=body)).status_code] += 1
        await harpoon.none_open()
        upstream.calls.clear()
        assert statuses == dict.fromkeys((200, 402, 404), 2 * len(numbers))
        return objects_of_ours(), sys.getallocatedblocks()

    async with fault_upstream() as upstream:
        upstream.script = {"first": answers_well}
        async with three_routes(upstream) as harpoon, served(harpoon.app) as client:
            fill(harpoon.services.live)
            await serve(range(20))
            before, blocks_before = await serve(range(20, 40))
            after, blocks_after = await serve(range(40, 100))
    grown = {name: (before[name], count) for name, count in after.items() if count > before[name]}
    assert grown == {}
    # A block is an object or a part of one. Of the 360 requests some belong to small caches that still fill; a list of
    # what was seen would take three blocks or more for each.
    assert blocks_after - blocks_before < 2 * 360


def fill(notes: LiveNotes) -> None:
    """Bring the ring of live notes to the size that it keeps."""
    for number in range(NOTES):
        notes.append(Note(f"dec_{number:032x}", FIRST_TOKEN, number))


def test_memory_is_bounded_where_something_is_kept() -> None:
    notes = LiveNotes()
    for _ in range(3):
        fill(notes)
    kept = notes.between(0, notes.end)
    assert (len(kept), notes.end) == (NOTES, 3 * NOTES)
