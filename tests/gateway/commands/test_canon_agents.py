"""`harpoon canon interference` and `harpoon canon ttv`: judged offline, shown from a server, proposed to its canon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.commands.command_kit import invoke, told
from tests.serving import serving
from tests.worker.canon.store_kit import TRIALS, new_item, waiting_for

POOL = {"resources": {"gpu": {"capacity": 2}}}
VICTIM = {"agentId": "victim", "id": "serve", "work_us": 10, "uses": {"gpu": 1}}


def action(agent: str, **uses: int) -> dict[str, Any]:
    return {"agentId": agent, "id": "train", "work_us": 10, "uses": uses or {"gpu": 1}}


def case(path: Path, *actions: dict[str, Any], **more: Any) -> str:
    path.write_text(json.dumps({**POOL, "commitments": [VICTIM], "actions": list(actions), **more}))
    return str(path)


def test_a_case_is_judged_alone_in_turn_and_jointly(tmp_path: Path) -> None:
    file = case(tmp_path / "case.json", action("first"), action("second"))
    result = invoke("canon", "interference", file, "--joint")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["first", "train", "admitted", "admitted"]
    assert "denied: delays first by 5 us, victim by 5 us" in lines[2]
    assert lines[-1] == "taken at once by first and second, they delay victim by 5 us; no smaller set does"
    plain = json.loads(invoke("canon", "interference", file, "--joint", "--json").stdout)
    assert plain["smallest_coalition"]["agents"] == ["first", "second"]
    assert [one["alone"]["denials"] for one in plain["actions"]] == [[], []]
    calm = invoke("canon", "interference", case(tmp_path / "calm.json", action("first")), "--joint")
    assert (calm.exit_code, calm.stdout.splitlines()[-1]) == (
        0,
        "no set of these actions, taken at once, delays anybody else",
    )
    unknown = invoke("canon", "interference", case(tmp_path / "disk.json", action("first", disk=1)))
    assert (unknown.exit_code, "denied: unknown:disk" in unknown.stdout) == (1, True)
    granted = case(tmp_path / "granted.json", action("first"), action("second"), eps_us=5)
    assert invoke("canon", "interference", granted, "--joint").exit_code == 0


def test_a_case_that_can_not_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"resources": {"gpu": {"capacity": 0}}}')
    told(invoke("canon", "interference", str(wrong)), 2, "resources.gpu.capacity must be a whole number")
    told(invoke("canon", "interference", str(tmp_path / "none")), 2, "none")
    told(invoke("canon", "interference", "--joint"), 2, "--joint wants the file of a case")
    twice = case(tmp_path / "twice.json", action("first"), action("first"))
    told(invoke("canon", "interference", twice, "--joint"), 2, "of no agent two")


def test_the_evidence_of_a_judgement_is_a_case(tmp_path: Path) -> None:
    found = {"own_us": 15, "effects": [], "denials": [], "selected": "train"}
    file = case(tmp_path / "evidence.json", action("first"), **found)
    assert invoke("canon", "interference", file).exit_code == 0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("agents") / "state") as server:
        yield server.base


def test_the_state_of_a_server_is_shown(url: str) -> None:
    empty = invoke("canon", "interference", "--url", url)
    assert "no CANON item of yours describes a resource" in empty.stdout
    with httpx.Client(base_url=url) as client:
        resource = new_item("gpu", kind="table", content={"resource": {"capacity": 2}})
        client.post("/api/canon/items", json=resource)
        client.post("/api/canon/promote", json={"itemId": "gpu", "evidenceRefs": ["entry:0"]})
        shown = {"itemId": "gpu", "trials": TRIALS, "scenarios": [waiting_for("gpu")]}
        assert client.post("/api/canon/promote", json=shown).json()["outcome"] == "ALLOW"
        work = {key: value for key, value in VICTIM.items() if key != "agentId"}
        client.post("/api/canon/non-interference", json={"agentId": "victim", "action": work})
    lines = invoke("canon", "interference", "--url", url).stdout.splitlines()
    assert lines[1].split() == ["gpu", "shared", "2"]
    assert lines[4].split()[:6] == ["victim", "serve", "gpu", "1", "10", "0"]
    found = json.loads(invoke("canon", "interference", "--url", url, "--json").stdout)
    assert found["commitments"][0]["expected_ttv_us"] == 10
    with httpx.Client(base_url=url) as client:
        client.post("/api/canon/items", json={"act": "demote", "id": "gpu", "reason": "measured wrongly"})
    shown = invoke("canon", "interference", "--url", url).stdout
    assert "no CANON item of yours describes a resource" in shown
    # Who holds what is described no more is in everybody's way until it settles.
    assert next(line for line in shown.splitlines() if line.startswith("victim")).split()[4] == "never"


def decision(number: int, elapsed_us: int, outcome: str = "success", cause: str = "ok", **told: Any) -> dict[str, Any]:
    route = told.pop("route", "alpha/m@solo")
    attempts = [{"route": route, "cause": cause, "status": 200, "elapsed_us": elapsed_us}]
    return {
        "object": "decision",
        "id": f"dec_{number:032x}",
        "at_us": 1_000_000_000 + number,
        "decision_digest": f"{number:064x}",
        "attempts": attempts,
        "candidates": [{"route": route, "ttv_us": 2_000_000, "ratio_ppm": 500_000}],
        "outcome": {"outcome": outcome, "elapsed_us": elapsed_us, **told},
    }


def test_times_are_estimated_with_those_cut_short(tmp_path: Path) -> None:
    known = [decision(n, 4_000_000) for n in range(3)] + [decision(9, 1_000_000, "user_terminated")]
    ignored = [{**decision(10, 1), "outcome": None}, decision(11, 1, cached=True)]
    late = decision(12, 4_000_000, intent_at_us=1_000_000_012 - 6_000_000)
    file = tmp_path / "decisions.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in [*known, *ignored]))
    report = json.loads(invoke("canon", "ttv", "--from", str(file), "--json").stdout)
    (route,) = report["routes"]
    # The one that left after a second would have been as slow as the others; the naive mean takes it for fast.
    assert (route["estimate"]["mean_us"], route["estimate"]["naive_us"]) == (4_000_000, 3_250_000)
    assert (route["estimate"]["samples"], route["estimate"]["reached"]) == (4, 3)
    assert (route["predicted_us"], route["catalogue_us"], route["ratio_ppm"]) == (2_000_000, 4_000_000, 1_000_000)
    assert (report["told"], report["sessions"]["mean_us"]) == (4, 4_000_000)
    shown = invoke("canon", "ttv", "--from", str(file), "--groups", "2")
    assert shown.exit_code == 0, shown.output
    line = next(line for line in shown.stdout.splitlines() if line.startswith("alpha"))
    assert line.split() == ["alpha/m@solo", "4", "3", "4.000", "4.000", "to", "4.000", "3.250", "2.000", "2.00"]
    file.write_text(json.dumps(late) + "\n")
    report = json.loads(invoke("canon", "ttv", "--from", str(file), "--json").stdout)
    assert report["sessions"]["mean_us"] == 10_000_000
    assert report["routes"][0]["estimate"]["mean_us"] == 4_000_000
    file.write_text(json.dumps({**late, "candidates": 7}) + "\n")
    told(invoke("canon", "ttv", "--from", str(file)), 2, "decision 1 is not what")
    told(invoke("canon", "ttv", "--from", str(file), "--propose"), 2, "--propose wants a server")
    file.write_text(json.dumps(decision(1, -5)) + "\n")
    told(invoke("canon", "ttv", "--from", str(file)), 2, "-5 us is no time a session takes")
    # Two exports that overlap tell of one session once.
    file.write_text("".join(json.dumps(one) + "\n" for one in [*known, *known[:2]]))
    again = json.loads(invoke("canon", "ttv", "--from", str(file), "--json").stdout)
    assert (again["told"], again["routes"][0]["estimate"]) == (4, route["estimate"])
    file.write_text("")
    assert "no session was served yet" in invoke("canon", "ttv", "--from", str(file)).stdout


def test_what_was_measured_is_proposed_and_rules_only_once_it_is_canon(url: str) -> None:
    ask = {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}], "max_tokens": 20}
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(3):
            assert client.post("/v1/chat/completions", json=ask).status_code == 200
        few = invoke("canon", "ttv", "--propose", "--url", url)
        assert "too few" in few.stderr, few.output
        made = invoke("canon", "ttv", "--propose", "--least", "3", "--url", url)
        assert "at EVIDENCE" in made.stderr, made.output
        name = next(word for word in made.stderr.split() if word.startswith("ttv:"))
        item = client.get("/api/canon/items", params={"kind": "model"}).json()["data"][0]
        assert (item["id"], item["level"], item["provenance"]["source"]) == (name, "EVIDENCE", "prod")
        content = json.loads(invoke("canon", "show", name, "--url", url, "--json").stdout)["item"]["content"]["ttv"]
        assert (content["samples"], content["reached"]) == (3, 3)
        assert name.startswith(f"ttv:{content['route']}:{content['decisions'][:8]}")
