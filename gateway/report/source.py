"""Where a report's decisions and its baseline's price come from: a running Harpoon, or files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from gateway.commands.batch import opened
from gateway.failure import ClientFailed, CommandFailed
from gateway.output import Working
from gateway.report.facts import RequestFact, read_facts, read_lines
from worker.errors import HarpoonError
from worker.ledger.sha3 import sha3_256
from worker.routing.catalogue import Catalogue, CompiledCatalogue, Route, compile_catalogue, parse_catalogue, to_plain
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.routing.identity import hash_of
from worker.strict_json import parse_json

if TYPE_CHECKING:
    from gateway.client import Client

_AGE = re.compile(r"([0-9]{1,6})\s*(m|h|d|w)", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Prices(NamedTuple):
    """The catalogue that a baseline's price is taken from, its hashes, and where it came from, in words."""

    catalogue: CompiledCatalogue
    hashes: frozenset[str]
    source: str

    @property
    def simulated(self) -> frozenset[str]:
        """Ids of the providers that are simulated; `simulator` by its name, whatever the catalogue lists now."""
        listed = {provider.id for provider in self.catalogue.source.providers if provider.simulated}
        return frozenset(listed | {"simulator"})


def since_us(text: str, now_us: int) -> int:
    """The start that `24h`, `7d`, a date or an RFC 3339 time names, in us since 1970. Raises: CommandFailed."""
    if not text:
        return 0
    age = _AGE.fullmatch(text.strip())
    if age is not None:
        return now_us - timedelta(**{_UNITS[age[2]]: int(age[1])}) // timedelta(microseconds=1)
    try:
        start = datetime.fromisoformat(text)
    except ValueError as problem:
        raise CommandFailed(
            f"--since {text!r} is no time: say 24h, 7d, 2026-11-20 or 2026-11-20T08:00:00Z"
        ) from problem
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    return (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def facts_of_file(name: str, prices: Prices, start_us: int) -> list[RequestFact]:
    """The facts of an exported file, `-` = standard input. Raises: CommandFailed."""
    with opened(name) as lines:
        facts = read_facts(_counted(lines, name), prices.simulated)
    return [fact for fact in facts if fact.at_us >= start_us]


def _counted(lines: BinaryIO, name: str) -> Any:
    with Working("decisions read") as working:
        for decision in read_lines(lines, name):
            working.advance()
            yield decision


def facts_of_server(client: Client, prices: Prices, start_us: int) -> list[RequestFact]:
    """The facts of all the caller's decisions since then. Raises: CommandFailed."""
    found: list[RequestFact] = []
    with Working("decisions read") as working:
        for decision in client.decisions(start_us):
            found += read_facts([decision], prices.simulated)
            working.advance()
    return found[::-1]


def server_prices(client: Client) -> Prices:
    """The catalogue a server decides with; the built-in one where the server does not tell. Raises: CommandFailed."""
    try:
        answer = client.get("/v2/catalogue")
    except ClientFailed as problem:
        if problem.http_status != 404:
            raise
        return default_prices()
    try:
        return _shown_prices(answer, "the catalogue of the server")
    except (KeyError, TypeError) as problem:
        raise ClientFailed(f"what answers at {client.base} is not Harpoon") from problem


def default_prices() -> Prices:
    """The built-in catalogue, with the hashes it has with and without its simulator."""
    return Prices(
        compile_catalogue(DEFAULT_CATALOGUE),
        _hashes(DEFAULT_CATALOGUE),
        f"the built-in catalogue {DEFAULT_CATALOGUE.version}",
    )


def file_prices(path: Path) -> Prices:
    """A catalogue in a file, as `harpoon catalogue` prints it or GET /v2/catalogue answers. Raises: CommandFailed."""
    try:
        plain = parse_json(path.read_bytes())
        source = f"the catalogue {path}"
        if isinstance(plain, Mapping) and plain.keys() >= {"catalogue", "catalogue_hash"}:
            return _shown_prices(plain, source)
        return _prices(plain, source)
    except OSError as problem:
        raise CommandFailed(f"{path} can't be read: {problem.strerror}") from problem
    except HarpoonError as problem:
        raise CommandFailed(f"{path}: {problem.message}") from problem
    except (KeyError, TypeError) as problem:
        raise CommandFailed(f"{path} is no catalogue; `harpoon catalogue` prints one") from problem


def _shown_prices(answer: Mapping[str, Any], source: str) -> Prices:
    """What GET /v2/catalogue answers; the addresses of providers, which a server keeps to itself, stay empty.

    Raises: CommandFailed; KeyError or TypeError for what is no such answer.
    """
    shown = answer["catalogue"]
    providers = [{"default_base_url": "", **provider} for provider in shown["providers"]]
    prices = _prices({**shown, "providers": providers}, source)
    return prices._replace(hashes=frozenset({str(answer["catalogue_hash"])}))


def _prices(plain: Any, source: str) -> Prices:
    try:
        catalogue = parse_catalogue(plain)
        return Prices(compile_catalogue(catalogue), _hashes(catalogue), source)
    except HarpoonError as problem:
        raise CommandFailed(f"{source} can't be used: {problem.message}") from problem


def _hashes(catalogue: Catalogue) -> frozenset[str]:
    """The hash of the catalogue, and of what is in force of it where a real provider makes the simulator step back."""
    simulated = {provider.id for provider in catalogue.providers if provider.simulated}
    without = replace(
        catalogue,
        providers=tuple(provider for provider in catalogue.providers if provider.id not in simulated),
        offers=tuple(offer for offer in catalogue.offers if offer.provider not in simulated),
    )
    return frozenset(hash_of(to_plain(one), sha3_256) for one in (catalogue, without))


def baseline_route(prices: Prices, name: str) -> Route:
    """The route that a baseline's name stands for: a route's id, or a name's cheapest route, so that no saving is
    talked up. Raises: CommandFailed listing what there is.
    """
    catalogue = prices.catalogue
    if name in catalogue.by_id:
        return catalogue.by_id[name]
    routes = [catalogue.routes[position] for position in catalogue.by_name.get(name, ())]
    if not routes or name == "auto":
        offers = sorted({f"{route.provider}/{route.model}" for route in catalogue.routes})
        raise CommandFailed(f"--baseline {name!r} is not in {prices.source}; it has {', '.join(offers)}")
    return min(routes, key=lambda route: (route.input_price + route.output_price, route.id))
