"""What the Worker's log holds goes through the same redaction as the container's."""

from __future__ import annotations

import logging
from typing import Any

from worker.access_settings import names_in_catalogue
from worker.configuration import SETTINGS
from worker.edge.bindings import read_variable
from worker.guard.logs import RedactingFilter, install, secrets_in


def redact_logs(env: Any) -> None:
    """Redact what is logged in this isolate, the Worker's own secrets included; harmless when repeated."""
    own = names_in_catalogue(read_variable(env, "HARPOON_CATALOGUE_JSON"))
    names = [setting.name for setting in SETTINGS if setting.secret] + [one for one in own if one.endswith("_API_KEY")]
    redacting = RedactingFilter(secrets_in({name: read_variable(env, name) for name in names}, names))
    handlers = [handler for handler in (*logging.getLogger().handlers, logging.lastResort) if handler is not None]
    install(redacting, [logging.getLogger("harpoon"), *handlers])
