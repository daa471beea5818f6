"""What pools told of themselves, in a tenant's state: read with the observations, written by settlements.

A server tells it in a header of its answers, as `mode=temporal;quantum_ms=2000;neighbours=3;busy_ppm=420000`. A reading
holds for all routes of its provider's pool until it is `READING_LIVES_US` old; then the catalogue's own figures of the
pool count again. A route has two moving averages of seen over planned time: one over the catalogue's plan, and one over
the prediction that the answer's own reading makes, so that no wait is counted twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from worker.ports import Sql, as_int
from worker.routing.candidates import NOTHING_OBSERVED, Observation, requested_routes
from worker.routing.catalogue import CompiledCatalogue, Route, pool_of
from worker.routing.estimates import seen_ratio_ppm
from worker.routing.labels import fold_ascii
from worker.routing.pool_waits import MILLION, SPATIAL, TEMPORAL, PoolReading, waits_us

HEADER: Final = "x-harpoon-pool-state"
#: How long a reading counts. Who waits on a pool longer than others think comes back for another look after this.
READING_LIVES_US: Final = 60_000_000
#: What is taken where a server doesn't say what a change of turns costs: the pool model's for a whole working set.
UNTOLD_SWITCH_US: Final = 1_500_000
MOST_NEIGHBOURS: Final = 64
_MOST_CHARACTERS: Final = 200
_MOST_MS: Final = 3_600_000
#: Members of the header with their least and greatest values.
_MEMBERS: Final = MappingProxyType(
    {
        "quantum_ms": (1, _MOST_MS),
        "switch_ms": (0, _MOST_MS),
        "turn_ms": (0, _MOST_MS),
        "neighbours": (0, MOST_NEIGHBOURS),
        "ratio": (1, MOST_NEIGHBOURS + 1),
        "busy_ppm": (0, MILLION),
    }
)
NO_READINGS: Final[Mapping[str, PoolReading]] = MappingProxyType({})


class Learnt(NamedTuple):
    """What the tenant's past attempts say. By route id: `observed`, and samples and ratio over predictions (`live`).

    `readings`: by `provider@pool`, only those that still count.
    """

    observed: dict[str, Observation]
    live: Mapping[str, tuple[int, int]]
    readings: Mapping[str, PoolReading]


NOTHING_LEARNT: Final = Learnt({}, MappingProxyType({}), NO_READINGS)


def told_by(headers: list[tuple[bytes, bytes]]) -> PoolReading | None:
    """The reading among an answer's headers, None where there is none that can be read."""
    for name, value in headers:
        if len(name) == len(HEADER) and fold_ascii(name.decode("latin-1")) == HEADER:
            return parse_told(value[: _MOST_CHARACTERS + 1].decode("latin-1"))
    return None


def parse_told(text: str) -> PoolReading | None:
    """The header's value read; None for one that says too little, or what can't be.

    `mode` and `busy_ppm` are needed, and `neighbours` or `ratio` (then every other slot is a neighbour), and in turns
    `quantum_ms`. A neighbour's turn is a whole quantum where nothing is said. Other members are passed over.
    """
    if len(text) > _MOST_CHARACTERS:
        return None
    said: dict[str, int] = {}
    mode = ""
    for part in text.split(";"):
        name, separator, value = part.strip(" ").partition("=")
        if name == "mode":
            mode = value
        elif name in _MEMBERS:
            least, most = _MEMBERS[name]
            digits = 1 <= len(value) <= 7 and set("0123456789").issuperset(value)
            if not digits or not least <= int(value) <= most or name in said:
                return None
            said[name] = int(value)
        elif not separator:
            return None
    neighbours = said.get("neighbours", said.get("ratio", 0) - 1)
    needed = {"busy_ppm", "quantum_ms"} if mode == TEMPORAL else {"busy_ppm"}
    if mode not in (SPATIAL, TEMPORAL) or not needed <= said.keys() or neighbours < 0:
        return None
    quantum_us = said.get("quantum_ms", 0) * 1_000
    return PoolReading(
        mode,
        quantum_us,
        said["switch_ms"] * 1_000 if "switch_ms" in said else UNTOLD_SWITCH_US if mode == TEMPORAL else 0,
        min(quantum_us, said.get("turn_ms", _MOST_MS) * 1_000),
        neighbours,
        said["busy_ppm"],
    )


def told_text(reading: PoolReading) -> str:
    """The header's value for a reading; what `parse_told` reads from it is the same to a millisecond."""
    mode, quantum_us, switch_us, turn_us, neighbours, busy_ppm = reading
    return (
        f"mode={mode};quantum_ms={max(1, quantum_us // 1_000)};switch_ms={switch_us // 1_000};"
        f"turn_ms={turn_us // 1_000};neighbours={neighbours};busy_ppm={busy_ppm}"
    )


def cells_of(reading: PoolReading) -> str:
    """A reading as a record holds it: its figures in their order, apart by blanks."""
    return " ".join([str(value) for value in reading])


