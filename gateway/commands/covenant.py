"""`harpoon covenant`: what a covenant's words are read as, worked out here, without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.options import Json, Jsonl, Words, text_of
from gateway.failure import NO, CommandFailed
from gateway.output import Cell, Column, complain, on_terminal, write_json, write_line, write_styled, write_table

if TYPE_CHECKING:
    from worker.covenant.reading import Clause, Reading
    from worker.strict_json import JsonObject

covenant_cli = typer.Typer(add_completion=False)
FLAGGED = "underline red"


@covenant_cli.command(
    epilog="Example: `harpoon covenant '$2 budget, 30s timeout, high security'` (single quotes keep the shell's hands"
    " off the dollar sign)\n\n"
    "Batch: `harpoon covenant --jsonl covenants.jsonl > read.jsonl` adds `parsed` to each object that has a `text`."
)
def covenant(
    words: Words = None,
    jsonl: Jsonl = False,
    as_json: Json = False,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Leave out what can't be read instead of refusing it.")
    ] = False,
) -> None:
    """Read a covenant in words: each limit with the words it came from, and the GPU pool it maps to.

    Exit status: 0 it would be served, 1 it would be refused (with --jsonl: a line could not be read). No server is
    asked.
    """
    if jsonl:
        from gateway.commands.batch import run_batch

        raise typer.Exit(run_batch(words, _members, "covenants read"))
    text = text_of(words, "harpoon covenant '$2 budget, 30s timeout'")
    answer, reading = _parsed(text, lenient)
    if as_json:
        write_json(answer)
    else:
        show(answer, reading)
    if not answer["served"]:
        if not as_json:
            complain(f"refused: {answer['refusal']}")
        raise typer.Exit(NO)


def _members(line: JsonObject) -> Mapping[str, str]:
    from gateway.commands.batch import text_member
    from worker.covenant.reader import read_covenant

    return {"parsed": json.dumps(read_covenant(text_member(line)).to_fields())}


def _parsed(text: str, lenient: bool) -> tuple[dict[str, Any], Reading]:
    """What POST /v2/covenant/parse answers, and the reading it tells of. Raises: CommandFailed."""
    from gateway.commands.offline import local_settings
    from worker.api.covenants import explain_words
    from worker.covenant.reader import read_covenant
    from worker.errors import UnreadableCovenant
    from worker.routing.pool_choice import pool_choice

    try:
        answer = explain_words(text, lenient)
    except UnreadableCovenant as problem:
        raise CommandFailed(problem.message, NO) from problem
    priority = answer.pop("priority_of").effective_priority
    pool = pool_choice(local_settings().configuration.catalogue, priority)
    return {**answer, "pool": pool}, read_covenant(text)


def show(answer: dict[str, Any], reading: Reading) -> None:
    """A reading for a person: the words with what is refused marked, each limit with its words, and the pool."""
    text, clauses = reading.text, reading.clauses
    flags = [clause for clause in clauses if clause.field == "flags"]
    if on_terminal():
        write_styled(text, [(clause.start, clause.end, FLAGGED) for clause in flags])
    else:
        write_line(text)
        if flags and "\n" not in text:
            write_line(underline(len(text), flags))
    write_line()
    rows = [_row(reading, clause) for clause in clauses]
    if rows:
        write_table((Column("field"), Column("value"), Column("from the words")), rows)
    else:
        write_line("these words set no limit")
    write_line()
    if answer["served"]:
        write_line(_pool_text(answer["pool"]))
    for warning in answer["warnings"]:
        write_line(f"note  {warning}")


def _pool_text(pool: dict[str, Any] | None) -> str:
    if pool is None:
        return "pool  none: the catalogue has no pool that this priority admits"
    others = ", then ".join(other["pool"] for other in pool["alternatives"])
    return (
        f"pool  {pool['pool']}: {pool['scheduling']} scheduling, optimised for {pool['optimisation']},"
        f" {pool['guaranteed_share_percent']} % guaranteed; {f'then {others}' if others else 'no other will do'}"
    )


def _row(reading: Reading, clause: Clause) -> tuple[str, Cell, Cell]:
    value = clause.value if clause.stands else f"{clause.value} (replaced)"
    style = FLAGGED if clause.field == "flags" else "" if clause.stands else "dim"
    return clause.field, Cell(value, "red" if clause.field == "flags" else style), Cell(reading.words_of(clause), style)


def underline(length: int, clauses: list[Clause]) -> str:
    """A line of marks under the words of some clauses."""
    marks = [" "] * length
    for clause in clauses:
        marks[clause.start : clause.end] = "^" * (clause.end - clause.start)
    return "".join(marks).rstrip()
