"""Commands that ask a running Harpoon: route, models, health, decisions and report, over a real connection."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gateway import client as client_module
from gateway.client import Client
from tests.contracts.misbehaving_server import Answer, Server, replies
from tests.gateway.commands.command_kit import invoke, run, told
from tests.serving import Serving, serving

QUESTIONS = ("What is a vGPU?", "What does VRAM mean?", "Prove that there are infinitely many primes.")
ASKING = ["ask", "models", "health", "decisions", "route", "report"]
ARGUMENTS = {"ask": ["x"], "route": ["x"]}


@pytest.fixture(scope="module")
def url(harpoon: Serving) -> str:
    """A server that has answered three questions and refused one."""
    for question in QUESTIONS:
        assert invoke("ask", question, "--url", harpoon.base).exit_code == 0
    told(invoke("ask", "x", "--url", harpoon.base, "--covenant", '{"budget_usd": 0}'), 1, "budget")
    return harpoon.base


def listed(url: str, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(invoke("decisions", "--json", "--url", url, *arguments).stdout)
    return found


def test_models_are_listed(url: str) -> None:
    assert "simulator/qwen3-30b-a3b" in invoke("models", "--url", url).stdout
    assert json.loads(invoke("models", "--json", HARPOON_URL=url).stdout)["object"] == "list"


def test_health_is_words_and_an_exit_status(url: str) -> None:
    result = invoke("health", "--url", url)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == ["status", "healthy"]
    assert json.loads(invoke("health", "--json", "--detailed", "--url", url).stdout)["status"] == "healthy"


DEGRADED = b'{"status":"degraded","providers":{"groq":"down"}}'


@pytest.mark.parametrize("status", [b"200 OK", b"503 X"])
async def test_a_degraded_server_is_a_no(status: bytes) -> None:
    answer = replies(b"HTTP/1.1 " + status + b"\r\ncontent-length: %d\r\n\r\n" % len(DEGRADED) + DEGRADED)
    async with Server(answer) as server:
        result = await asyncio.to_thread(invoke, "health", "--url", f"http://127.0.0.1:{server.port}")
    assert result.exit_code == 1
    assert "degraded" in result.stdout
    assert "providers.groq  down" in result.stdout


@pytest.mark.parametrize("command", ASKING)
def test_nobody_there_is_said_with_what_to_do(command: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        at = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = invoke(command, *ARGUMENTS.get(command, []), "--url", at)
        told(result, 2, "nothing answers", "harpoon serve")
        if command == "route":
            assert "--offline" in result.stderr
            batch = invoke(command, "--jsonl", "--url", at, stdin='{"text":"a"}\n{"text":"b"}\n')
            told(batch, 2, "nothing answers")
            assert (batch.stdout, batch.stderr.count("nothing answers")) == ("", 1)
        if command == "report":
            assert "--from" in result.stderr
    told(invoke(command, *ARGUMENTS.get(command, []), "--url", "no url"), 2, "no url", "http://")


STRANGERS: list[Answer] = [
    replies(b"HTTP/1.1 404 X\r\ncontent-length: 6\r\n\r\n<html>"),
    replies(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"),
    replies(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
    replies(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"),
    replies(b"HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n" + b'{"data":3,"selected":1'),
    replies(b"HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n" + b'{"data":[{"id":1}]'),
    replies(b"SSH-2.0-OpenSSH_9.9\r\n"),
]


@pytest.mark.parametrize("answer", STRANGERS)
@pytest.mark.parametrize("command", [*ASKING[1:], "decisions dec_1"])
async def test_a_stranger_is_no_harpoon(command: str, answer: Answer) -> None:
    name, *arguments = command.split()
    async with Server(answer) as server:
        at = f"http://127.0.0.1:{server.port}"
        result = await asyncio.to_thread(invoke, name, *arguments, *ARGUMENTS.get(name, []), "--url", at)
    told(result, 2)
    assert "arpoon" in result.stderr or "connection" in result.stderr


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path / "state", HARPOON_TOKENS="hk_acme_s3cret") as server:
        for command in ("models", "decisions", "route", "report"):
            arguments = [command, *ARGUMENTS.get(command, []), "--url", server.base]
            told(invoke(*arguments), 2, "Authorization: Bearer")
            assert invoke(*arguments, "--token", "hk_acme_s3cret").exit_code == 0
        empty = invoke("decisions", "--url", server.base, "--token", "hk_acme_s3cret")
        assert "harpoon ask" in empty.stdout


def test_route_explains_what_a_request_would_meet(url: str) -> None:
    before = len(listed(url, "--limit", "100"))
    result = invoke("route", QUESTIONS[0], "--url", url)
    assert result.exit_code == 0
    for words in ("selected", "admitted", "RISK_BOUND_EXCEEDED", "choice", "why", "where it would turn"):
        assert words in result.stdout
    found = json.loads(invoke("route", QUESTIONS[0], "--url", url, "--json").stdout)
    assert found["selected"].startswith("simulator/")
    assert found["selected"] in result.stdout
    told(invoke("route", "x", "--url", url, "--covenant", '{"budget_usd": 0}'), 1, "no route fits the budget")
    told(invoke("route", "x", "--url", url, "--model", "gpt-99"), 2, "not in the catalogue")
    assert len(listed(url, "--limit", "100")) == before


def test_route_and_its_offline_form_agree_where_nothing_was_learned(tmp_path: Path) -> None:
    with serving(tmp_path / "state", HARPOON_ESTIMATES="catalogue") as server:
        asked = invoke("route", QUESTIONS[2], "--url", server.base, "--json").stdout
    assert json.loads(asked) == json.loads(invoke("route", QUESTIONS[2], "--offline", "--json").stdout)


def test_route_takes_batches(url: str) -> None:
    text = "".join(json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(QUESTIONS))
    result = invoke("route", "--jsonl", "--url", url, stdin=text + '{"id":9,"text":"x","model":"gpt-99"}\n')
    told(result, 1, "standard input:4: ", "not in the catalogue")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [0, 1, 2, 9]
    assert all(answer["route"] == answer["explanation"]["selected"] for answer in answers[:3])
    assert "gpt-99" not in answers[0]
    assert "error" in answers[3]


def test_decisions_are_listed_newest_first(url: str) -> None:
    lines = invoke("decisions", "--url", url).stdout.splitlines()
    assert lines[0].split() == ["time", "(UTC)", "route", "state", "cost", "ms", "complexity", "id"]
    states = [line.split()[3] for line in lines[1:]]
    assert states[:4] == ["denied", "settled", "settled", "settled"]
    assert len(invoke("decisions", "--url", url, "--limit", "2").stdout.splitlines()) == 3


def test_one_decision_is_shown_with_its_candidates(url: str) -> None:
    newest, answered, *_ = listed(url)
    text = invoke("decisions", answered["id"], "--url", url).stdout
    for words in (answered["id"], "settled", "success", "selected", answered["selected"], "RISK_BOUND_EXCEEDED"):
        assert words in text
    assert "denied: nothing was sent" in invoke("decisions", newest["id"], "--url", url).stdout
    assert json.loads(invoke("decisions", answered["id"], "--json", "--url", url).stdout) == answered
    told(invoke("decisions", "dec_0", "--url", url), 2, "no decision of yours")


def test_an_export_is_oldest_first_and_follows_pages(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAGE", 2)
    newest_first = listed(url, "--limit", "100")
    exported = [json.loads(line) for line in invoke("decisions", "--jsonl", "--url", url).stdout.splitlines()]
    assert exported == newest_first[::-1]
    assert len(exported) >= len(QUESTIONS) + 1
    limited = invoke("decisions", "--jsonl", "--limit", "3", "--url", url).stdout.splitlines()
    assert [json.loads(line) for line in limited] == newest_first[:3][::-1]
    with Client(url, "") as client:
        recent = list(client.decisions(newest_first[1]["at_us"]))
    assert recent == newest_first[:2]


def test_a_report_is_the_same_from_a_server_and_from_an_export(url: str, tmp_path: Path) -> None:
    export, catalogue = tmp_path / "decisions.jsonl", tmp_path / "catalogue.json"
    export.write_text(run("decisions", "--jsonl", HARPOON_URL=url).stdout)
    with Client(url, "") as client:
        catalogue.write_text(json.dumps(client.get("/v2/catalogue")))
    served = json.loads(invoke("report", "--format", "json", "--url", url).stdout)
    for arguments in ([], ["--catalogue", str(catalogue)]):
        from_file = json.loads(invoke("report", "--format", "json", "--from", str(export), *arguments).stdout)
        assert from_file["groups"] == served["groups"]
    (group,) = served["groups"]
    assert group["simulated"] is True
    assert (group["ends"]["succeeded"], group["ends"]["refused"]) == (3, 1)
    assert group["cost"]["other_catalogue"] == 0
    assert group["cost"]["compared"] == 3
    piped = run("report", "--from", "-", "--format", "json", stdin=export.read_text())
    assert json.loads(piped.stdout)["groups"] == served["groups"]


def test_a_report_is_written_in_the_form_of_its_files_name(url: str, tmp_path: Path) -> None:
    for name, start in (("r.html", "<!DOCTYPE html>"), ("r.json", "{"), ("r.md", "# Harpoon"), ("r", "# Harpoon")):
        result = invoke("report", "--url", url, "--output", str(tmp_path / name))
        form = {".html": "html", ".json": "json"}.get(Path(name).suffix, "md")
        assert (result.exit_code, result.stdout) == (0, f"wrote {tmp_path / name}: {form} report of 4 requests\n")
        assert (tmp_path / name).read_text().startswith(start)
    ElementTree.fromstring((tmp_path / "r.html").read_text().removeprefix("<!DOCTYPE html>\n"))
    told(invoke("report", "--url", url, "--output", str(tmp_path / "no" / "r.md")), 2, "can't be written")
    told(invoke("report", "--url", url, "--output", str(tmp_path / "r.pdf")), 2, ".pdf", ".html", "--format")
    assert not (tmp_path / "r.pdf").exists()
    assert invoke("report", "--url", url, "--format", "md", "--output", str(tmp_path / "r.txt")).exit_code == 0


def test_a_report_says_what_it_can_not_do(url: str, tmp_path: Path) -> None:
    assert "nothing to report on yet" in invoke("report", "--url", url, "--since", "2999-01-01").stdout
    told(invoke("report", "--url", url, "--since", "soon"), 2, "--since")
    told(invoke("report", "--url", url, "--baseline", "gpt-99"), 2, "gpt-99", "openai/gpt-4o")
    told(invoke("report", "--from", "/nowhere"), 2, "can't be read")
    told(invoke("report", "--from", "-", stdin="nope\n"), 2, ":1: not JSON")
    told(invoke("report", "--from", "-", "--catalogue", "/nowhere"), 2, "can't be read")
    strange = tmp_path / "catalogue.json"
    for text in ("{", "{}", "[]", '{"catalogue": 3, "catalogue_hash": ""}'):
        strange.write_text(text)
        told(invoke("report", "--from", "-", "--catalogue", str(strange)), 2, "catalogue")
