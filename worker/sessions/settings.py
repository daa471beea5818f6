"""What an operator may set about the sessions API: who may report, how long events are kept, how safe they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.catalogue_settings import choice_setting, whole_setting
from worker.errors import SettingsError

ALL, SESSIONS = "all", "sessions"
SURFACES: Final = (ALL, SESSIONS)
#: What an acknowledged event survives: the death of the process, or the loss of power too.
PROCESS, POWER = "process", "power"
DURABILITIES: Final = (PROCESS, POWER)
MIN_KEY_CHARACTERS: Final = 16
MAX_KEY_CHARACTERS: Final = 512
MIN_PASSWORD_CHARACTERS: Final = 12
MAX_DAYS: Final = 36_500
MAX_PARTITIONS: Final = 64
_DAY_US: Final = 86_400_000_000
_VISIBLE: Final = frozenset(map(chr, range(33, 127))) - {","}
_IS_TENANT: Final = re.compile("[a-z0-9-]{1,63}").fullmatch
_IS_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?").fullmatch
_IS_NAME: Final = re.compile("[!-~]{1,64}").fullmatch


@dataclass(frozen=True, slots=True)
class SessionsSettings:
    """The sessions API as it is set. Empty keys = nobody has one. `retention_us`: 0 = events are kept for ever.

    `destinations`: the enabled ones, none = all of the routes. `routes`: the path of a file on this host;
    `routes_json`: the same as a text. `partitions`: how many objects the spool has at the edge.
    """

    surfaces: str = ALL
    api_key: str = field(default="", repr=False)
    tenant: str = "default"
    public_keys: tuple[str, ...] = field(default=(), repr=False)
    allowed_origins: tuple[str, ...] = ()
    spool_max_events: int = 1_000_000
    partitions: int = 1
    durability: str = PROCESS
    destinations: tuple[str, ...] = ()
    routes: str = ""
    routes_json: str = field(default="", repr=False)
    retention_us: int = 30 * _DAY_US
    dashboard_user: str = ""
    dashboard_password: str = field(default="", repr=False)

    @property
    def is_alone(self) -> bool:
        """Whether nothing but the sessions API is served."""
        return self.surfaces == SESSIONS


def sessions_settings(values: Mapping[str, str]) -> SessionsSettings:
    """Raises: SettingsError naming the setting, and showing no secret."""
    user, password = values["SCR_DASHBOARD_USER"], values["SCR_DASHBOARD_PASSWORD"]
    if bool(user) != bool(password):
        missing = "SCR_DASHBOARD_PASSWORD" if user else "SCR_DASHBOARD_USER"
        raise SettingsError(
            f"{missing} is missing: the dashboard's login needs both a user and a password", param=missing
        )
    if ":" in user:
        raise SettingsError("SCR_DASHBOARD_USER can't have a colon in it", param="SCR_DASHBOARD_USER")
    if password and len(password) < MIN_PASSWORD_CHARACTERS:
        raise SettingsError(
            f"SCR_DASHBOARD_PASSWORD must have at least {MIN_PASSWORD_CHARACTERS} characters",
            param="SCR_DASHBOARD_PASSWORD",
        )
    return SessionsSettings(
        surfaces=choice_setting(values, "HARPOON_SURFACES", SURFACES),
        api_key=_key("SCR_API_KEY", values["SCR_API_KEY"]) if values["SCR_API_KEY"] else "",
        tenant=_tenant(values["SCR_TENANT"]),
        public_keys=tuple([_key("SCR_PUBLIC_KEYS", key) for key in _listed(values["SCR_PUBLIC_KEYS"])]),
        allowed_origins=tuple([_origin(origin) for origin in _listed(values["SCR_ALLOWED_ORIGINS"])]),
        partitions=whole_setting(values, "SCR_PARTITIONS", 1, MAX_PARTITIONS),
        spool_max_events=whole_setting(values, "SCR_SPOOL_MAX_EVENTS", 1, 1_000_000_000),
        durability=choice_setting(values, "SCR_DURABILITY", DURABILITIES),
        destinations=tuple([_name(name) for name in _listed(values["SCR_DESTINATIONS"])]),
        routes=values["SCR_ROUTES"],
        routes_json=values["SCR_ROUTES_JSON"],
        retention_us=whole_setting(values, "SCR_RETENTION_DAYS", 0, MAX_DAYS) * _DAY_US,
        dashboard_user=user,
        dashboard_password=password,
    )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _key(name: str, text: str) -> str:
    if not MIN_KEY_CHARACTERS <= len(text) <= MAX_KEY_CHARACTERS or not _VISIBLE.issuperset(text):
        raise SettingsError(
            f"{name} must have {MIN_KEY_CHARACTERS} to {MAX_KEY_CHARACTERS} visible ASCII characters and no comma, "
            "such as `openssl rand -hex 24` writes",
            param=name,
        )
    if text.startswith("hk_"):
        raise SettingsError(
            f"{name} can't begin with hk_, as tenants' tokens do, which are for HARPOON_TOKENS", param=name
        )
    return text


def _tenant(text: str) -> str:
    if _IS_TENANT(text) is None or text == "admin":
        raise SettingsError(
            "SCR_TENANT must be a name of 1 to 63 of a-z, 0-9 and -, and not admin, such as acme", param="SCR_TENANT"
        )
    return text


def _origin(text: str) -> str:
    if _IS_ORIGIN(text) is None:
        raise SettingsError(
            "SCR_ALLOWED_ORIGINS lists origins as browsers send them, in lower case and without a path, such as "
            "https://app.example.com",
            param="SCR_ALLOWED_ORIGINS",
        )
    return text


def _name(text: str) -> str:
    if _IS_NAME(text) is None:
        raise SettingsError(
            "SCR_DESTINATIONS lists names of destinations, such as billing,analytics,audit", param="SCR_DESTINATIONS"
        )
    return text
