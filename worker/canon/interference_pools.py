"""Which provider pools a request may not join: those that are full with work of which some is another tenant's.

A pool is told as `provider@pool`, with how many requests it serves at full speed; an operator says so, and where nobody
does, nothing is looked at. A pool with as many open requests as it has room for, or more, makes everybody slower with
one more: n of them take max(1, n/c) times as long (`worker.canon.interference`). Where none of them is another
tenant's, a request harms only its own tenant, and may. An open request counts from its admission until it is settled or
has expired.

That is known where all tenants are in one database. At the edge a tenant's object sees its own requests alone, so no
pool is ever full there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from worker.canon.codes import NON_INTERFERENCE_VIOLATION, Denial
from worker.errors import SettingsError
from worker.ports import Sql, as_int
from worker.routing.catalogue import CompiledCatalogue, Route, pool_of

#: Names of pools that are full, and their capacities; a tuple, because most often there is nothing to look up.
FullPools = tuple[tuple[str, int], ...]
SETTING: Final = "HARPOON_POOL_CAPACITY"
MAX_CAPACITY: Final = 1_000_000


def pool_capacities(text: str, catalogue: CompiledCatalogue) -> Mapping[str, int]:
    """The setting's `provider@pool=number`, by commas. Raises: SettingsError."""
    found: dict[str, int] = {}
    known = {pool_of(route) for route in catalogue.routes}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        name, _, number = part.partition("=")
        is_number = 1 <= len(number) <= len(str(MAX_CAPACITY)) and set("0123456789").issuperset(number)
        if name not in known or name in found or not is_number or not 1 <= int(number) <= MAX_CAPACITY:
            some = ", ".join(sorted(known)[:4])
            message = f"{SETTING} must be provider@pool=number, each pool once; pools in force are {some} and others"
            raise SettingsError(message, param=SETTING)
        found[name] = int(number)
    return found


def full_pools_in(
    sql: Sql, catalogue: CompiledCatalogue, capacities: Mapping[str, int], tenant: str, at_us: int, own: str = ""
) -> FullPools:
    """The pools that this tenant may not join now, in the order of their names.

    Args: own: the open decision that asks for another attempt; it gives up its place for that, so it is not counted.
    """
    counts: dict[str, int] = {}
    shared: set[str] = set()
    rows = sql.execute(
        """SELECT tenant, route, COUNT(*) FROM decision
           WHERE expires_us > ? AND NOT (tenant = ? AND decision_id = ?) GROUP BY tenant, route""",
        at_us,
        tenant,
        own,
    )
    for owner, route_id, count in rows:
        route = catalogue.by_id.get(str(route_id))
        if route is not None and pool_of(route) in capacities:
            name = pool_of(route)
            counts[name] = counts.get(name, 0) + as_int(count)
            if owner != tenant:
                shared.add(name)
    return tuple([(name, capacities[name]) for name in sorted(shared) if counts[name] >= capacities[name]])


def denials_of_pool(route: Route, full_pools: FullPools) -> list[Denial]:
    """Why a route's pool may not be joined: by one request more, and not by how many others have there."""
    name = pool_of(route)
    return [Denial(NON_INTERFERENCE_VIOLATION, name, most, most + 1) for full, most in full_pools if full == name]
