"""What the log on standard error holds: Harpoon's own records from a level on, other libraries' from warning on.

Libraries may write bodies and headers at lower levels, and those must not be in any log. Whatever is written is
redacted first, the server's own records too.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from worker.guard.logs import RedactingFilter, install

#: Loggers that have handlers of their own beside the root's.
_SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")


def set_up_logging(level: str, secrets: Collection[str] = ()) -> None:
    """Write records of `level` and above to standard error; harmless when repeated.

    Args: level: such as `info`. secrets: what is masked wherever it stands, besides what is known by its form.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    harpoon, root = logging.getLogger("harpoon"), logging.getLogger()
    harpoon.setLevel(level.upper())
    server = [logging.getLogger(name) for name in _SERVER_LOGGERS]
    handlers = [handler for logger in (root, harpoon, *server) for handler in logger.handlers]
    install(RedactingFilter(secrets), [harpoon, *server, *handlers])
