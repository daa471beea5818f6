"""`harpoon classify`: how hard a text is for a small model, worked out here, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.options import Json, Jsonl, Words, text_of
from gateway.failure import CommandFailed
from gateway.output import Cell, Column, write_fields, write_json, write_line, write_table

if TYPE_CHECKING:
    from wasm_classifier.reference import Score

classify_cli = typer.Typer(add_completion=False)
#: Figures shown of those that speak for difficulty or for a kind of task.
FEATURES_SHOWN = 8
_STYLES = {"simple": "green", "moderate": "yellow", "complex": "red"}


@classify_cli.command(
    epilog='Example: `harpoon classify "Prove that there are infinitely many primes."`\n\n'
    "Batch: `harpoon classify --jsonl prompts.jsonl > scored.jsonl` reads a member `text` from each line."
)
def classify(
    words: Words = None,
    jsonl: Jsonl = False,
    as_json: Json = False,
    correction: Annotated[
        Path | None,
        typer.Option(
            help="A correction written by `harpoon learn --enable`.", envvar="HARPOON_CORRECTION", show_default=False
        ),
    ] = None,
) -> None:
    """Say how hard a text is: simple, moderate or complex, which kind of task, and how long its answer will be.

    The score is the chance that a small model fails, by the rule that the gateway decides with. No server is asked.
    """
    score_text = _scorer(correction)
    if jsonl:
        from gateway.commands.batch import run_batch, text_member

        raise typer.Exit(run_batch(words, lambda line: _plain(score_text(text_member(line))), "classifying"))
    text = text_of(words, 'harpoon classify "What is a vGPU?"')
    score = score_text(text)
    if as_json:
        write_json(json.loads("{" + ",".join(f'"{name}":{value}' for name, value in _plain(score).items()) + "}"))
        return
    _show(text, score)


def _scorer(correction: Path | None) -> Callable[[str], Score]:
    """What scores a text. Raises: CommandFailed for a correction that can't be used."""
    if correction is None:
        from wasm_classifier.reference import classify as score

        return lambda text: score(text.encode("utf-8", "surrogatepass"))
    from wasm_classifier.correction import CorrectionError, classify_corrected, from_plain
    from worker.errors import HarpoonError
    from worker.strict_json import parse_json

    try:
        learned = from_plain(parse_json(correction.read_bytes()))
    except OSError as problem:
        raise CommandFailed(f"{correction} can't be read: {problem.strerror}") from problem
    except (CorrectionError, HarpoonError) as problem:
        raise CommandFailed(f"{correction}: {problem}") from problem
    version = learned.model_version
    return lambda text: classify_corrected(learned, text.encode("utf-8", "surrogatepass"), version)


def _plain(score: Score) -> dict[str, str]:
    """Members of the answer as JSON text; the score is exact to a millionth."""
    from worker.money import usd_text

    return {
        "score": usd_text(score.p_small_fails_ppm),
        "complexity": json.dumps(score.complexity),
        "task": json.dumps(score.task),
        "expected_output_tokens": str(score.expected_output_tokens),
        "domain": json.dumps(score.domain),
        "personal_data": json.dumps(score.personal_data),
        "engine": json.dumps(score.model_version),
    }


def _show(text: str, score: Score) -> None:
    from wasm_classifier.features import extract
    from wasm_classifier.reference import COMPLEX_FROM_PPM, MODERATE_FROM_PPM, P_FLOOR, p_small_fails_ppm, terms
    from worker.money import usd_text

    bounds = f"moderate from {usd_text(MODERATE_FROM_PPM)}, complex from {usd_text(COMPLEX_FROM_PPM)}"
    write_fields(
        [
            ("complexity", Cell(score.complexity, _STYLES[score.complexity])),
            ("score", f"{usd_text(score.p_small_fails_ppm)}  ({bounds})"),
            ("task", score.task),
            ("answer", f"about {score.expected_output_tokens} tokens"),
            ("subject", score.domain),
            ("personal data", "found" if score.personal_data else "none found"),
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
    learned = score.p_small_fails_ppm - p_small_fails_ppm(features)
    if learned:
        rows.append(("(what was learned)", "", f"{'-' if learned < 0 else '+'}{usd_text(abs(learned))}"))
    write_line()
    write_table((Column("what speaks for it"), Column("found", right=True), Column("adds")), rows)
