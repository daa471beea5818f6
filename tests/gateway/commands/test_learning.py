"""`harpoon learn`: what helps may be switched on and is then served; what doesn't help, or isn't whole, is refused."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from gateway.app import load_scorer
from gateway.settings import read_settings
from tests.gateway.commands.command_kit import invoke, told
from tests.serving import serving
from wasm_classifier.reference import MODEL_VERSION
from worker.classification import CorrectedScorer
from worker.errors import SettingsError

LAW = "the plaintiff sued the defendant in court over clause {}"
CELLS = "the enzyme copies dna in cell number {} before mitosis starts, as the lab report says"


def office(count: int, law_fails: float = 0.9) -> list[dict[str, Any]]:
    """The small model fails on law, the larger never."""
    chance = random.Random(1)
    lines = []
    for number in range(count):
        is_law = chance.random() < 0.5
        small = chance.random() >= (law_fails if is_law else 0.1)
        lines.append({"text": (LAW if is_law else CELLS).format(number), "small": small, "large": True})
    return lines


def written(path: Path, lines: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_what_helps_is_reported_written_and_served(tmp_path: Path) -> None:
    outcomes, out = written(tmp_path / "outcomes.jsonl", office(800)), tmp_path / "correction.json"
    shown = invoke("learn", outcomes)
    assert shown.exit_code == 0, shown.output
    assert "better by more than its standard error" in shown.stdout
    assert "the prompt's length alone" in shown.stdout
    assert not out.exists()
    enabled = invoke("learn", outcomes, "--out", str(out), "--enable")
    assert f"HARPOON_CORRECTION={out} harpoon serve" in enabled.stdout
    told_of = json.loads(invoke("learn", outcomes, "--json").stdout)
    assert told_of["after_ppm"] > 700_000 > told_of["before_ppm"]
    assert (told_of["is_better"], told_of["switched_on"], told_of["texts"]) == (True, False, 800)

    law = LAW.format(1)
    plain, learned = (
        json.loads(invoke("classify", "--json", law, **settings).stdout)
        for settings in ({}, {"HARPOON_CORRECTION": str(out)})
    )
    assert learned["score"] > 2 * plain["score"]
    assert learned["engine"] == told_of["model_version"] != plain["engine"] == MODEL_VERSION
    assert "(what was learned)" in invoke("classify", law, "--correction", str(out)).stdout
    offline = json.loads(invoke("route", "--offline", "--json", law, HARPOON_CORRECTION=str(out)).stdout)
    assert offline["classification"]["model_version"] == told_of["model_version"]
    with serving(tmp_path / "state", HARPOON_CORRECTION=str(out)) as server:
        found = json.loads(invoke("route", "--json", law, HARPOON_URL=server.base).stdout)
    assert found["classification"]["model_version"] == told_of["model_version"]


def test_what_does_not_help_is_never_switched_on(tmp_path: Path) -> None:
    outcomes, out = written(tmp_path / "outcomes.jsonl", office(200, law_fails=0.1)), tmp_path / "correction.json"
    result = invoke("learn", outcomes, "--out", str(out), "--enable")
    assert result.exit_code == 1
    assert "not better than chance could make it" in result.stdout
    assert "not switched on: a server refuses it" in result.stdout
    with pytest.raises(SettingsError, match=r"HARPOON_CORRECTION.*it is not switched on"):
        read_settings({"HARPOON_CORRECTION": str(out)}, {}, None)
    told(invoke("classify", "hi", "--correction", str(out)), 2, "it is not switched on")


async def test_the_settings_carry_a_correction_on_both_hosts(tmp_path: Path) -> None:
    outcomes, out = written(tmp_path / "outcomes.jsonl", office(800)), tmp_path / "correction.json"
    assert invoke("learn", outcomes, "--out", str(out), "--enable").exit_code == 0
    text = out.read_text()
    by_file = read_settings({"HARPOON_CORRECTION": str(out)}, {}, None).configuration.correction
    by_text = read_settings({"HARPOON_CORRECTION_JSON": text}, {}, None).configuration.correction
    assert by_file == by_text is not None
    assert len(text) < 5_000  # what a variable of a Worker may hold
    scorer = await load_scorer(correction=by_text)
    assert isinstance(scorer, CorrectedScorer)
    await scorer.load()
    assert scorer.score(b"\xff\x00").complexity == "simple"
    tampered = json.dumps({**json.loads(text), "deviations": [1] * 25})
    with pytest.raises(SettingsError, match=r"HARPOON_CORRECTION_JSON: .*changed since"):
        read_settings({"HARPOON_CORRECTION_JSON": tampered}, {}, None)
    with pytest.raises(SettingsError, match="can't be read"):
        read_settings({"HARPOON_CORRECTION": str(tmp_path / "none")}, {}, None)


def test_recorded_decisions_say_which_model_answered_and_what_was_asked_again(tmp_path: Path) -> None:
    with serving(tmp_path / "state") as server:
        at = {"HARPOON_URL": server.base}
        for text in ("first", "second", "second"):
            assert invoke("ask", text, "--model", "simulator/llama-3.1-8b-instruct", **at).exit_code == 0
        recorded = invoke("decisions", "--jsonl", **at).stdout
        ids = [json.loads(line)["id"] for line in recorded.splitlines()]
        lines = [{"text": text, "decision": one} for text, one in zip(("first", "second"), ids, strict=False)]
        outcomes = written(tmp_path / "outcomes.jsonl", [*lines, {"text": "third", "decision": "dec_0"}])
        asked = invoke("learn", outcomes, **at)
    (tmp_path / "decisions.jsonl").write_text(recorded)
    read = invoke("learn", outcomes, "--decisions", str(tmp_path / "decisions.jsonl"))
    for result in (asked, read):
        told(result, 2, "100 different texts are needed, there are 2", "1 lines whose decision is not among those read")


def test_what_cant_be_learned_from_is_said_in_a_sentence(tmp_path: Path) -> None:
    told(invoke("learn", "--enable", stdin=""), 2, "--enable needs --out")
    told(invoke("learn", stdin=""), 2, "there are 0")
    told(invoke("learn", stdin='{"text":"a","small":true}\n{"text"\n'), 2, "standard input:2:")
    told(invoke("learn", stdin='{"text":"a"}\n'), 2, "outcome 1: it needs small, large, decision or route")
    told(invoke("learn", str(tmp_path / "none.jsonl")), 2, "can't be read")
    outcomes = written(tmp_path / "outcomes.jsonl", office(800))
    told(invoke("learn", outcomes, "--out", str(tmp_path / "no" / "c.json")), 2, "can't be written")