def reading_of_cells(text: str) -> PoolReading:
    """The inverse of `cells_of`. Raises: ValueError for anything that `cells_of` doesn't write of a told reading."""
    mode, *numbers = text.split(" ")
    quantum_us, switch_us, turn_us, neighbours, busy_ppm = [int(number) for number in numbers]
    reading = PoolReading(mode, quantum_us, switch_us, turn_us, neighbours, busy_ppm)
    most_us = _MOST_MS * 1_000
    if (
        cells_of(reading) != text
        or mode not in (SPATIAL, TEMPORAL)
        or not ((mode == SPATIAL and quantum_us == 0) or 1_000 <= quantum_us <= most_us)
        or not 0 <= switch_us <= most_us
        or not 0 <= turn_us <= quantum_us
        or not 0 <= neighbours <= MOST_NEIGHBOURS
        or not 0 <= busy_ppm <= MILLION
    ):
        raise ValueError("this is no reading of a pool")
    return reading


def read_learnt(sql: Sql, tenant: str, now_us: int) -> Learnt:
    """The tenant's observations by route id, with the readings that count, in one statement."""
    rows = sql.execute(
        """SELECT route, samples, ratio_ppm, failures, open_until_us, live_samples, live_ratio_ppm, ''
           FROM estimate WHERE tenant = ?
           UNION ALL SELECT pool, quantum_us, switch_us, turn_us, neighbours, busy_ppm, 0, mode
           FROM pool_reading WHERE tenant = ? AND read_us BETWEEN ? AND ?""",
        tenant,
        tenant,
        now_us - READING_LIVES_US,
        now_us + READING_LIVES_US,
    )
    if not rows:
        return NOTHING_LEARNT
    observed: dict[str, Observation] = {}
    live: dict[str, tuple[int, int]] = {}
    readings: dict[str, PoolReading] = {}
    for name, first, second, third, fourth, fifth, sixth, mode in rows:
        assert isinstance(name, str)
        assert isinstance(first, int)
        assert isinstance(second, int)
        assert isinstance(third, int)
        assert isinstance(fourth, int)
        if mode:
            readings[name] = PoolReading(str(mode), first, second, third, fourth, as_int(fifth))
            continue
        observed[name] = Observation(first, second, third, fourth > now_us)
        if fifth:
            live[name] = as_int(fifth), as_int(sixth)
    return Learnt(observed, live, readings)


def with_readings(
    catalogue: CompiledCatalogue,
    model: str,
    learnt: Learnt,
    observed: Mapping[str, Observation],
    configured: frozenset[str],
    modelled: Collection[str] = (),
) -> tuple[Mapping[str, Observation], Mapping[str, PoolReading]]:
    """The observations of a request's routes, and by route id the readings that their estimates are to be made from.

    Where a reading counts, the average over predictions stands in the place of the one over the catalogue's plan.

    Args: observed: what counts without readings. modelled: routes whose time a CANON model says; it has the last word.
    Raises: UnknownModel.
    """
    if not learnt.readings:
        return observed, NO_READINGS
    found: dict[str, PoolReading] = {}
    changed = dict(observed)
    for position in requested_routes(catalogue, model):
        route = catalogue.routes[position]
        reading = learnt.readings.get(pool_of(route)) if route.is_shared and route.provider in configured else None
        if reading is None or route.id in modelled:
            continue
        found[route.id] = reading
        samples, ratio_ppm = learnt.live.get(route.id, (0, MILLION))
        changed[route.id] = changed.get(route.id, NOTHING_OBSERVED)._replace(samples=samples, ratio_ppm=ratio_ppm)
    return changed, found


def record_reading(sql: Sql, tenant: str, route: Route, reading: PoolReading, read_us: int) -> None:
    """Keep what an answer of a route told of its pool at `read_us` (UTC), unless a later one is there."""
    sql.execute(
        """INSERT INTO pool_reading (tenant, pool, mode, quantum_us, switch_us, turn_us, neighbours, busy_ppm, read_us)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (tenant, pool) DO UPDATE SET mode = excluded.mode, quantum_us = excluded.quantum_us,
           switch_us = excluded.switch_us, turn_us = excluded.turn_us, neighbours = excluded.neighbours,
           busy_ppm = excluded.busy_ppm, read_us = excluded.read_us WHERE excluded.read_us >= read_us""",
        tenant,
        pool_of(route),
        *reading,
        read_us,
    )


def record_live(sql: Sql, tenant: str, route: Route, reading: PoolReading, output_tokens: int, seen_us: int) -> None:
    """Learn how an answer's time compares with what its own reading predicts for its length.

    It begins at one and moves by 1/8 of the difference: a single wait for a turn may be anything up to twice the mean,
    so the first answer says no more than any other.
    """
    alone_us = route.alone_us(output_tokens)
    ratio_ppm = seen_ratio_ppm(alone_us + waits_us(reading, alone_us)[0], seen_us)
    sql.execute(
        """INSERT INTO estimate (tenant, route, samples, ratio_ppm, failures, open_until_us, live_samples,
               live_ratio_ppm) VALUES (?, ?, 0, ?, 0, 0, 1, ?)
           ON CONFLICT (tenant, route) DO UPDATE SET live_samples = live_samples + 1,
           live_ratio_ppm = live_ratio_ppm + (? - live_ratio_ppm) / 8""",
        tenant,
        route.id,
        MILLION,
        MILLION + (ratio_ppm - MILLION) // 8,
        ratio_ppm,
    )
