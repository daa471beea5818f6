"""What the log on standard error holds: Harpoon's own records from a level on, other libraries' from warning on.

Libraries may write bodies and headers at lower levels, and those must not be in any log.
"""

from __future__ import annotations

import logging


def set_up_logging(level: str) -> None:
    """Write records of `level` and above to standard error; harmless when repeated. Args: level: such as `info`."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("harpoon").setLevel(level.upper())
