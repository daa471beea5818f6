"""`harpoon canon`: an item's whole life, told from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.commands.command_kit import invoke, told
from tests.serving import serving
from tests.worker.canon.store_kit import TRIALS, waiting_for

PROPOSED = (
    ["review-first", "--kind", "definition", "--for", "deploy"],
    ["--source", "chat", "--ref", "Monday", "--author", "ann"],
    ["--says", '{"text": "a deployment is reviewed first"}'],
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("canon") / "state") as server:
        yield server.base


def canon(url: str, *arguments: str, status: int = 0) -> str:
    result = invoke("canon", *arguments, "--url", url)
    assert result.exit_code == status, result.output
    return str(result.stdout)


def plain(url: str, *arguments: str, status: int = 0) -> Any:
    return json.loads(canon(url, *arguments, "--json", status=status))


def lines(path: Path, values: list[Any]) -> str:
    path.write_text("".join(json.dumps(value) + "\n" for value in values) + "\n")
    return str(path)


def test_an_item_rises_falls_and_leaves_a_history(url: str, tmp_path: Path) -> None:
    assert "catalogue" in canon(url, "list")
    result = invoke("canon", "propose", *PROPOSED[0], *PROPOSED[1], *PROPOSED[2], "--url", url)
    assert result.exit_code == 0, result.output
    assert "EVIDENCE" in result.stdout
    assert "ledger entry" in result.stderr
    assert "grounds" in canon(url, "promote", "review-first", status=1)
    assert "passed" in canon(url, "promote", "review-first", "--evidence", "entry:0")
    denied = canon(url, "promote", "review-first", "--to", "CANON", status=1)
    assert "INV_PROMOTION_GATE" in denied
    trials = lines(tmp_path / "trials.jsonl", TRIALS)
    scenarios = lines(tmp_path / "scenarios.jsonl", [waiting_for("review-first")])
    shown = plain(url, "promote", "review-first", "--trials", trials, "--scenarios", scenarios)
    assert (shown["outcome"], shown["item"]["level"]) == ("ALLOW", "CANON")
    assert "a deployment is reviewed first" in canon(url, "show", "review-first")
    assert "ann" in canon(url, "show", "review-first")
    assert "PROPOSED" in canon(url, "demote", "review-first", "--reason", "it let one through")
    history = canon(url, "history", "review-first")
    assert [line.split()[4] for line in history.splitlines()[1:]] == ["propose", "promote", "promote", "demote"]
    assert "it let one through" in history
    listed = plain(url, "list", "--level", "PROPOSED", "--kind", "definition")
    assert [item["id"] for item in listed["data"]] == ["review-first"]
    assert "review-first" not in canon(url, "list", "--seq", "3")
    assert plain(url, "history", "catalogue")["history"][0]["act"] == "import"
    why = canon(url, "why-not", "review-first")
    assert why.count("INV_PROMOTION_GATE") == 2
    assert "nothing of that id was denied" in canon(url, "why-not", "nobody")


def test_what_goes_wrong_is_said_in_a_sentence(url: str, tmp_path: Path) -> None:
    told(invoke("canon", "show", "no/such item", "--url", url), 2, "visible ASCII")
    told(invoke("canon", "show", "no/such#item?", "--url", url), 2, "no item of your canon")
    told(invoke("canon", "propose", *PROPOSED[0], *PROPOSED[1], "--says", "{", "--url", url), 2, "--says must be JSON")
    told(invoke("canon", "propose", *PROPOSED[0], *PROPOSED[1], "--says", "0.5", "--url", url), 2, "integer")
    told(invoke("canon", "promote", "x", "--trials", str(tmp_path / "none"), "--url", url), 2, "can't be read")
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n{\n")
    told(invoke("canon", "promote", "x", "--trials", str(broken), "--url", url), 2, "line 2: not JSON")
    told(
        invoke("canon", "supersede", "catalogue", "--by", "price_table", "--reason", "x", "--url", url), 1, "catalogue"
    )
    told(invoke("canon", "list", "--url", "http://127.0.0.1:9"), 2, "nothing answers")
