"""Labelled covenants, those for developers and those written for the project: every field, every flag, every line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from worker.covenant.reader import read_covenant

DATA = Path(__file__).parents[2] / "data"
LINES = [json.loads(line) for line in (DATA / "covenants_dev.jsonl").read_text(encoding="utf-8").splitlines()]
WRITTEN = [json.loads(line) for line in (DATA / "covenants_written.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("line", LINES, ids=lambda line: str(line["id"]))
def test_every_field_is_read(line: dict[str, Any]) -> None:
    fields = read_covenant(line["text"]).to_fields()
    assert {**fields, "flags": []} == {**line["expected"], "flags": []}


@pytest.mark.parametrize("line", LINES, ids=lambda line: str(line["id"]))
def test_every_flag_is_raised(line: dict[str, Any]) -> None:
    assert read_covenant(line["text"]).to_fields()["flags"] == line["expected"]["flags"]


def test_all_sixty_are_there() -> None:
    assert len({line["id"] for line in LINES}) == 60


@pytest.mark.parametrize("line", WRITTEN, ids=lambda line: str(line["id"]))
def test_every_written_covenant_is_read(line: dict[str, Any]) -> None:
    assert read_covenant(line["text"]).to_fields() == line["expected"]


def test_all_that_were_written_are_there_once() -> None:
    assert len({line["id"] for line in WRITTEN}) == len({line["text"] for line in WRITTEN}) == len(WRITTEN) == 1166
