"""docs/canon.md claims nothing that no test holds: each test it names is there, and its example is decided."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from tests.worker.canon.problem_kit import HASHER
from worker.canon.problem import read_problem
from worker.canon.resolve import resolve

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "canon.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[a-z_0-9/]+\.py)(?:::([a-z_0-9]+))?`", PAGE)))
CLAIMS = [*(f"T{number}" for number in range(1, 14)), *(f"D{number}" for number in (*range(1, 9), 13))]


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_every_test_the_page_names_is_there(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert test in functions or not test


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_has_a_row_with_its_test(claim: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {claim} |")]
    assert f"::test_{claim.lower()}_" in row


def test_the_comparison_says_of_others_only_what_was_evaluated() -> None:
    table = PAGE.partition("## Compared with others")[2]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    head, _, *rows = rows
    assert [cell.strip() for cell in head[1:]] == ["Harpoon", "AWS Step Functions", "LangChain", "AutoGPT"]
    assert len(rows) == 6
    for _, ours, *others in rows:
        assert "::test_" in ours or "no claim" in ours
        assert [cell.strip() for cell in others] == ["not evaluated"] * 3


def test_the_example_is_a_problem_with_an_answer() -> None:
    (example,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    resolution = resolve(read_problem(json.loads(example), HASHER), HASHER)
    assert resolution.selected == "ask"
    assert [verdict.reason_codes for verdict in resolution.verdicts] == [("MISSING_CANON_PREREQS",), ()]
