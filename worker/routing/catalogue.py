"""The routes compiled from the catalogue's tables: who can serve what, where, and at which price, and by which names.

A route is offer x pool, compiled once into the integers that estimates need. A name stands for one or more routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from worker.covenant.regions import region_of
from worker.errors import CatalogueError, UnknownModel
from worker.routing.catalogue_codec import MAX_INT, to_plain
from worker.routing.deployments import provider_of_deployment
from worker.routing.labels import Label, check_label, fold_ascii
from worker.routing.tables import (
    CHAT,
    ENDPOINTS,
    RESPONSES,
    Catalogue,
    Model,
    Offer,
    Pool,
    PoolConfiguration,
    Provider,
    QualityFloors,
    Weights,
    parse_catalogue,
)

#: The tables' own names are part of this module, so that a reader of routes needs one import.
__all__ = [
    "AUTO",
    "COMPLEXITIES",
    "MAX_INT",
    "PRIORITIES",
    "Catalogue",
    "CompiledCatalogue",
    "Label",
    "LabelRoutes",
    "Model",
    "Offer",
    "Pool",
    "PoolConfiguration",
    "Provider",
    "QualityFloors",
    "Route",
    "Weights",
    "compile_catalogue",
    "parse_catalogue",
    "pool_of",
    "to_plain",
]

PRIORITIES = ("balanced", "cost_optimized", "max_performance", "max_security")
COMPLEXITIES = ("simple", "moderate", "complex")
AUTO: Final = "auto"
_MILLION: Final = 1_000_000
_VISIBLE: Final = frozenset(map(chr, range(33, 127))) - {","}


class Route(NamedTuple):
    """Provider + model + pool, with everything static an estimate needs. A tuple: read per candidate per request.

    Prices are micro-dollars per million tokens with the pool's factor applied. The last three are for a pool that
    says how it is shared now: the times on a card of one's own, and whether there can be neighbours at all.
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
    template_options: bool
    preferences: bool
    alone_first_token_us: int
    alone_us_per_token: int
    is_shared: bool

    def alone_us(self, output_tokens: int) -> int:
        """The time to the full answer on a card of one's own."""
        return self.alone_first_token_us + self.alone_us_per_token * output_tokens


def pool_of(route: Route) -> str:
    """What a route's pool is called among those of all providers, who don't share one, whatever they call it."""
    return f"{route.provider}@{route.pool}"


class LabelRoutes(NamedTuple):
    """What a label makes of the catalogue's routes, at the same positions: each within the label's context limit.

    `unasked` holds for requests that set no output limit themselves: there the label's is in force too.
    """

    label: Label
    asked: tuple[Route, ...]
    unasked: tuple[Route, ...]


class CompiledCatalogue(NamedTuple):
    """What the request path reads: routes in catalogue order, and which of them a model name stands for.

    `folded`: the names that match in any ASCII case, by their lower case. `labels`: by every name that is a label's.
    """

    source: Catalogue
    routes: tuple[Route, ...]
    by_id: Mapping[str, Route]
    by_name: Mapping[str, tuple[int, ...]]
    canonical: Mapping[str, Any]
    folded: Mapping[str, str]
    labels: Mapping[str, LabelRoutes]

    def name_of(self, model: str) -> str:
        """The name that `model` is a spelling of: labels and providers match in any ASCII case, models as written.

        A deployment name stands for its provider.

        Raises: UnknownModel.
        """
        if model in self.by_name:
            return model
        provider, slash, rest = model.partition("/")
        spellings = [model]
        if slash:
            prefixes = (fold_ascii(provider), provider_of_deployment(provider) or provider)
            spellings += [f"{prefix}/{rest}" for prefix in prefixes]
        for spelling in spellings:
            found = self.folded.get(fold_ascii(spelling), spelling)
            if found in self.by_name:
                return found
        raise UnknownModel(
            f'the model "{model[:64]}" is not in the catalogue; GET /v1/models lists what is, and "auto" lets Harpoon '
            "choose",
            param="model",
        )

    def label_of(self, model: str) -> LabelRoutes | None:
        """The label that `model` names, if it names one. Raises: UnknownModel."""
        return self.labels.get(self.name_of(model))


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
        capabilities=_capabilities(provider, model),
        regions=frozenset(region_of(code) or code for code in provider.regions),
        attests=frozenset(provider.attests),
        tier_factor_ppm=provider.tier_factor_ppm,
        private=pool.private,
        simulated=provider.simulated,
        template_options=provider.template_options,
        preferences=provider.preferences,
        alone_first_token_us=offer.first_token_us,
        alone_us_per_token=offer.decode_us_per_token,
        is_shared=pool.sharing_ratio > 1,
    )


