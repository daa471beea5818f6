"""Whether a server could deliver by its routes: said before it starts, or by `harpoon config check`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from worker.errors import SettingsError
from worker.sessions.settings import SessionsSettings


def routes_problems(settings: SessionsSettings, environment: Mapping[str, str], state: Path) -> tuple[str, ...]:
    """Everything that is wrong with the routes and with what their destinations need, a line each; none shows a secret.

    Args: environment: where destinations' secrets are; state: the folder that relative paths are within.
    """
    if not (settings.routes or settings.routes_json or settings.destinations):
        return ()
    from gateway.adapters.host import SystemClock
    from gateway.sessions.building import Builder
    from gateway.sessions.routes_watch import load
    from gateway.sessions.runtime import FOLDER
    from worker.sessions.session_metrics import SessionMetrics

    try:
        routes = load(settings)
    except SettingsError as problem:
        return tuple(problem.message.split("\n"))
    builder = Builder(environment, state / FOLDER, SystemClock(), SessionMetrics())
    problems: list[str] = []
    for name, destination in routes.destinations.items():
        try:
            builder.build(name, destination.options)
        except SettingsError as problem:
            problems.append(problem.message)
    return tuple(problems)
