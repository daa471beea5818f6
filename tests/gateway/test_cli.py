"""The `harpoon` command as a newcomer meets it: it teaches, answers, and fails in sentences."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from gateway.command_group import cli
from gateway.settings import ALL_SETTINGS, read_settings
from tests.contracts.misbehaving_server import Answer, Server, replies
from tests.serving import HARPOON, Serving, environment, serving
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

RUN_S = 30


def invoke(*arguments: str, stdin: str = "", **settings: str) -> Result:
    """The command in this process."""
    unset = dict.fromkeys(("HARPOON_URL", "HARPOON_TOKEN"))
    return CliRunner().invoke(cli, arguments, input=stdin, env={**unset, **settings, "COLUMNS": "200"})


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [str(HARPOON), *arguments], env=environment(**settings), capture_output=True, text=True, timeout=RUN_S
    )


def assert_said(result: Result, *words: str, status: int = 2) -> None:
    """It failed in words, without a stack trace."""
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.output


def test_the_help_teaches_what_to_do_first() -> None:
    for arguments in ([], ["--help"]):
        text = invoke(*arguments).output
        for words in ("serve", "ask", "catalogue", "settings", "OpenAI-compatible", 'harpoon ask "What is a vGPU?"'):
            assert words in text
    text = invoke("serve", "--help").output
    for words in ("--host", "--port", "--workers", "--config", "HARPOON_TOKENS", "8080"):
        assert words in text
    assert "--covenant" in invoke("ask", "--help").output


def test_the_settings_are_listed_with_what_they_do() -> None:
    text = invoke("settings").output
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert [setting.name for setting in ALL_SETTINGS if setting.name not in lines] == []
    assert {name for name, line in lines.items() if line.rstrip().endswith("(secret)")} == {
        setting.name for setting in ALL_SETTINGS if setting.secret
    }


def test_the_catalogue_that_is_printed_is_accepted_back(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"
    path.write_text(run("catalogue").stdout)
    settings = read_settings({"HARPOON_CATALOGUE": str(path)}, {}, None)
    assert settings.configuration.catalogue.source == DEFAULT_CATALOGUE


BAD_STARTS: list[tuple[list[str], dict[str, str], str]] = [
    (["--port", "eighty"], {}, "SERVICE_PORT must be a whole number"),
    (["--host", "0.0.0.0"], {}, "HARPOON_TOKENS"),
    (["--config", "/nowhere.yaml"], {}, "can't be read"),
    ([], {"HARPOON_BUDGET_USD": "much"}, "HARPOON_BUDGET_USD"),
    ([], {"HARPOON_TOKENS": "hush"}, "token 1"),
    ([], {"HARPOON_CATALOGUE_JSON": "{}"}, "catalogue"),
]


@pytest.mark.parametrize(("arguments", "settings", "words"), BAD_STARTS)
def test_a_wrong_setting_is_said_at_once(arguments: list[str], settings: dict[str, str], words: str) -> None:
    result = invoke("serve", *arguments, **settings)
    assert_said(result, words)
    assert "hush" not in result.output


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_said_before_anything_else(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("serve", "--port", port, "--workers", workers, HARPOON_STATE=str(tmp_path / "state"))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"harpoon: can't listen on 127.0.0.1 port {port}: the port is taken; choose another with SERVICE_PORT or"
        " --port\n"
    )


def test_a_state_that_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("serve", HARPOON_STATE=str(tmp_path / "file"))
    assert result.returncode not in (0, 2)
    assert "harpoon can't start" in result.stderr
    assert "Traceback" not in result.stderr


def test_ask_streams_the_answer_and_says_why_it_went_there(harpoon: Serving) -> None:
    result = run("ask", "What is a vGPU?", HARPOON_URL=f"{harpoon.base}/v1")
    assert result.returncode == 0, result.stderr
    answer, _, table = result.stdout.partition("\n\n")
    assert "GPU" in answer
    lines = dict(line.split(maxsplit=1) for line in table.strip().splitlines() if line[:1].isalpha())
    assert lines["route"].startswith("simulator/")
    assert "simulated" in lines["route"]
    assert lines["cost"].startswith("$0.0000")
    assert "admitted routes" in lines["why"]
    assert lines["decision"].startswith("dec_")


def test_ask_reads_the_question_from_standard_input(harpoon: Serving) -> None:
    for arguments in (["-"], []):
        result = invoke("ask", *arguments, "--url", f"{harpoon.base}/v1/", stdin="What is a vGPU?\n")
        assert result.exit_code == 0
        assert "GPU" in result.stdout


def test_ask_gives_json_to_a_program(harpoon: Serving) -> None:
    result = invoke("ask", "What is a vGPU?", "--json", "--url", harpoon.base)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert "GPU" in found["answer"]
    assert found["simulated"] is True
    assert found["decision"]["selected"] == found["route"]
    assert found["cost_usd"] == found["decision"]["cost_usd"]


def test_ask_takes_a_covenant_in_words(harpoon: Serving) -> None:
    url = ("--url", harpoon.base)
    result = invoke("ask", "What is a vGPU?", *url, "--covenant", "under 2 dollars")
    assert result.exit_code == 0, result.stderr
    assert "budget_usd=2" in result.stdout
    assert_said(invoke("ask", "x", *url, "--covenant", "in a few minutes"), "few minutes", status=1)


def test_ask_says_what_stands_in_the_way(harpoon: Serving) -> None:
    url = ("--url", f"{harpoon.base}/v1")
    assert_said(invoke("ask", "x", *url, "--covenant", '{"budget_usd": 0}'), "budget", "COST_BOUND_EXCEEDED", status=1)
    assert_said(invoke("ask", "x", *url, "--covenant", "{cheap"), "the covenant looks like JSON but is not")
    assert_said(invoke("ask", "x", *url, "--covenant", "[]"), "covenant", status=1)
    assert_said(invoke("ask", "x", *url, "--model", "gpt-99"), "not in the catalogue")
    assert_said(invoke("ask", "x", "--url", f"{harpoon.base}/v2"), "not served here")
    assert_said(invoke("ask", " ", *url), "the text is empty")


def test_ask_says_that_nobody_is_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        assert_said(invoke("ask", "x", "--url", url), "nothing answers", "harpoon serve")
    assert_said(invoke("ask", "x", "--url", "no url"), "no url", "http://")


EVENTS = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n"
OURS = EVENTS.replace(b"close", b"close\r\nx-harpoon-decision-id: dec_1")
STRANGERS: list[tuple[Answer, str, int]] = [
    (replies(b"HTTP/1.1 404 X\r\ncontent-length: 6\r\n\r\n<html>"), "answered 404 with something that is not", 2),
    (replies(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"), "is not Harpoon", 2),
    (replies(b"SSH-2.0-OpenSSH_9.9\r\n"), "connection", 2),
    (replies(EVENTS + b"data: oops\n\n"), "is not Harpoon", 2),
    (replies(EVENTS + b'data: {"type":"ping"}\n\n'), "is not Harpoon", 2),
    (replies(OURS + b'data: {"error":{"message":"it broke"}}\n\n'), "broke off: it broke", 1),
    (replies(OURS + b"data: oops\n\n"), "broke off: an event", 1),
    (replies(OURS + b'data: {"choices":[{"delta":3}]}\n\n'), "broke off: an event", 1),
    (replies(OURS.replace(b"close", b"close\r\ncontent-length: 99") + b"data: "), "connection", 2),
]


@pytest.mark.parametrize(("answer", "words", "status"), STRANGERS)
async def test_ask_is_not_confused_by_a_stranger(answer: Answer, words: str, status: int) -> None:
    async with Server(answer) as server:
        result = await asyncio.to_thread(invoke, "ask", "x", "--url", f"http://127.0.0.1:{server.port}/v1")
    assert_said(result, words, status=status)


def test_a_token_is_asked_for_and_understood(tmp_path: Path) -> None:
    with serving(tmp_path / "state", HARPOON_TOKENS="hk_acme_s3cret") as server:
        url = ("--url", f"{server.base}/v1")
        assert_said(invoke("ask", "x", *url), "Authorization: Bearer")
        assert_said(invoke("ask", "x", *url, "--token", "hk_acme_wrong"), "not known here")
        assert invoke("ask", "x", *url, "--token", "hk_acme_s3cret").exit_code == 0
        assert invoke("ask", "x", *url, HARPOON_TOKEN="hk_acme_s3cret").exit_code == 0
        command = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    assert b"s3cret" not in command
    assert "s3cret" not in server.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_control_c_ends_it_cleanly(tmp_path: Path, workers: str) -> None:
    with serving(tmp_path / "state", "--workers", workers) as server:
        assert httpx.get(f"{server.base}/health", trust_env=False).json()["status"] == "healthy"
        status = server.stop(signal.SIGINT)
    assert status in (0, 130, -signal.SIGINT)
    assert "Traceback" not in server.log
    assert "harpoon serves" in server.log


def test_what_the_greeting_says_to_try_works(harpoon: Serving) -> None:
    line = next(line for line in harpoon.log.splitlines() if line.strip().startswith("try"))
    url = line.split("curl ")[1].split(" ")[0]
    body = line.split("-d '")[1].rstrip("'")
    answer = httpx.post(url, content=body, headers={"content-type": "application/json"}, trust_env=False)
    assert answer.status_code == 200
    assert json.loads(body)["model"] == "auto"


def test_the_greeting_says_who_may_come_in(harpoon: Serving, tmp_path: Path) -> None:
    assert "access     open to this machine, without a token" in harpoon.log
    with serving(tmp_path / "state", HARPOON_OPEN="1", HARPOON_TOKENS="hk_acme_1,hk_acme_2") as server:
        assert "access     2 token(s)" in server.log
        assert httpx.get(f"{server.base}/v1/models", trust_env=False).status_code == 401


def test_the_state_is_its_owners_alone(harpoon: Serving) -> None:
    assert httpx.get(f"{harpoon.base}/v1/models", trust_env=False).status_code == 200
    assert harpoon.state.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in harpoon.state.iterdir()}
    assert {"harpoon.db", "harpoon.db-wal", "harpoon.db-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_the_simulator_is_served_only_while_it_stands_in(harpoon: Serving, tmp_path: Path) -> None:
    assert httpx.get(f"{harpoon.base}/simulator/v1/models", trust_env=False).status_code == 200
    settings = {"HARPOON_TOKENS": "hk_acme_1", "OPENAI_API_KEY": "k"}
    for simulator, status in (("auto", 404), ("on", 200)):
        with serving(tmp_path / simulator, HARPOON_SIMULATOR=simulator, **settings) as server:
            assert httpx.get(f"{server.base}/simulator/v1/models", trust_env=False).status_code == status


def test_a_page_from_elsewhere_is_refused_over_a_real_connection(harpoon: Serving) -> None:
    for headers in ({"host": "harpoon.example"}, {"origin": "https://harpoon.example"}):
        answer = httpx.get(f"{harpoon.base}/v1/models", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_local")