def _capabilities(provider: Provider, model: Model) -> frozenset[str]:
    """What the model can do, less what this provider has no endpoint for. Raises: CatalogueError."""
    if not ENDPOINTS.issuperset(provider.endpoints):
        raise CatalogueError(f"the provider {provider.id!r}: endpoints are {', '.join(sorted(ENDPOINTS))}")
    wanted = set(model.capabilities)
    if CHAT in wanted:
        wanted.add(RESPONSES)
    return frozenset(wanted - (ENDPOINTS - set(provider.endpoints)))


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
            own = {model.id, f"{provider.id}/{model.id}", f"{provider.id}/{offer.served_id}"}
            for name in own | ({AUTO} if CHAT in model.capabilities else set()):
                names.setdefault(name, []).append(len(routes) - 1)
    by_id = {route.id: route for route in routes}
    if len(by_id) != len(routes):
        raise CatalogueError("two offers make the same provider/model@pool")
    folded, labels = _name_groups(catalogue, tuple(routes), names, models)
    return CompiledCatalogue(
        source=catalogue,
        routes=tuple(routes),
        by_id=MappingProxyType(by_id),
        by_name=MappingProxyType({name: tuple(where) for name, where in names.items()}),
        canonical=to_plain(catalogue),
        folded=MappingProxyType(folded),
        labels=MappingProxyType(labels),
    )


def _name_groups(
    catalogue: Catalogue, routes: tuple[Route, ...], names: dict[str, list[int]], models: Mapping[str, Model]
) -> tuple[dict[str, str], dict[str, LabelRoutes]]:
    """Add to `names` what stands for routes of several models: `<provider>/auto`, labels, `<provider>/<label>`.

    Returns: those names by their lower case, and the labels by name. Raises: CatalogueError if two names are one.
    """
    groups: dict[str, list[int]] = {}
    for at, route in enumerate(routes):
        if CHAT in models[route.model].capabilities:
            groups.setdefault(f"{route.provider}/{AUTO}", []).append(at)
    labels: dict[str, LabelRoutes] = {}
    for label in catalogue.labels:
        check_label(label)
        unknown = [model for model in label.models if model not in models]
        if unknown:
            raise CatalogueError(f"the label {label.id!r} names the unknown model {unknown[0]!r}")
        served = [(at, route.provider) for at, route in enumerate(routes) if route.model in label.models]
        found: dict[str, list[int]] = {}
        for name in (label.id, *label.names):
            for at, provider in served:
                found.setdefault(name, []).append(at)
                if name == label.id:
                    found.setdefault(f"{provider}/{name}", []).append(at)
        if groups.keys() & found.keys() or len({label.id, *label.names}) != 1 + len(label.names):
            raise CatalogueError(f"a name of the label {label.id!r} is listed twice")
        groups.update(found)
        labels.update(dict.fromkeys(found, _label_routes(label, routes)))
    folded = {fold_ascii(name): name for name in groups}
    taken = {fold_ascii(name) for name in names}
    clash = [name for name in groups if fold_ascii(name) in taken]
    if clash or len(folded) != len(groups):
        raise CatalogueError(f"two things are called {(clash or sorted(groups))[0]!r}, but for upper and lower case")
    names.update(groups)
    return folded, labels


def _label_routes(label: Label, routes: tuple[Route, ...]) -> LabelRoutes:
    window, output = label.context_limit_tokens or MAX_INT, label.max_output_tokens or MAX_INT
    asked = tuple(
        route._replace(
            context_window_tokens=min(route.context_window_tokens, window),
            max_output_tokens=min(route.max_output_tokens, window),
        )
        for route in routes
    )
    unasked = tuple(route._replace(max_output_tokens=min(route.max_output_tokens, output)) for route in asked)
    return LabelRoutes(label, asked, unasked)


def _check_ids(catalogue: Catalogue) -> None:
    """Ids travel in headers, and in records whose parts are told apart by blanks and commas."""
    ids = [provider.id for provider in catalogue.providers]
    ids += [model.id for model in catalogue.models] + [pool.id for pool in catalogue.pools]
    ids += [name for label in catalogue.labels for name in (label.id, *label.names)]
    for name in ids:
        if not name or not _VISIBLE.issuperset(name) or fold_ascii(name) == AUTO:
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
