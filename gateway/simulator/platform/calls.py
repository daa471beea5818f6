"""One call to the panel, read: its path's parts, its query and its body, with the types that the API has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.simulator.platform.records import ApiError

_MOST = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Call:
    """Path parts, query and body of a call. `teams`: whom its key may act for."""

    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    teams: frozenset[str] | None = None

    def text(self, name: str) -> str:
        """A field of path, query or body that must be there. Raises: ApiError."""
        value = self.parts.get(name) or self.query.get(name) or self.body.get(name)
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            raise ApiError(400, f"{name} is required")
        return f"{value}"

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number, given as one or as its digits. Raises: ApiError."""
        value = self.parts.get(name, self.query.get(name, self.body.get(name)))
        if value is None or value == "":
            if default is None:
                raise ApiError(400, f"{name} is required")
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
            raise ApiError(400, f"{name} must be a number")
        return value

    def team(self) -> str:
        """The team it is about. Raises: ApiError."""
        team = self.text("team_id")
        if len(team) > 64 or not team.isprintable():
            raise ApiError(400, "team_id must be a uuid")
        if self.teams is not None and team not in self.teams:
            raise ApiError(403, "no access to this team")
        return team
