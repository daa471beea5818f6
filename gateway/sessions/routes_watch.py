"""Where a host's routes come from, and whether they have changed: a file, a text, or names of destinations alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from worker.errors import SettingsError
from worker.sessions.rules import Routes
from worker.sessions.rules_form import compile_routes
from worker.sessions.settings import SessionsSettings
from worker.sessions.shaping import everything_to


def load(settings: SessionsSettings) -> Routes:
    """The routes in force, of the enabled destinations alone. Raises: SettingsError with a line for each problem."""
    if settings.routes:
        from gateway.sessions.routes_yaml import load_routes  # YAML is heavy, and most starts have no routes

        routes = load_routes(Path(settings.routes))
    elif settings.routes_json:
        routes = from_json(settings.routes_json)
    else:
        return everything_to(settings.destinations)
    return enabled(routes, settings.destinations)


def from_json(text: str) -> Routes:
    """Routes that are written as JSON. Raises: SettingsError."""
    try:
        plain = json.loads(text, parse_float=Decimal)
    except ValueError as problem:
        raise SettingsError(f"SCR_ROUTES_JSON is no JSON text: {problem}", param="SCR_ROUTES_JSON") from None
    return compile_routes(plain)


def enabled(routes: Routes, names: tuple[str, ...]) -> Routes:
    """The routes without destinations that aren't named. Raises: SettingsError for a name that they don't have."""
    if not names:
        return routes
    for name in names:
        if name not in routes.destinations:
            known = ", ".join(routes.destinations)
            raise SettingsError(f"SCR_DESTINATIONS names {name}; the routes have {known}", param="SCR_DESTINATIONS")
    destinations = {name: routes.destinations[name] for name in names}
    rules = tuple([replace(rule, to=tuple([to for to in rule.to if to in destinations])) for rule in routes.rules])
    return replace(routes, destinations=destinations, rules=rules)


class RoutesWatch:
    """Looks whether the file has changed. `problem`: why its last change isn't in force, "" = it is."""

    def __init__(self, settings: SessionsSettings, loader: Callable[[SessionsSettings], Routes] = load) -> None:
        self._settings = settings
        self._loader = loader
        self._seen: tuple[int, ...] | None = self._stamp()
        self.problem = ""

    def changed(self) -> Routes | None:
        """The new routes, None = nothing has changed, or the change can't be used and is told in `problem`."""
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            routes = self._loader(self._settings)
        except SettingsError as problem:
            self.problem = problem.message
            return None
        self.problem = ""
        return routes

    def again(self) -> None:
        """The change that was told could not be taken up now: tell it once more."""
        self._seen = None

    def _stamp(self) -> tuple[int, ...]:
        """What is different after each change; nothing for a file that isn't there."""
        if not self._settings.routes:
            return ()
        try:
            found = Path(self._settings.routes).stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino)
