"""`harpoon classify`: how hard a text is for a small model, worked out here, without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from gateway.commands.options import Json, Jsonl, Words, text_of
from gateway.output import Cell, Column, write_fields, write_json, write_line, write_table

if TYPE_CHECKING:
    from wasm_classifier.reference import Score
    from worker.strict_json import JsonObject

classify_cli = typer.Typer(add_completion=False)
#: Figures shown of those that speak for difficulty or for a kind of task.
FEATURES_SHOWN = 8
_STYLES = {"simple": "green", "moderate": "yellow", "complex": "red"}


@classify_cli.command(
    epilog='Example: `harpoon classify "Prove that there are infinitely many primes."`\n\n'
    "Batch: `harpoon classify --jsonl prompts.jsonl > scored.jsonl` reads a member `text` from each line."
)
def classify(words: Words = None, jsonl: Jsonl = False, as_json: Json = False) -> None:
    """Say how hard a text is: simple, moderate or complex, which kind of task, and how long its answer will be.

    The score is the chance that a small model fails, by the rule that the gateway decides with. No server is asked.
    """
    if jsonl:
        from gateway.commands.batch import run_batch

        raise typer.Exit(run_batch(words, _members, "classifying"))
    text = text_of(words, 'harpoon classify "What is a vGPU?"')
    score = _score(text)
    if as_json:
        write_json(json.loads("{" + ",".join(f'"{name}":{value}' for name, value in _plain(score).items()) + "}"))
        return
    _show(text, score)


def _score(text: str) -> Score:
    from wasm_classifier.reference import classify as score

    return score(text.encode("utf-8", "surrogatepass"))


def _plain(score: Score) -> dict[str, str]:
    """Members of the answer as JSON text; the score is exact to a millionth."""
    from worker.money import usd_text

    return {
        "score": usd_text(score.p_small_fails_ppm),
        "complexity": json.dumps(score.complexity),
        "task": json.dumps(score.task),
        "expected_output_tokens": str(score.expected_output_tokens),
        "engine": json.dumps(score.model_version),
    }


def _members(line: JsonObject) -> Mapping[str, str]:
    from gateway.commands.batch import text_member

    return _plain(_score(text_member(line)))


def _show(text: str, score: Score) -> None:
    from wasm_classifier.features import extract
    from wasm_classifier.reference import COMPLEX_FROM_PPM, MODERATE_FROM_PPM, P_FLOOR, terms
    from worker.money import usd_text

    bounds = f"moderate from {usd_text(MODERATE_FROM_PPM)}, complex from {usd_text(COMPLEX_FROM_PPM)}"
    write_fields(
        [
            ("complexity", Cell(score.complexity, _STYLES[score.complexity])),
            ("score", f"{usd_text(score.p_small_fails_ppm)}  ({bounds})"),
            ("task", score.task),
            ("answer", f"about {score.expected_output_tokens} tokens"),
            ("engine", score.model_version),
        ]
    )
    features = extract(text.encode("utf-8", "surrogatepass"))
    found = sorted(terms(features), key=lambda term: -term[2])[:FEATURES_SHOWN]
    rows = [
        (
            name.replace("_", " "),
            f"{count} for {features.byte_count} bytes" if name == "effective_bytes" else str(count),
            f"+{usd_text(share)}",
        )
        for name, count, share in found
    ]
    rows.append(("(whatever the text)", "", f"+{usd_text(P_FLOOR)}"))
    write_line()
    write_table((Column("what speaks for it"), Column("found", right=True), Column("adds")), rows)
