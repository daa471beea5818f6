"""`harpoon decide`: decision problems from files, decided here with the functions the server decides with."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from gateway.commands.batch import STDIN, opened
from gateway.commands.options import Json
from gateway.failure import NO, CommandFailed
from gateway.output import Cell, Column, Row, Working, complain, write_fields, write_json, write_line, write_table

if TYPE_CHECKING:
    from worker.ports import Hasher

decide_cli = typer.Typer(add_completion=False)
#: A problem file, or a line of one, may have so many bytes.
MAX_BYTES = 64 * 1024 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@decide_cli.command(
    epilog="A problem: `"
    '{"candidates": [{"id": "a", "features": {"ttv_us": 900000, "cost_usd_micros": 40, "risk_ppm": 10000, '
    '"success_ppm": 990000}}], "weights": {"cost_us_per_usd_micro": 5000, "risk_us_per_ppm": 20, '
    '"improbability_us_per_micronat": 10}, "bounds": {"max_cost_usd_micros": 100}, "canon": []}`; docs/canon.md has '
    "every member.\n\n"
    "Exit status: 0 a candidate is selected, 1 every one is denied, 2 it can't be read. With --jsonl 0 every line "
    "poses a problem, 1 some line does not: it becomes `{line, error}`, and the next one is decided.\n\n"
    "Example: `harpoon decide problem.json`, or many: `harpoon decide --jsonl < problems.jsonl > decisions.jsonl`\n\n"
    "Check one: `harpoon decide --json problem.json | jq .certificate > c.json; harpoon certificate verify c.json`"
)
def decide(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="Where the problems are; - or nothing reads standard input."),
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One problem a line in, one decision with its certificate a line out.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Decide between candidates: the least total among those that no gate denies, with a certificate."""
    hasher = _hasher()
    if jsonl:
        raise typer.Exit(_many(files or [STDIN], hasher))
    if files and len(files) > 1:
        raise CommandFailed("one problem at a time; many go through --jsonl, one a line")
    with opened(files[0] if files else STDIN) as stream:
        # One byte more than is read: what is longer is refused without being held.
        found = decided(stream.read(MAX_BYTES + 1), hasher)
    if as_json:
        write_json(found)
    else:
        _show(found)
    raise typer.Exit(0 if found["selected"] is not None else NO)


def decided(text: bytes, hasher: Hasher) -> dict[str, Any]:
    """The decision on a problem in JSON, with its certificate. Raises: CommandFailed."""
    from worker.canon.certificate import certificate_of
    from worker.canon.explain import decision_to_plain
    from worker.canon.problem import read_problem
    from worker.canon.resolve import resolve
    from worker.errors import HarpoonError
    from worker.strict_json import JsonLimits, parse_json

    try:
        problem = read_problem(parse_json(text, JsonLimits(max_bytes=MAX_BYTES, max_members=MAX_BYTES)), hasher)
        resolution = resolve(problem, hasher)
        certificate = certificate_of(problem, resolution, hasher)
        return {**decision_to_plain(resolution, hasher), "certificate": certificate}
    except HarpoonError as problem_error:
        raise CommandFailed(problem_error.message) from problem_error


def _hasher() -> Hasher:
    import asyncio

    from gateway.adapters.host import PySha3Hasher

    hasher = PySha3Hasher()
    asyncio.run(hasher.load())
    return hasher


def _many(files: list[str], hasher: Hasher) -> int:
    """Each line's decision as a line, in the same order; a line that poses no problem becomes an `error`."""
    failures = 0
    with contextlib.ExitStack() as stack:
        # A file that isn't there is told before anything is decided.
        sources = [(name, stack.enter_context(opened(name))) for name in files]
        working = stack.enter_context(Working("deciding", beside_output=True))
        for name, stream in sources:
            for number, line in _lines(stream):
                try:
                    found = decided(line, hasher)
                except CommandFailed as problem:
                    failures += 1
                    found = {"line": number, "error": problem.message}
                    complain(f"{'standard input' if name == STDIN else name}:{number}: {problem.message}")
                sys.stdout.write(json.dumps(found, separators=(",", ":")) + "\n")
                sys.stdout.flush()
                working.advance()
    return NO if failures else 0


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers; of one that is too long as much as shows that."""
    number = 0
    while line := stream.readline(MAX_BYTES + 1):
        number += 1
        rest = line
        while len(rest) > MAX_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_BYTES + 1)
        text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        if len(line) > MAX_BYTES:
            yield number, line
        elif text.strip(b" \t\r\n"):
            yield number, text.strip(b" \t\r\n")


def _show(found: dict[str, Any]) -> None:
    selected = Cell(found["selected"], "green") if found["selected"] else Cell("none: every candidate is denied", "red")
    write_fields([("selected", selected)])
    if found["totals"]:
        write_line()
        behind = {one["candidate"]: one for one in found["explanations"]}
        right = [Column(name, right=True) for name in ("total s", "behind s")]
        rows = [_total_row(one, behind.get(one["id"])) for one in found["totals"]]
        write_table((Column("candidate"), *right, Column("mostly by")), rows)
    if found["denied"]:
        write_line()
        denied: list[Row] = [
            (one["id"], Cell(", ".join(one["reason_codes"]), "red"), _fix_text(one["minimal_fix"]))
            for one in found["denied"]
        ]
        write_table((Column("denied"), Column("by"), Column("would be admitted if")), denied)


def _total_row(one: dict[str, Any], lost: dict[str, Any] | None) -> Row:
    from worker.money import usd_text

    if lost is None:
        return (one["id"], usd_text(one["total_us"]), "-", "-")
    parts: dict[str, int] = lost["parts"]
    most = max(parts, key=lambda name: parts[name]).removesuffix("_us")
    by = most if lost["decided_by"] == "total" else lost["decided_by"]
    return (one["id"], usd_text(one["total_us"]), usd_text(lost["total_us"]), by)


def _fix_text(changes: list[dict[str, Any]] | None) -> str:
    if changes is None:
        return "nothing short of another candidate"
    said = []
    for change in changes:
        value = f" to {change['value']}" if "value" in change else ""
        where = f" in {change['action']}" if "action" in change else ""
        said.append(f"{change['op']} {change['subject']}{value}{where}")
    return "; ".join(said)
