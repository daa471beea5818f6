"""`harpoon simulator`: a platform as it is started by hand, what it prints, and what it says to nonsense."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from gateway.simulator.platform.faults import KINDS
from gateway.simulator.platform.quirks import NAMES
from tests.gateway.commands.command_kit import invoke, told
from tests.serving import HARPOON, environment, free_port

SERVE = ("simulator", "serve")


@pytest.mark.parametrize("key", ["", "a-key-of-my-own"])
def test_what_it_prints_works(key: str) -> None:
    """Started as a stranger would; its own curl lines are run, and it stops when it is told to."""
    port = free_port()
    settings = {"SIMULATOR_API_KEY": key} if key else {}
    arguments = [str(HARPOON), *SERVE, "--port", str(port), "--speed", "10000", "--quirks", "none"]
    with subprocess.Popen(arguments, env=environment(**settings), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = []
        try:
            for line in server.stdout:
                lines.append(line)
                if "POD_NAME" in line:
                    break
            said = "".join(lines)
            assert f"http://127.0.0.1:{port}/api" in said
            assert "no GPU and no model" in said
            assert (key in said) == (not key)
            curls = [line.strip().partition("   #")[0] for line in lines if line.strip().startswith("curl")]
            bodies = [_curl(curl, **settings) for curl in curls[:3]]
            assert len(json.loads(bodies[0])) == 3
            assert json.loads(bodies[1]) == {"subscription_id": 7}
            pod = _running_pod(curls[2], settings)
            answer = json.loads(_curl(curls[3].replace("POD_NAME", pod)))
            assert answer["model"] == "llama-3.1-8b-instruct-simulated"
            wrong = httpx.get(f"http://127.0.0.1:{port}/api/gpuaas/all-pools", headers={"x-api-key": "wrong"})
            assert wrong.status_code == 401
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0


def _running_pod(curl: str, settings: dict[str, str]) -> str:
    """The pod once its server answers: at ten thousand times real time that is soon."""
    for _ in range(200):
        (row,) = json.loads(_curl(curl, **settings))["items"]
        pod: str = row["pods"][0]["pod_name"]
        base = re.search(r"http://127\.0\.0\.1:\d+", curl)
        assert base is not None
        if httpx.get(f"{base[0]}/pods/{pod}/health", trust_env=False).status_code == 200:
            return pod
    raise AssertionError("its pod never served")


def _curl(line: str, **settings: str) -> str:
    done = subprocess.run(
        ["bash", "-c", f"{line} -s -m 20 --noproxy '*'"],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


def test_quirks_and_faults_are_listed() -> None:
    assert [row["name"] for row in json.loads(invoke("simulator", "quirks", "--json").stdout)] == list(NAMES)
    assert "leaking_rows" in invoke("simulator", "quirks").stdout
    listed = json.loads(invoke("simulator", "faults", "--json").stdout)
    assert listed["kinds"] == dict(KINDS)
    assert listed["steps"]["subscribe"] == "POST /api/gpuaas/pool/subscribe"
    assert "drop_after" in invoke("simulator", "faults").stdout
    shown = invoke("simulator", "serve", "--help").stdout
    assert "--speed 60" in shown
    assert "SIMULATOR_API_KEY" in shown


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--quirks", "nonsense"), "there is no quirk 'nonsense'"),
        (("--quirks", "leaking_rows=200"), "from 0 to 100"),
        (("--faults", "subscribe"), "say it like subscribe:drop_after"),
        (("--faults", "subscribe:never"), "there is no fault"),
        (("--pools", "no/such/file"), "can't be read"),
        (("--host", "0.0.0.0"), "set SIMULATOR_API_KEY"),
        (("--host", "192.0.2.1.invalid"), "set SIMULATOR_API_KEY"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], word: str) -> None:
    told(invoke(*SERVE, *arguments, SIMULATOR_API_KEY=""), 2, word)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "no JSON"),
        ("[]", "an object"),
        ('{"pool": []}', "no 'pool'"),
        ('{"pools": {}}', "a list was expected"),
        ('{"pools": []}', "an id of its own"),
        ('{"pools": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}', "an id of its own"),
        ('{"pools": [{"id": 1, "name": "a", "ratio": 2}]}', "no 'ratio'"),
        ('{"pools": [{"id": 1, "name": "a", "sharing_ratio": 11}]}', "from 1 to 10"),
        ('{"pools": [{"id": 1, "name": "a"}], "neighbours": [{"team": "t", "pool": 2}]}', "pool 2"),
        ('{"parameters": {"drain_us": -1}}', "drain_us"),
        ('{"server": 3}', "an object was expected"),
    ],
)
def test_a_file_of_pools_that_describes_none_is_refused(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "pools.json"
    file.write_text(text)
    told(invoke(*SERVE, "--pools", str(file)), 2, word)
