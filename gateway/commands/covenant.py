"""`harpoon covenant`: what a covenant's words are read as, worked out here, without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.options import Json, Jsonl, Token, Words, covenant_value, text_of
from gateway.failure import NO, CommandFailed
from gateway.output import Cell, Column, complain, on_terminal, write_json, write_line, write_styled, write_table

if TYPE_CHECKING:
    from worker.covenant.reading import Clause, Reading
    from worker.strict_json import JsonObject

covenant_cli = typer.Typer(add_completion=False)
FLAGGED = "underline red"
#: What became of a clause that does not stand, where it was not replaced.
_FATE = {"unread": "not kept"}


@covenant_cli.command(
    epilog="Example: `harpoon covenant '$2 budget, 30s timeout, high security'` (single quotes keep the shell's hands"
    " off the dollar sign), `harpoon covenant '{\"budget_usd\": 2}'`\n\n"
    "Batch: `harpoon covenant --jsonl covenants.jsonl > read.jsonl` adds `parsed` to each object that has a `text`, and"
    " `refusal` if it would be refused."
)
def covenant(
    words: Words = None,
    jsonl: Jsonl = False,
    as_json: Json = False,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Leave out what can't be read instead of refusing it.")
    ] = False,
    url: Annotated[
        str, typer.Option("--url", help="Where a covenant's id is looked up; words need no server.", show_default=False)
    ] = "",
    token: Token = "",
) -> None:
    """Read a covenant: each limit with the words it came from, and the GPU pool it maps to.

    It may be words or a JSON object; the id of a stored covenant is looked up at --url. Exit status: 0 it would be
    served, 1 it would be refused (with --jsonl: a line could not be read). Without an id no server is asked.
    """
    if jsonl:
        from gateway.commands.batch import run_batch

        raise typer.Exit(run_batch(words, lambda line: _members(line, lenient), "covenants read"))
    text = text_of(words, "harpoon covenant '$2 budget, 30s timeout'")
    if _names_stored(text):
        _show_stored(text.strip(), url, token, as_json)
        return
    answer, reading = _parsed(text, lenient)
    if as_json:
        write_json(answer)
    else:
        show(answer, reading)
    if not answer["served"]:
        if not as_json:
            complain(f"refused: {answer['refusal']}")
        raise typer.Exit(NO)


def _names_stored(text: str) -> bool:
    """Whether a text is the id of a stored covenant instead of a covenant."""
    from worker.covenant.requested import FROM_PROMPT, names_a_covenant

    return names_a_covenant(text) and text.strip() != FROM_PROMPT


def _show_stored(covenant_id: str, url: str, token: str, as_json: bool) -> None:
    """A stored covenant, asked for where it is. Raises: CommandFailed, also if it isn't said where."""
    if not url:
        raise CommandFailed(
            f"{covenant_id} is the id of a stored covenant, which only its server knows: say --url, or"
            f" `harpoon covenants show {covenant_id}`"
        )
    from gateway.address import server_url
    from gateway.commands.covenants import show_stored

    show_stored(server_url(url), token, covenant_id, as_json)


def _members(line: JsonObject, lenient: bool) -> Mapping[str, str]:
    from gateway.commands.batch import text_member
    from worker.compact_json import plain_numbers
    from worker.covenant.reader import read_covenant
    from worker.covenant.served import served_policy
    from worker.errors import UnreadableCovenant

    reading = read_covenant(text_member(line))
    members = {"parsed": plain_numbers(json.dumps(reading.to_fields()))}
    try:
        served_policy(reading, lenient)
    except UnreadableCovenant as problem:
        members["refusal"] = json.dumps(problem.message, ensure_ascii=False)
    return members


def _parsed(text: str, lenient: bool) -> tuple[dict[str, Any], Reading]:
    """What POST /v2/covenant/parse answers, and the reading it tells of. Raises: CommandFailed."""
    from gateway.commands.offline import local_settings
    from worker.api.covenants import explain_object, explain_words
    from worker.covenant.reader import read_covenant
    from worker.covenant.reading import Reading
    from worker.errors import HarpoonError
    from worker.routing.pool_choice import pool_choice
    from worker.strict_json import JsonLimits, parse_decimal_json

    try:
        if isinstance(covenant_value(text), str):
            answer, reading = explain_words(text, lenient), read_covenant(text)
        else:
            given = parse_decimal_json(text.strip(), JsonLimits())
            answer = explain_object(given, lenient)
            reading = Reading(text, answer["priority_of"])
    except HarpoonError as problem:
        raise CommandFailed(problem.message, NO) from problem
    priority = answer.pop("priority_of").effective_priority
    pool = pool_choice(local_settings().configuration.catalogue, priority)
    return {**answer, "pool": pool}, reading


def show(answer: dict[str, Any], reading: Reading) -> None:
    """A reading for a person: the words with what is refused marked, each limit with its words, and the pool."""
    text, clauses = reading.text, reading.clauses
    flags = [clause for clause in clauses if clause.field in ("flags", "unread")]
    if on_terminal():
        write_styled(text, [(clause.start, clause.end, FLAGGED) for clause in flags])
    else:
        write_line(text)
        if flags and "\n" not in text:
            write_line(underline(len(text), flags))
    write_line()
    rows = [_row(reading, clause) for clause in clauses]
    said = [] if clauses else fields_of(reading.to_fields())
    if rows:
        write_table((Column("field"), Column("value"), Column("from the words")), rows)
    elif said:
        write_table((Column("field"), Column("value")), said)
    else:
        write_line("no limit is set")
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


def fields_of(policy: dict[str, Any]) -> list[tuple[str, str]]:
    """What a policy sets, by its fields; what it leaves open is left out."""
    from worker.compact_json import plain_numbers

    told = {name: value for name, value in policy.items() if value not in (None, [])}
    return [
        (name, value if isinstance(value, str) else plain_numbers(json.dumps(value, ensure_ascii=False)))
        for name, value in told.items()
    ]


def _row(reading: Reading, clause: Clause) -> tuple[str, Cell, Cell]:
    value = clause.value if clause.stands else f"{clause.value} ({_FATE.get(clause.field, 'replaced')})"
    style = FLAGGED if clause.field == "flags" else "" if clause.stands else "dim"
    return clause.field, Cell(value, "red" if clause.field == "flags" else style), Cell(reading.words_of(clause), style)


def underline(length: int, clauses: list[Clause]) -> str:
    """A line of marks under the words of some clauses."""
    marks = [" "] * length
    for clause in clauses:
        marks[clause.start : clause.end] = "^" * (clause.end - clause.start)
    return "".join(marks).rstrip()
