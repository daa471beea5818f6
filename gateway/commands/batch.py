"""Batches: JSON objects, one a line, each written back at once with what was found out about it.

Whatever stands in an object stays as it was written, in its order; only new members are added. A line that can't be
served is told on standard error with its file and number, and written back with `error`, so that the n-th line of the
output always belongs to the n-th (not blank) line of the input. Then the exit status is 1.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from gateway.failure import NO, ClientFailed, CommandFailed
from gateway.output import Working, complain
from worker.errors import HarpoonError
from worker.strict_json import JsonObject, parse_object

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
STDIN = "-"

#: What is found out about one object: the JSON text of each member to add. Raises: CommandFailed, HarpoonError.
Work = Callable[[JsonObject], Mapping[str, str]]


def text_member(line: JsonObject) -> str:
    """The object's `text`. Raises: CommandFailed."""
    text = line.values.get("text")
    if not isinstance(text, str):
        raise CommandFailed('the object needs a member "text" with a string', NO)
    return text


def run_batch(files: list[str] | None, work: Work, doing: str) -> int:
    """Work through all lines of all files (none = standard input); the exit status. Raises: CommandFailed."""
    failures = 0
    with contextlib.ExitStack() as stack:
        sources = [(name, stack.enter_context(opened(name))) for name in files or [STDIN]]
        working = stack.enter_context(Working(doing, beside_output=True))
        write = sys.stdout.buffer.write
        for name, stream in sources:
            for number, line in _lines(stream):
                answer, problem = _answered(line, number, work)
                write(answer + b"\n")
                sys.stdout.buffer.flush()
                if problem:
                    failures += 1
                    complain(f"{'standard input' if name == STDIN else name}:{number}: {problem}")
                working.advance()
    return NO if failures else 0


def _answered(line: bytes, number: int, work: Work) -> tuple[bytes, str]:
    """The line written back, and what is wrong with it."""
    try:
        given = parse_object(line)
    except HarpoonError as problem:
        text = json.dumps({"line": number, "error": problem.message}, ensure_ascii=False)
        return text.encode(), problem.message
    try:
        return given.with_members(work(given)), ""
    except ClientFailed as problem:
        if not problem.http_status:
            raise  # nobody there: the next line would fare no better
        message = problem.message
    except (CommandFailed, HarpoonError) as problem:
        message = problem.message
    return given.with_members({"error": json.dumps(message, ensure_ascii=False)}), message


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    for number, line in enumerate(stream, 1):
        text = line.removeprefix(_BYTE_ORDER_MARK).strip() if number == 1 else line.strip()
        if text:
            yield number, text


def opened(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """A file to read, `-` = standard input. Raises: CommandFailed."""
    if name == STDIN:
        return contextlib.nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as problem:
        raise CommandFailed(f"{name} can't be read: {problem.strerror}") from problem
