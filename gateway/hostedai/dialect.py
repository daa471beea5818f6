"""How hosted.ai is spoken to, from plain settings: a server that is there (direct), or leases of pools (gpuaas).

`simulator` is gpuaas against a simulated platform of `harpoon simulator serve` on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import httpx

from gateway.hostedai.client import Panel
from gateway.hostedai.desk import DeskSettings
from gateway.hostedai.driver import PodSettings
from gateway.hostedai.policy_table import ROW_OF_POOL, pool_class
from gateway.hostedai.pool_search import Memory
from gateway.hostedai.settings import AUTH_FORMS, DIALECTS, DIRECT, SIMULATOR
from gateway.simulator.platform.settings import DEFAULT_KEY, DEFAULT_TEAM
from worker.catalogue_settings import choice_setting, whole_setting
from worker.errors import SettingsError
from worker.money import parse_usd
from worker.routing.labels import fold_ascii
from worker.upstream.providers import POOL_HEADER, ProviderAccess

SIMULATED_PANEL: Final = "http://127.0.0.1:8090"
PROVIDER: Final = "hosted-ai"
#: Who pays for the leases of a gateway: it has one team, so it is one tenant of the platform.
HOLDER: Final = "gateway"


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """What opens the admin panel."""

    panel: Panel
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Everything that leasing needs. `classes`: pool of the routes -> pool of the policy table."""

    panel: Panel
    team: str
    desk: DeskSettings
    pods: PodSettings
    classes: Mapping[str, str]
    budget_usd_micros: int | None = None
    idle_us: int = 900_000_000
    wait_us: int = 5_000_000
    admin: AdminAccess | None = None


def read_dialect(values: Mapping[str, str]) -> LeaseSettings | None:
    """What leasing needs, None for `direct`. Raises: SettingsError, its `param` the setting."""
    dialect = choice_setting(values, "HOSTED_AI_DIALECT", DIALECTS)
    if dialect == DIRECT:
        return None
    for name in ("HOSTED_AI_BASE_URL", "HOSTED_AI_VIA"):
        if values[name]:
            raise _wrong(name, "is for HOSTED_AI_DIALECT=direct: a lease says where its server is")
    ratio, pool_ids, classes = _pools(values)
    memory_mb = whole_setting(values, "HOSTED_AI_POD_MEMORY_MB", 1, 10_000_000)
    card_mb = whole_setting(values, "HOSTED_AI_GPU_MEMORY_MB", 1_000, 10_000_000)
    if memory_mb > card_mb:
        raise _wrong("HOSTED_AI_POD_MEMORY_MB", "is more than HOSTED_AI_GPU_MEMORY_MB")
    return LeaseSettings(
        panel=_panel(values, dialect),
        team=_plain(values, "HOSTED_AI_TEAM_ID", DEFAULT_TEAM if dialect == SIMULATOR else ""),
        desk=DeskSettings(
            sharing_ratio=ratio,
            pool=next(iter(classes.values())) if pool_ids else "",
            pool_ids=pool_ids,
            service_id=values["HOSTED_AI_SERVICE_ID"],
            memory=Memory(card_mb, memory_mb, memory_mb),
        ),
        pods=PodSettings(
            port=whole_setting(values, "HOSTED_AI_POD_PORT", 1, 65_535),
            instance_type_id=values["HOSTED_AI_INSTANCE_TYPE_ID"],
            storage_block_id=values["HOSTED_AI_STORAGE_BLOCK_ID"],
            image_uuid=values["HOSTED_AI_IMAGE_UUID"],
        ),
        classes=classes,
        budget_usd_micros=_budget(values),
        idle_us=whole_setting(values, "HOSTED_AI_LEASE_IDLE_S", 1, 86_400) * 1_000_000,
        wait_us=whole_setting(values, "HOSTED_AI_LEASE_WAIT_S", 0, 300) * 1_000_000,
        admin=_admin(values),
    )


def _wrong(name: str, words: str) -> SettingsError:
    return SettingsError(f"{name} {words}", param=name)


