"""Who can serve what, where, and at which price: the catalogue, and the routes compiled from it.

Three things are kept apart: a provider (who, where, what it attests), a model profile (what it can do), and an offer (a
provider serving a model at a dated price). A pool says how a GPU is shared. A route is offer x pool, compiled once into
the integers that estimates need. The catalogue holds no credential and no base URL in use: those are the host's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_args, get_origin, get_type_hints

from worker.covenant.regions import region_of
from worker.errors import CatalogueError

PRIORITIES = ("balanced", "cost_optimized", "max_performance", "max_security")
COMPLEXITIES = ("simple", "moderate", "complex")
MAX_INT: Final = 2**53 - 1
_MILLION: Final = 1_000_000
_KINDS: Final = {bool: "true or false", int: "a whole number", str: "a string"}
_VISIBLE: Final = frozenset(map(chr, range(33, 127))) - {","}


@dataclass(frozen=True, slots=True)
class Provider:
    """Who serves. `tier_factor_ppm`, by complexity: how many times worse a better-tier route must be to lose to it."""

    id: str
    name: str
    tier_factor_ppm: tuple[int, int, int]
    regions: tuple[str, ...]
    attests: tuple[str, ...]
    default_base_url: str
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """What a model can do. `failure_factor_ppm` scales the classifier's probability that the small model fails."""

    id: str
    context_window_tokens: int
    max_output_tokens: int
    failure_factor_ppm: int
    capabilities: tuple[str, ...]
    created: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider serving a model: the id it wants to hear, dated prices in micro-dollars per million tokens, speed."""

    provider: str
    model: str
    served_id: str
    pools: tuple[str, ...]
    input_usd_micros_per_mtok: int
    output_usd_micros_per_mtok: int
    first_token_us: int
    decode_us_per_token: int
    priced_on: str
    price_source: str


@dataclass(frozen=True, slots=True)
class Pool:
    """How a GPU is shared: ppm factors on the offer's speed and price, the wait for a turn, the risk of company."""

    id: str
    sharing_ratio: int
    slowdown_ppm: int
    wait_us: int
    price_ppm: int
    risk_ppm: int
    private: bool


@dataclass(frozen=True, slots=True)
class PoolConfiguration:
    """How a pool is asked to schedule for one priority (design: pools, what a priority means)."""

    scheduling: str
    optimisation: str
    guaranteed_share_percent: int


@dataclass(frozen=True, slots=True)
class Weights:
    """One priority's lambdas, as microseconds per unit, and its risk bound; `private_only` fails closed."""

    cost_us_per_usd_micro: int
    risk_us_per_ppm: int
    improbability_us_per_micronat: int
    max_risk_ppm: int
    private_only: bool
    pools: Mapping[str, PoolConfiguration]


