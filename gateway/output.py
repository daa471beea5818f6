"""What commands show: tables and fields for a terminal, the same plain and unwrapped for a pipe, JSON for a program.

Colour follows the terminal and NO_COLOR. Text that others wrote (answers, covenants, error messages) is shown without
control characters, so that it can't steer a terminal.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.table import Table

_STEERING = {code: "\ufffd" for code in (*range(9), *range(11, 32), 127, *range(128, 160), *range(0xD800, 0xE000))}
#: What takes longer shows that it goes on.
PROGRESS_AFTER_S = 1.0
GAP = "  "


class Column(NamedTuple):
    """A column's head, and how its cells are set."""

    name: str
    right: bool = False
    style: str = ""


class Cell(NamedTuple):
    """A cell with a style of rich's, such as `red` or `dim`; the style shows on terminals only."""

    text: str
    style: str = ""


Row = Sequence[str | Cell]


def clean(text: str) -> str:
    """The text with a replacement character for each control character but tab and line feed, and each surrogate."""
    return text.translate(_STEERING)


def on_terminal() -> bool:
    """Whether standard output is a person's terminal."""
    return sys.stdout.isatty()


def write(text: str) -> None:
    """Text to standard output at once, as it is but for what could steer a terminal."""
    sys.stdout.write(clean(text))
    sys.stdout.flush()


def write_line(text: str = "") -> None:
    """One line to standard output."""
    write(text + "\n")


def write_json(value: Any) -> None:
    """A value as indented JSON."""
    from worker.compact_json import plain_numbers

    write_line(plain_numbers(json.dumps(value, indent=2, ensure_ascii=False)))


def write_styled(text: str, spans: Iterable[tuple[int, int, str]] = (), style: str = "") -> None:
    """A line in which parts have a style of their own. Args: spans: (start, end, style) in code points."""
    if not on_terminal():
        write_line(text)
        return
    from rich.console import Console
    from rich.text import Text

    line = Text(clean(text), style=style)
    for start, end, look in spans:
        line.stylize(look, start, end)
    Console(highlight=False, soft_wrap=True).print(line)


def complain(message: str) -> None:
    """An error message on standard error."""
    text = clean(message)
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, highlight=False, soft_wrap=True).print(Text.assemble(("harpoon: ", "red"), text))
        return
    sys.stderr.write(f"harpoon: {text}\n")
    sys.stderr.flush()


def write_table(columns: Sequence[Column], rows: Iterable[Row], *, head: bool = True) -> None:
    """A table: fitted to a terminal, or each row on one line with its columns aligned."""
    filled = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    if on_terminal():
        from rich.console import Console

        Console(highlight=False).print(_rich_table(columns, filled, head))
        return
    lines = [[clean(cell.text).replace("\n", " ") for cell in row] for row in filled]
    write("".join(f"{line}\n" for line in plain_table(columns, lines, head=head)))


def write_fields(fields: Iterable[tuple[str, str | Cell]]) -> None:
    """Names and values, one a line."""
    write_table((Column("", style="dim"), Column("")), fields, head=False)


def plain_table(columns: Sequence[Column], lines: Sequence[Sequence[str]], *, head: bool = True) -> list[str]:
    """The lines of a table without any drawing."""
    shown = [[column.name for column in columns], *lines] if head else list(lines)
    widths = [max((len(line[at]) for line in shown), default=0) for at in range(len(columns))]
    return [
        GAP.join(
            cell.rjust(width) if column.right else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        ).rstrip()
        for line in shown
    ]


def _rich_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], head: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=head)
    for column in columns:
        table.add_column(
            column.name, justify="right" if column.right else "left", style=column.style or None, overflow="fold"
        )
    for row in rows:
        table.add_row(*[Text(clean(cell.text), style=cell.style) for cell in row])
    return table


class Working:
    """A progress line on standard error for what takes more than a second; nothing where nobody looks.

    Nothing is shown either while standard output is the same terminal and is written to (`beside_output`), and nothing
    any more after `stop`.
    """

    def __init__(self, what: str, *, beside_output: bool = False) -> None:
        self._what = what
        self._silent = not sys.stderr.isatty() or (beside_output and on_terminal())
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._done = 0

    def __enter__(self) -> Self:
        if not self._silent:
            self._timer = threading.Timer(PROGRESS_AFTER_S, self._start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def advance(self, by: int = 1) -> None:
        """So much more is done."""
        self._done += by
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=self._done)

    def stop(self) -> None:
        """Take the line away; harmless when repeated."""
        if self._silent:
            return
        with self._lock:
            self._silent = True
            if self._timer is not None:
                self._timer.cancel()
            if self._progress is not None:
                self._progress.stop()

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with self._lock:
            if self._silent:
                return
            count = "{task.completed}" if self._done else ""
            progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description} " + count),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = progress.add_task(self._what, total=None, completed=self._done)
            progress.start()
            self._progress = progress
