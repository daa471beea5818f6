"""What the Worker's log holds: JSON lines on the runtime's console, through the same redaction as the container's."""

from __future__ import annotations

import logging
from typing import Any

import js

from worker.access_settings import names_in_catalogue
from worker.edge.bindings import read_variable
from worker.guard.logs import RedactingFilter, install, secrets_in
from worker.log_lines import JsonFormatter, request_fields, to_json_line
from worker.settings_table import SETTINGS
from worker.telemetry import Finished


class _Console(logging.Handler):
    """Writes a record to the console's own level, which is what the runtime's log is filtered by."""

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if record.levelno >= logging.ERROR:
            js.console.error(line)
        elif record.levelno >= logging.WARNING:
            js.console.warn(line)
        else:
            js.console.log(line)


def set_up_logging(env: Any) -> RedactingFilter:
    """Have what is logged in this isolate written as JSON lines, the Worker's own secrets taken out of it.

    Harmless when repeated. Returns: what takes them out.
    """
    own = names_in_catalogue(read_variable(env, "HARPOON_CATALOGUE_JSON"))
    names = [setting.name for setting in SETTINGS if setting.secret] + [one for one in own if one.endswith("_API_KEY")]
    redacting = RedactingFilter(secrets_in({name: read_variable(env, name) for name in names}, names))
    harpoon = logging.getLogger("harpoon")
    if not any(isinstance(handler, _Console) for handler in harpoon.handlers):
        console = _Console()
        console.setFormatter(JsonFormatter())
        harpoon.addHandler(console)
        harpoon.propagate = False
    handlers = [handler for handler in (*logging.getLogger().handlers, logging.lastResort) if handler is not None]
    install(redacting, [harpoon, *harpoon.handlers, *handlers])
    return redacting


class RequestConsole:
    """`worker.telemetry.Observer` that writes a line for each finished request, after its answer has left."""

    def __init__(self, redacting: RedactingFilter) -> None:
        self._redacting = redacting

    def samples(self, trace_id: str, parent_is_sampled: bool | None) -> bool:
        """No span is recorded here: the caller's word is passed on."""
        return bool(parent_is_sampled)

    def finished(self, request: Finished) -> None:
        js.console.log(to_json_line(request_fields(request, self._redacting.clean)))