@dataclass(frozen=True, slots=True)
class QualityFloors:
    """Least success probability (ppm) a spoken quality asks for."""

    high_ppm: int
    medium_ppm: int
    low_ppm: int
    unspoken_ppm: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The whole table, as an operator edits it."""

    version: str
    providers: tuple[Provider, ...]
    models: tuple[Model, ...]
    offers: tuple[Offer, ...]
    pools: tuple[Pool, ...]
    weights: Mapping[str, Weights]
    quality_floors: QualityFloors
    horizon_us: int
    min_output_tokens: int
    image_tokens_bound: int


class Route(NamedTuple):
    """Provider + model + pool, with everything static an estimate needs. A tuple: read per candidate per request.

    Prices are micro-dollars per million tokens with the pool's factor applied.
    """

    id: str
    provider: str
    model: str
    pool: str
    served_id: str
    input_price: int
    output_price: int
    first_token_us: int
    us_per_token: int
    risk_ppm: int
    failure_factor_ppm: int
    context_window_tokens: int
    max_output_tokens: int
    capabilities: frozenset[str]
    regions: frozenset[str]
    attests: frozenset[str]
    tier_factor_ppm: tuple[int, int, int]
    private: bool
    simulated: bool


class CompiledCatalogue(NamedTuple):
    """What the request path reads: routes in catalogue order, and which of them a model name stands for."""

    source: Catalogue
    routes: tuple[Route, ...]
    by_id: Mapping[str, Route]
    by_name: Mapping[str, tuple[int, ...]]
    canonical: Mapping[str, Any]


def _index(kind: str, items: tuple[Any, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        if item.id in found:
            raise CatalogueError(f"{kind} {item.id!r} is listed twice")
        found[item.id] = item
    return found


def _look_up(kind: str, table: Mapping[str, Any], key: str, offer: Offer) -> Any:
    if key not in table:
        raise CatalogueError(f"the offer {offer.provider}/{offer.model} names the unknown {kind} {key!r}")
    return table[key]


def _route(offer: Offer, provider: Provider, model: Model, pool: Pool) -> Route:
    return Route(
        id=f"{provider.id}/{model.id}@{pool.id}",
        provider=provider.id,
        model=model.id,
        pool=pool.id,
        served_id=offer.served_id,
        input_price=-(-offer.input_usd_micros_per_mtok * pool.price_ppm // 1_000_000),
        output_price=-(-offer.output_usd_micros_per_mtok * pool.price_ppm // 1_000_000),
        first_token_us=offer.first_token_us + pool.wait_us,
        us_per_token=offer.decode_us_per_token * pool.slowdown_ppm // 1_000_000,
        risk_ppm=pool.risk_ppm,
        failure_factor_ppm=model.failure_factor_ppm,
        context_window_tokens=model.context_window_tokens,
        max_output_tokens=model.max_output_tokens,
        capabilities=frozenset(model.capabilities),
        regions=frozenset(region_of(code) or code for code in provider.regions),
        attests=frozenset(provider.attests),
        tier_factor_ppm=provider.tier_factor_ppm,
        private=pool.private,
        simulated=provider.simulated,
    )


def compile_catalogue(catalogue: Catalogue) -> CompiledCatalogue:
    """Check the catalogue against itself and lay out its routes.

    Raises: CatalogueError for duplicate ids, dangling references, a missing priority or a number out of range.
    """
    providers, models, pools = (
        _index("provider", catalogue.providers),
        _index("model", catalogue.models),
        _index("pool", catalogue.pools),
    )
    _check_ids(catalogue)
    _check_numbers(catalogue)
    _check_weights(catalogue, pools)
    routes: list[Route] = []
    names: dict[str, list[int]] = {}
    for offer in catalogue.offers:
        provider = _look_up("provider", providers, offer.provider, offer)
        model = _look_up("model", models, offer.model, offer)
        for pool_id in offer.pools:
            routes.append(_route(offer, provider, model, _look_up("pool", pools, pool_id, offer)))
            for name in {"auto", model.id, f"{provider.id}/{model.id}", f"{provider.id}/{offer.served_id}"}:
                names.setdefault(name, []).append(len(routes) - 1)
    by_id = {route.id: route for route in routes}
    if len(by_id) != len(routes):
        raise CatalogueError("two offers make the same provider/model@pool")
    return CompiledCatalogue(
        source=catalogue,
        routes=tuple(routes),
        by_id=MappingProxyType(by_id),
        by_name=MappingProxyType({name: tuple(where) for name, where in names.items()}),
        canonical=to_plain(catalogue),
    )


def _check_ids(catalogue: Catalogue) -> None:
    """Ids travel in headers, and in records whose parts are told apart by blanks and commas."""
    ids = [provider.id for provider in catalogue.providers]
    ids += [model.id for model in catalogue.models] + [pool.id for pool in catalogue.pools]
    for name in ids:
        if not name or not _VISIBLE.issuperset(name) or name == "auto":
            raise CatalogueError(f"the id {name!r} must be visible ASCII without blanks and commas, and not 'auto'")


def _check_numbers(catalogue: Catalogue) -> None:
    for provider in catalogue.providers:
        if min(provider.tier_factor_ppm) < _MILLION:
            raise CatalogueError(f"the provider {provider.id!r} has a tier factor below one")
    for offer in catalogue.offers:
        numbers = (offer.input_usd_micros_per_mtok, offer.output_usd_micros_per_mtok, offer.first_token_us)
        if min(numbers) < 0 or offer.decode_us_per_token < 1:
            raise CatalogueError(f"the offer {offer.provider}/{offer.model} has a negative price or time")
    for pool in catalogue.pools:
        numbers = (pool.price_ppm, pool.slowdown_ppm, pool.wait_us)
        if not 0 <= pool.risk_ppm <= _MILLION or min(numbers) < 0 or pool.sharing_ratio < 0:
            raise CatalogueError(f"the pool {pool.id!r} has a number out of range")
    for model in catalogue.models:
        if not 1 <= model.max_output_tokens <= model.context_window_tokens:
            raise CatalogueError(f"the model {model.id!r}: max_output_tokens must be within its context window")
        if model.failure_factor_ppm < 0 or model.created < 0:
            raise CatalogueError(f"the model {model.id!r} has a negative number")
    floors = catalogue.quality_floors
    chances = (floors.high_ppm, floors.medium_ppm, floors.low_ppm, floors.unspoken_ppm)
    if min(chances) < 1 or max(chances) > _MILLION:  # a route that is sure to fail is never admissible
        raise CatalogueError("quality_floors must be from 1 to 1000000 ppm")
    if catalogue.horizon_us < 1 or catalogue.min_output_tokens < 1 or catalogue.image_tokens_bound < 0:
        raise CatalogueError("horizon_us and min_output_tokens must be positive, image_tokens_bound not negative")


def _check_weights(catalogue: Catalogue, pools: Mapping[str, Pool]) -> None:
    if set(catalogue.weights) != set(PRIORITIES):
        raise CatalogueError(f"weights must have exactly the priorities {', '.join(PRIORITIES)}")
    for priority, weights in catalogue.weights.items():
        numbers = (weights.cost_us_per_usd_micro, weights.risk_us_per_ppm, weights.improbability_us_per_micronat)
        if min(numbers) < 0 or not 0 <= weights.max_risk_ppm <= _MILLION:
            raise CatalogueError(f"the weights of {priority!r} have a number out of range")
        for pool, configuration in weights.pools.items():
            if pool not in pools or not 0 <= configuration.guaranteed_share_percent <= 100:
                raise CatalogueError(f"the weights of {priority!r}: unknown pool {pool!r}, or a share out of range")


def to_plain(value: Any) -> Any:
    """A catalogue value as dicts, lists, strings and integers; the inverse of `parse_catalogue`."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: to_plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def parse_catalogue(plain: Any) -> Catalogue:
    """A catalogue from plain JSON-like values; nothing is converted, unknown and missing fields are refused.

    Raises: CatalogueError naming the first wrong field.
    """
    catalogue: Catalogue = _read(Catalogue, plain, "catalogue")
    return catalogue


