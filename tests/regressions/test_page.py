"""docs/regressions.md names each item of the list, and every test of the files it names exactly once."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "regressions.md"
#: Words by which each item of the list is known, in its order.
ITEMS = (
    "bypass a budget",
    "unknown user",
    "end users' budgets",
    "dearer model",
    "no budget is set",
    "which budget blocked",
    "disconnects",
    "rows are dropped",
    "usage chunk",
    "before the first chunk",
    "minor release",
    "split across chunks",
    "why a route was chosen",
    "can't be replayed",
    "memory",
    "cold start",
)


def rows() -> list[list[str]]:
    """What happens elsewhere, what holds here, and the tests, of each row."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def named_in(cell: str) -> set[tuple[str, str]]:
    """(file, test) for each test that a row names."""
    file, *names = re.findall("`([a-z_.]+)`", cell)
    return {(file, name) for name in names}


def found_in(file: str) -> set[tuple[str, str]]:
    """Every test of a file."""
    body = ast.parse((FOLDER / file).read_text(encoding="utf-8")).body
    names = [one.name for one in body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {(file, name) for name in names if name.startswith("test_")}


def test_every_item_has_its_row() -> None:
    told = [row[0] for row in rows()]
    assert len(told) == len(ITEMS)
    assert [words for words, what in zip(ITEMS, told, strict=True) if words not in what] == []


def test_every_row_names_tests_that_are_there_and_every_test_has_a_row() -> None:
    named = [named_in(row[2]) for row in rows()]
    assert all(named)
    assert sum(map(len, named)) == len(set().union(*named))
    told = set().union(*named)
    assert told == set().union(*(found_in(file) for file, _ in told))
