"""Batches over real pipes: each object comes back at once, as it was, with what was found out about it."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.gateway.commands.command_kit import RUN_S, invoke, run
from tests.serving import HARPOON, environment
from worker.covenant.reader import read_covenant
from worker.covenant.served import served_policy
from worker.errors import UnreadableCovenant

DEV = Path(__file__).parents[2] / "data" / "covenants_dev.jsonl"


def is_refused(text: str) -> bool:
    try:
        served_policy(read_covenant(text), False)
    except UnreadableCovenant:
        return True
    return False


def test_covenants_come_back_in_the_fields_of_the_data_set() -> None:
    given = [json.loads(line) for line in DEV.read_text().splitlines()]
    by_name, piped = run("covenant", "--jsonl", str(DEV)), run("covenant", "--jsonl", stdin=DEV.read_text())
    assert by_name.returncode == piped.returncode == 0
    assert by_name.stdout == piped.stdout
    answers = [json.loads(line) for line in by_name.stdout.splitlines()]
    assert len(answers) == len(given) == 60
    for line, answer in zip(given, answers, strict=True):
        assert list(answer) == [*line, "parsed", *(["refusal"] if is_refused(line["text"]) else [])]
        assert {name: answer[name] for name in line} == line
        assert list(answer["parsed"]) == list(line["expected"])
        assert answer["parsed"] == read_covenant(line["text"]).to_fields()


def test_what_stands_in_a_line_stays_as_it_was_written() -> None:
    line = '{"n":1.00,"big":123456789012345678901234567890,"text":"hi \\u00e9","nest":{"a":[1, 2]},"\\u006b":null}'
    answer = run("classify", "--jsonl", stdin=f"\ufeff{line}\r\n").stdout
    assert answer.startswith(line[:-1] + ',"score":')


def test_a_member_of_the_same_name_is_replaced_where_it_stands() -> None:
    answer = run("classify", "--jsonl", stdin='{"task":"old","text":"hi"}\n').stdout
    assert list(json.loads(answer)) == [
        *("task", "text", "score", "complexity", "expected_output_tokens", "domain", "personal_data", "engine")
    ]
    assert json.loads(answer)["task"] != "old"


BAD_LINES = [
    ("nope", "not valid JSON"),
    ("[1]", "JSON"),
    ('{"text":"a","text":"b"}', "duplicate"),
    ("{}", '"text"'),
    ('{"text":3}', '"text"'),
    ('{"text":null}', '"text"'),
]


@pytest.mark.parametrize("command", [("covenant",), ("classify",), ("route", "--offline")], ids=lambda words: words[0])
@pytest.mark.parametrize(("line", "words"), BAD_LINES)
def test_a_bad_line_is_told_and_the_others_are_served(command: tuple[str, ...], line: str, words: str) -> None:
    result = invoke(*command, "--jsonl", stdin=f'{{"text":"a"}}\n\n{line}\n{{"text":"b"}}\n')
    assert result.exit_code == 1
    first, bad, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert "error" not in {*first, *last}
    assert (first["text"], last["text"]) == ("a", "b")
    assert words in bad["error"]
    assert result.stderr.startswith("harpoon: standard input:3: ")
    assert words in result.stderr


def test_files_are_named_with_their_lines(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text('{"text":"a"}')
    bad.write_text('\n{"text":"b"}\n{"txt":"c"}\n')
    result = run("classify", "--jsonl", str(good), str(bad))
    assert result.returncode == 1
    assert [json.loads(line).get("text") for line in result.stdout.splitlines()] == ["a", "b", None]
    assert f"{bad}:3: " in result.stderr
    missing = run("classify", "--jsonl", str(good), str(tmp_path / "none"))
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "can't be read" in missing.stderr


def test_nothing_in_gives_nothing_out() -> None:
    for text in ("", "\n\n"):
        result = run("covenant", "--jsonl", stdin=text)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_route_reads_what_is_asked_from_each_line() -> None:
    lines = [
        {"text": "What is a vGPU?"},
        {"text": "What is a vGPU?", "covenant": {"priority": "max_security"}},
        {"messages": [{"role": "user", "content": "hi"}], "model": "qwen3-30b-a3b"},
        {"text": "What is a vGPU?", "covenant": {"budget_usd": 0}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    result = invoke("route", "--offline", "--jsonl", "--covenant", '{"priority": "cost_optimized"}', stdin=text)
    assert result.exit_code == 0
    routes = [json.loads(line)["route"] for line in result.stdout.splitlines()]
    assert [route and route.rpartition("@")[2] for route in routes] == ["shared-8x", "private-1x", "shared-8x", None]
    assert "qwen3-30b-a3b" in routes[2]


def test_each_answer_leaves_before_the_next_line_is_read_and_control_c_is_quiet() -> None:
    process = subprocess.Popen(
        [str(HARPOON), "covenant", "--jsonl"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for number in range(3):
        process.stdin.write(b'{"text":"under 2 dollars","n":%d}\n' % number)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["n"] == number
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=RUN_S)
    assert (process.returncode, complaint) == (130, b"")


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    process = subprocess.Popen(
        [str(HARPOON), "classify", "--jsonl"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, complaint = process.communicate(b'{"text":"x"}\n' * 10_000, timeout=RUN_S)
    assert (process.returncode, complaint) == (141, b"")
