"""`harpoon decide` and `harpoon certificate`: problems decided here, and certificates checked without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.commands import decide
from tests.gateway.commands.command_kit import invoke, run, told
from tests.serving import serving
from tests.worker.canon.problem_kit import HASHER, candidate, item, path, posed
from worker.canon.certificate import verify_certificate
from worker.canon.certificate_form import sealed

PROBLEM = posed(candidate("fast", ttv_us=5), candidate("cheap", ttv_us=900, cost_usd_micros=0))
DENIED = posed(path("x", {"prerequisites": ["law"]}), canon=[item("law", "EVIDENCE")])


def test_a_problem_is_decided_and_told_in_words_and_in_json() -> None:
    shown = invoke("decide", stdin=json.dumps(PROBLEM))
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0] == ["selected", "fast"]
    assert lines[3:5] == [["fast", "0.000255", "-", "-"], ["cheap", "0.0011", "0.000845", "time"]]
    answer = json.loads(invoke("decide", "--json", stdin=json.dumps(PROBLEM)).stdout)
    assert answer["ranking"] == ["fast", "cheap"]
    (lost,) = answer["explanations"]
    assert sum(lost["parts"].values()) == lost["total_us"] == 845
    verify_certificate(answer["certificate"], HASHER)


def test_a_problem_without_an_admissible_candidate_says_no_and_what_would_help() -> None:
    shown = invoke("decide", "-", stdin=json.dumps(DENIED))
    assert shown.exit_code == 1
    assert "none: every candidate is denied" in shown.stdout
    assert "MISSING_CANON_PREREQS  promote law" in shown.stdout


def test_lines_in_are_lines_out_in_order_and_a_bad_one_is_told(tmp_path: Path) -> None:
    lines = [json.dumps(PROBLEM), "", '{"candidates": []}', "{", json.dumps(DENIED)]
    file = tmp_path / "problems.jsonl"
    file.write_text("\n".join(lines))
    done = run("decide", "--jsonl", str(file))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("selected", "error") for answer in answers] == ["fast", "error", "error", None]
    assert [answer["line"] for answer in answers if "error" in answer] == [3, 4]
    assert "problems.jsonl:3: weights is missing" in done.stderr
    assert done.returncode == 1
    for answer in (answers[0], answers[3]):
        verify_certificate(answer["certificate"], HASHER)
    assert answers[3]["denied"][0]["minimal_fix"] == [{"op": "promote", "subject": "law"}]


def test_a_certificate_is_checked_from_a_file_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    certificate = json.loads(invoke("decide", "--json", stdin=json.dumps(PROBLEM)).stdout)["certificate"]
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(certificate))
    holds = invoke("certificate", "verify", str(file))
    assert holds.exit_code == 0
    assert [line.split()[:2] for line in holds.stdout.splitlines()[:3]] == [
        ["certificate", "holds"],
        ["kind", "problem"],
        ["selected", "fast"],
    ]
    told(invoke("certificate", "verify", stdin=json.dumps({**certificate, "selected": "cheap"})), 1, "refused: digest")
    told(invoke("certificate", "verify", stdin="[]"), 1, "refused: kind")
    told(invoke("certificate", "verify", stdin="{"), 2, "can't be read")
    told(invoke("certificate", "verify", str(tmp_path / "none")), 2, "can't be read")


def test_the_certificate_of_a_served_request_holds_offline(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        settings = {"HARPOON_URL": server.base}
        assert run("ask", "What is a vGPU?", **settings).returncode == 0
        listed = json.loads(run("decisions", "--json", **settings).stdout)
        decision = (listed["data"] if isinstance(listed, dict) else listed)[0]
        shown = run("certificate", "show", decision["id"], **settings)
        missing = run("certificate", "show", "dec_" + "0" * 32, **settings)
    assert (missing.returncode, "no decision of yours" in missing.stderr) == (2, True)
    certificate = json.loads(shown.stdout)
    assert certificate["decision_digest"] == decision["decision_digest"]
    assert certificate["selected"] == decision["selected"]
    checked = run("certificate", "verify", stdin=shown.stdout)
    assert checked.returncode == 0, checked.stderr
    assert decision["decision_digest"] in checked.stdout


def test_lines_that_are_no_problems_are_told_each_and_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a line too long only as much is held as shows that, and the next one is the next."""
    monkeypatch.setattr(decide, "MAX_BYTES", 1_000)
    good = json.dumps(PROBLEM).encode()
    assert len(good) < 900
    lines = [
        b"\xef\xbb\xbf" + good,
        b"\xff",
        b'"\\ud800"',
        b"NaN",
        b"1e400",
        b"[" * 100,
        b"\x0c" + good,
        b'{"candidates":' * 3_000,
        b" " * 1_500,
        good.replace(b'"fast"', b'"a b"'),
        b"\t" + good + b"\r",
    ]
    file = tmp_path / "problems.jsonl"
    file.write_bytes(b"\n".join(lines))
    done = invoke("decide", "--jsonl", str(file))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("line", "decided") for answer in answers] == ["decided", 2, 3, 4, 5, 6, 7, 8, 9, 10, "decided"]
    assert done.exit_code == 1
    assert "1000 bytes" in answers[7]["error"]
    assert "candidates[0].id must be a name" in answers[9]["error"]


def test_a_file_that_is_not_there_is_told_before_anything_is_decided(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text(json.dumps(PROBLEM))
    done = invoke("decide", "--jsonl", str(file), str(tmp_path / "none"))
    assert (done.exit_code, done.stdout) == (2, "")


def test_what_a_certificate_says_can_t_steer_a_terminal(tmp_path: Path) -> None:
    certificate = json.loads(invoke("decide", "--json", stdin=json.dumps(PROBLEM)).stdout)["certificate"]
    body = {**certificate, "extra": {"\x1b[2J" + "x" * 10_000: 1}}
    forged = sealed({name: value for name, value in body.items() if name != "digest"}, HASHER)
    shown = invoke("certificate", "verify", stdin=json.dumps(forged))
    assert shown.exit_code == 1
    assert "\x1b" not in shown.stderr
    assert len(shown.stderr) < 500
