"""What the settings are and where each came from, for a person or a program; secrets are masked in both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from gateway.settings import ALL_SETTINGS, DEFAULT, DEFAULTS, Gathered

MASK: Final = "********"
MAX_SHOWN_CHARACTERS: Final = 80
#: Variables that are ours and no settings of the server.
OTHER_VARIABLES: Final = frozenset({"HARPOON_DEBUG", "HARPOON_TOKEN", "HARPOON_TOOLS", "HARPOON_URL"})
_USER_INFO: Final = re.compile(r"(?<=://)[^/\s]+(?=@)")
#: A query's parameter by whose name its value is a secret.
_QUERY_SECRET: Final = re.compile(r"([?&][^=&#\s]*(?:key|pass|secret|sig|token)[^=&#\s]*=)[^&#\s]+", re.IGNORECASE)


class Shown(NamedTuple):
    """A setting as it may be shown. `value`: masked if it is secret. `later`: why nothing reads it yet."""

    name: str
    value: str
    kind: str
    where: str
    key: str
    secret: bool
    later: str

    @property
    def is_set(self) -> bool:
        return self.kind != DEFAULT


def shown_settings(gathered: Gathered) -> list[Shown]:
    """Every setting, in the order of the documentation."""
    rows = []
    for setting in (*ALL_SETTINGS, *gathered.own):
        value, source = gathered.values[setting.name], gathered.sources[setting.name]
        shown = MASK if setting.secret and value else _QUERY_SECRET.sub(rf"\1{MASK}", _USER_INFO.sub(MASK, value))
        rows.append(
            Shown(setting.name, shown, source.kind, source.where, source.key, setting.secret, setting.later),
        )
    return rows


def short(value: str) -> str:
    """A value in a table's cell."""
    if len(value) <= MAX_SHOWN_CHARACTERS and "\n" not in value:
        return value
    return f"({len(value)} characters)"


def to_json(gathered: Gathered, problems: Iterable[str]) -> dict[str, Any]:
    """All of it as plain values; `settings`' values are texts, as a configuration file may hold them."""
    return {
        "config": None if gathered.config is None else str(gathered.config),
        "problems": list(problems),
        "settings": [
            {
                "name": row.name,
                "value": row.value,
                "secret": row.secret,
                "source": row.kind,
                "where": row.where,
                "key": row.key,
                "not_used_yet": row.later,
            }
            for row in shown_settings(gathered)
        ],
    }


def strange_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like ours and is no setting: a typing mistake would change nothing."""
    notes = []
    for name in sorted(environment):
        if name.startswith("HARPOON_") and name not in DEFAULTS and name not in OTHER_VARIABLES:
            near = get_close_matches(name, DEFAULTS, n=1, cutoff=0.6)
            hint = f": did you mean {near[0]}?" if near else ""
            notes.append(f"environment: {name} is no setting{hint}")
    return notes