def _read(kind: Any, plain: Any, where: str) -> Any:
    """`plain` as a value of the annotated type `kind`: a dataclass, tuple, mapping, string, integer or boolean."""
    if is_dataclass(kind):
        return _read_dataclass(kind, plain, where)
    container, inner = get_origin(kind), get_args(kind)
    if container is tuple:
        if not isinstance(plain, list | tuple):
            raise CatalogueError(f"{where} must be a list")
        kinds = (inner[0],) * len(plain) if inner[1] is Ellipsis else inner
        if len(plain) != len(kinds):
            raise CatalogueError(f"{where} must have {len(kinds)} items")
        return tuple(_read(k, item, f"{where}[{at}]") for at, (k, item) in enumerate(zip(kinds, plain, strict=True)))
    if container is not None:
        return {key: _read(inner[1], item, f"{where}.{key}") for key, item in _object(plain, where).items()}
    if type(plain) is not kind:
        raise CatalogueError(f"{where} must be {_KINDS[kind]}")
    if kind is int and not -MAX_INT <= plain <= MAX_INT:
        raise CatalogueError(f"{where} must be within 2^53-1")
    return plain


def _read_dataclass(kind: Any, plain: Any, where: str) -> Any:
    hints, given = get_type_hints(kind), _object(plain, where)
    unknown = sorted(set(given) - set(hints))
    missing = [f.name for f in fields(kind) if f.name not in given and f.default is MISSING]
    if unknown or missing:
        problem = f"has no field {unknown[0]!r}" if unknown else f"lacks the field {missing[0]!r}"
        raise CatalogueError(f"{where} {problem}")
    return kind(**{name: _read(hints[name], item, f"{where}.{name}") for name, item in given.items()})


def _object(plain: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(plain, Mapping) or not all(isinstance(key, str) for key in plain):
        raise CatalogueError(f"{where} must be an object")
    return plain