def _plain(values: Mapping[str, str], name: str, default: str = "") -> str:
    """A text that must be there and can stand in a header or a path."""
    found = values[name] or default
    if not found:
        raise _wrong(name, f"is needed with HOSTED_AI_DIALECT={values['HOSTED_AI_DIALECT']}")
    if not found.isascii() or any(character <= " " or character == "\x7f" for character in found):
        raise _wrong(name, "must be visible ASCII without blanks")
    return found


def _url(values: Mapping[str, str], name: str, default: str = "") -> str:
    found = values[name] or default
    if not found:
        raise _wrong(name, f"is needed with HOSTED_AI_DIALECT={values['HOSTED_AI_DIALECT']}")
    try:
        url = httpx.URL(found.strip())
    except httpx.InvalidURL as problem:
        raise _wrong(name, "is not a URL") from problem
    if url.scheme not in ("http", "https") or not url.host or url.query or url.userinfo:
        raise _wrong(name, "must begin with https:// or http://, name a host, and hold no password and no query")
    return str(url.copy_with(fragment=None)).rstrip("/")


def _panel(values: Mapping[str, str], dialect: str) -> Panel:
    simulated = dialect == SIMULATOR
    return Panel(
        url=_url(values, "HOSTED_AI_PANEL_URL", SIMULATED_PANEL if simulated else ""),
        key=_plain(values, "HOSTED_AI_PANEL_KEY", DEFAULT_KEY if simulated else ""),
        auth=choice_setting(values, "HOSTED_AI_PANEL_AUTH", AUTH_FORMS),
    )


def _admin(values: Mapping[str, str]) -> AdminAccess | None:
    names = ("HOSTED_AI_ADMIN_URL", "HOSTED_AI_ADMIN_USER", "HOSTED_AI_ADMIN_PASSWORD")
    missing = [name for name in names if not values[name]]
    if len(missing) == len(names):
        return None
    if missing:
        raise _wrong(missing[0], "is needed with the other settings of the admin panel")
    return AdminAccess(Panel(_url(values, names[0])), values[names[1]], values[names[2]])


def _budget(values: Mapping[str, str]) -> int | None:
    if not values["HOSTED_AI_LEASE_BUDGET_USD"]:
        return None
    try:
        return parse_usd(values["HOSTED_AI_LEASE_BUDGET_USD"])
    except ValueError as problem:
        raise SettingsError(f"HOSTED_AI_LEASE_BUDGET_USD: {problem}", param="HOSTED_AI_LEASE_BUDGET_USD") from problem


def _pools(values: Mapping[str, str]) -> tuple[int | None, frozenset[int], Mapping[str, str]]:
    """Sharing ratio and ids of what may be leased, and which row of the table each pool of the routes goes by."""
    name = values["HOSTED_AI_POOL_ID"]
    classes = {pool: pool for pool in ROW_OF_POOL}
    if not name or name in classes:
        return None, frozenset(), classes if not name else {name: name}
    if not (name.isascii() and name.isdecimal() and len(name) < 16 and int(name)):
        raise _wrong("HOSTED_AI_POOL_ID", "must be the number of a pool of the platform, or a pool of the catalogue")
    whole = values["HOSTED_AI_OVERCOMMIT"].partition(".")[0]
    spoken = {"false": "1", "true": "10"}.get(fold_ascii(whole), whole)
    if not spoken:
        raise _wrong("HOSTED_AI_OVERCOMMIT", "is needed with the number of a pool: its sharing ratio, 1 to 10")
    ratio = whole_setting({"HOSTED_AI_OVERCOMMIT": spoken}, "HOSTED_AI_OVERCOMMIT", 1, 10)
    found = pool_class("", ratio)
    assert found is not None, "every ratio from 1 to 10 has its row"
    return ratio, frozenset((int(name),)), {name: found}


def leased_access(access: Mapping[str, ProviderAccess], leases: LeaseSettings) -> dict[str, ProviderAccess]:
    """Access to the providers where requests to hosted.ai say which pool they are for, until a lease is found."""
    base = access[PROVIDER]
    pools = {pool: httpx.Headers([*base.headers.raw, (POOL_HEADER, pool.encode())]) for pool in leases.classes}
    return {**access, PROVIDER: replace(base, headers_by_pool=pools)}
