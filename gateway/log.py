"""What the log on standard error holds: Harpoon's own records from a level on, other libraries' from warning on.

Libraries may write bodies and headers at lower levels, and those must not be in any log. Whatever is written is
redacted first, the server's own records too. A line is for a reader on a terminal, and JSON for everything else.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Protocol

from worker.guard.logs import RedactingFilter, install
from worker.log_lines import JSON, TEXT, JsonFormatter, request_fields, to_json_line, to_text_line
from worker.telemetry import Finished

AUTO = "auto"
LOG_FORMATS = (AUTO, JSON, TEXT)
#: Loggers that have handlers of their own beside the root's.
_SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
#: What a pipe takes in one piece (PIPE_BUF of Linux); lines are ASCII, or nearly so.
_ATOMIC_BYTES = 4_096
#: From these levels on, more is asked for than warnings: each request gets its line too.
_TALKATIVE = ("debug", "info")


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...

    def isatty(self) -> bool: ...


def format_for(wanted: str, stream: Stream) -> str:
    """JSON or TEXT, as it was asked for, or as it suits who reads `stream`."""
    return wanted if wanted != AUTO else TEXT if stream.isatty() else JSON


def logs_requests(wanted: str, level: str) -> bool:
    """Whether each request gets a line. Args: wanted: HARPOON_LOG_REQUESTS. level: of the log."""
    return wanted == "on" or (wanted == AUTO and level in _TALKATIVE)


def set_up_logging(level: str, secrets: Collection[str] = (), log_format: str = TEXT) -> None:
    """Write records of `level` and above to standard error; harmless when repeated.

    Args: level: such as `info`. secrets: what is masked wherever it stands, besides what is known by its form.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    harpoon, root = logging.getLogger("harpoon"), logging.getLogger()
    harpoon.setLevel(level.upper())
    server = [logging.getLogger(name) for name in _SERVER_LOGGERS]
    handlers = [handler for logger in (root, harpoon, *server) for handler in logger.handlers]
    install(RedactingFilter(secrets), [harpoon, *server, *handlers])
    if log_format == JSON:
        for handler in handlers:
            handler.setFormatter(JsonFormatter())


class RequestLog:
    """A sink of finished requests that writes a line for each; what it is given of them holds no text of theirs."""

    def __init__(self, stream: Stream, log_format: str, secrets: Collection[str] = ()) -> None:
        self._stream = stream
        self._write = to_json_line if log_format == JSON else to_text_line
        self._clean = RedactingFilter(secrets).clean

    def __call__(self, requests: Sequence[Finished]) -> None:
        """Write their lines, in pieces that no other process's lines get into. Raises: OSError if nobody takes them."""
        piece = ""
        for request in requests:
            line = f"{self._write(request_fields(request, self._clean))}\n"
            if len(piece) + len(line) > _ATOMIC_BYTES:
                self._stream.write(piece)
                piece = ""
            piece += line
        self._stream.write(piece)
        self._stream.flush()
