"""A start takes in what its settings need and nothing else; `python -m bench.start` tells what that saves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.main import get_command

from gateway.cli import ServeOptions, plain_serve
from gateway.commands.serve import serve_cli
from tests.serving import START_PAUSE_S, START_TRIES, STOP_S, environment, free_port

ROOT = Path(__file__).parents[2]
#: What some setting, another command or a first request needs; a part of a name stands for all that begins with it.
LATER = (
    "cryptography",
    "gateway.adapters.otel_exporter",
    "gateway.command_group",
    "gateway.commands",
    "gateway.config_file",
    "gateway.hostedai.desk",
    "gateway.hostedai.dialect",
    "gateway.hostedai.lease",
    "gateway.simulator",
    "importlib.metadata",
    "opentelemetry",
    "pydantic",
    "pygments",
    "rich",
    "typer",
    "wasmtime",
    "yaml",
)
PROVIDER = {"HOSTED_AI_BASE_URL": "http://127.0.0.1:9", "HARPOON_TOKENS": "hk_acme_s3cret"}
LEASES = {"HOSTED_AI_DIALECT": "simulator"}
PROGRAM = """
import atexit, json, sys

def tell():
    with open(told, "w") as file:
        json.dump(sorted(name for name, module in sys.modules.items() if module is not None), file)

told = sys.argv.pop(1)
atexit.register(tell)
from gateway.cli import main
main()
"""


def loaded(folder: Path, *options: str, **settings: str) -> set[str]:
    """The modules of a server that answered /health and was then stopped."""
    told, log, port = folder / "modules.json", folder / "log", free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(told), "serve", "--port", str(port), *options],
            env=environment(HARPOON_STATE=str(folder / "state"), **settings),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until_healthy(process, port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
    return set(json.loads(told.read_text()))


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(START_TRIES):
        assert process.poll() is None, log.read_text()
        try:
            assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
            return
        except httpx.TransportError:
            time.sleep(START_PAUSE_S)
    raise AssertionError(f"it does not answer: {log.read_text()}")


def needless(modules: set[str]) -> set[str]:
    return {name for name in modules if any(name == one or name.startswith((f"{one}.", f"{one}_")) for one in LATER)}


def test_a_start_with_a_provider_imports_nothing_that_only_others_need(tmp_path: Path) -> None:
    modules = loaded(tmp_path, **PROVIDER)
    assert {"gateway.app", "worker.app", "httpx", "uvicorn"} <= modules
    assert needless(modules) == set()
    assert "httpx._main" not in modules


@pytest.mark.parametrize(
    ("settings", "needed"),
    [({}, "gateway.simulator.exchange"), (LEASES, "gateway.hostedai.leasing")],
    ids=["simulator", "leases"],
)
def test_what_a_setting_asks_for_is_there(tmp_path: Path, settings: dict[str, str], needed: str) -> None:
    assert needed in loaded(tmp_path, HARPOON_SIMULATOR_SPEED="0", **settings)


def test_a_configuration_file_is_read_where_there_is_one(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("hosted_ai:\n  base_url: http://127.0.0.1:9\n")
    modules = loaded(tmp_path, "--config", str(file))
    assert needless(modules) == {name for name in modules if name.startswith(("gateway.config_file", "yaml"))}
    assert "yaml" in modules


PLAIN = (
    (),
    ("--port", "9000"),
    ("--port=9000", "--host", "::1"),
    ("--workers", "2", "--host=localhost", "--config", "/etc/harpoon.yaml"),
    ("--port", "1", "--port", "2"),
    ("--host", "a=b", "--config=a=b"),
    ("--port", " 8080 "),
)


@pytest.mark.parametrize("words", PLAIN)
def test_plain_options_are_read_as_typer_reads_them(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    told = []
    monkeypatch.setattr("gateway.commands.serve.serve_gateway", lambda *given: told.append(ServeOptions(*given)))
    get_command(serve_cli)(list(words), standalone_mode=False)
    assert [plain_serve(["serve", *words])] == told


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--version"],
        ["ask", "--port", "1"],
        ["serve", "--help"],
        ["serve", "-h"],
        ["serve", "--port", "1", "--help"],
        ["serve", "--port"],
        ["serve", "--port="],
        ["serve", "--port", ""],
        ["serve", "--port", "--host"],
        ["serve", "--port", "-1"],
        ["serve", "--", "--port", "1"],
        ["serve", "--por", "1"],
        ["serve", "port", "1"],
        ["serve", "port=1"],
        ["serve", "--", "1"],
        ["serve", "--=1"],
        ["serve", "-p", "1"],
        ["serve", "--config", "configurations/zoë.yaml"],
        ["serve", "extra"],
        ["serve", "--PORT", "1"],
    ],
)
def test_whatever_else_is_written_is_left_to_typer(words: list[str]) -> None:
    assert plain_serve(words) is None


def test_every_option_of_serve_is_known_to_both() -> None:
    names = {option.name for option in get_command(serve_cli).params}
    assert names == set(ServeOptions._fields)
