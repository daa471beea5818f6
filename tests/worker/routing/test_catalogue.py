"""The catalogue: checked against itself, laid out as routes, and read from plain values without any guessing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.decision_kit import ALPHA, BETA, CATALOGUE, offer, provider, weights
from worker.errors import CatalogueError
from worker.ledger.canonical import canonical_json
from worker.routing.catalogue import (
    PRIORITIES,
    Catalogue,
    CompiledCatalogue,
    Model,
    PoolConfiguration,
    QualityFloors,
    compile_catalogue,
    parse_catalogue,
    to_plain,
)
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.strict_json import parse_json

SPATIAL = PoolConfiguration("spatial", "test", 100)
POOL = CATALOGUE.pools[0]
MODEL = CATALOGUE.models[0]


def test_a_route_is_an_offer_in_a_pool() -> None:
    dear = replace(POOL, id="dear", price_ppm=1_500_001, slowdown_ppm=2_500_000, wait_us=7, risk_ppm=9, private=False)
    catalogue = replace(CATALOGUE, pools=(POOL, dear), offers=(offer("alpha", 1, pools=("dear", "solo")),))
    compiled = compile_catalogue(catalogue)
    assert [route.id for route in compiled.routes] == ["alpha/m@dear", "alpha/m@solo"]
    route = compiled.by_id["alpha/m@dear"]
    assert (route.input_price, route.output_price) == (2, 4)  # prices round up
    assert (route.first_token_us, route.us_per_token) == (100_007, 2_500)
    assert (route.risk_ppm, route.private, route.regions) == (9, False, frozenset({"DE"}))


def test_names_stand_for_routes() -> None:
    catalogue = replace(CATALOGUE, offers=(CATALOGUE.offers[0], offer("beta", 1, served_id="org/m-fast")))
    compiled = compile_catalogue(catalogue)
    assert dict(compiled.by_name) == {
        "auto": (0, 1),
        "m": (0, 1),
        "alpha/auto": (0,),
        "beta/auto": (1,),
        "alpha/m": (0,),
        "beta/m": (1,),
        "beta/org/m-fast": (1,),
    }


def test_nothing_compiled_can_be_changed() -> None:
    compiled = compile_catalogue(CATALOGUE)
    for table in (compiled.by_id, compiled.by_name, compiled.folded, compiled.labels):
        with pytest.raises(TypeError):
            table["x"] = 1  # type: ignore[index]


def floors(**changes: int) -> Catalogue:
    return replace(CATALOGUE, quality_floors=replace(CATALOGUE.quality_floors, **changes))


def one_weight(**changes: Any) -> Catalogue:
    return replace(CATALOGUE, weights={**CATALOGUE.weights, "balanced": weights(**changes)})


def one_offer(**changes: Any) -> Catalogue:
    return replace(CATALOGUE, offers=(offer("alpha", 1, **changes),))


CONTRADICTIONS: dict[str, Catalogue] = {
    "provider twice": replace(CATALOGUE, providers=(*CATALOGUE.providers, provider("alpha"))),
    "model twice": replace(CATALOGUE, models=(MODEL, MODEL)),
    "pool twice": replace(CATALOGUE, pools=(POOL, POOL)),
    "route twice": replace(CATALOGUE, offers=(*CATALOGUE.offers, offer("alpha", 9))),
    "pool twice in an offer": one_offer(pools=("solo", "solo")),
    "unknown provider": replace(CATALOGUE, offers=(offer("gamma", 1),)),
    "unknown model": one_offer(model="n"),
    "unknown pool": one_offer(pools=("solo", "duo")),
    "an endpoint that nobody knows": replace(CATALOGUE, providers=(provider("alpha", endpoints=("chat", "speech")),)),
    "a blank in an id": replace(CATALOGUE, providers=(provider("al pha"),)),
    "a comma in an id": replace(CATALOGUE, providers=(provider("al,pha"),)),
    "an empty id": replace(CATALOGUE, models=(replace(MODEL, id=""),)),
    "a line feed in an id": replace(CATALOGUE, pools=(replace(POOL, id="so\nlo"),)),
    "an id that is not ASCII": replace(CATALOGUE, models=(replace(MODEL, id="modèle"),)),
    "a model called auto": replace(CATALOGUE, models=(replace(MODEL, id="auto"),)),
    "a tier factor below one": replace(
        CATALOGUE, providers=(provider("alpha", tier_factor_ppm=(999_999, 2_000_000, 2_000_000)),)
    ),
    "a negative price": one_offer(input_usd_micros_per_mtok=-1),
    "a negative output price": one_offer(output_usd_micros_per_mtok=-1),
    "a negative time": one_offer(first_token_us=-1),
    "no time": one_offer(decode_us_per_token=0),
    "a risk above one": replace(CATALOGUE, pools=(replace(POOL, risk_ppm=1_000_001),)),
    "a negative risk": replace(CATALOGUE, pools=(replace(POOL, risk_ppm=-1),)),
    "a negative slowdown": replace(CATALOGUE, pools=(replace(POOL, slowdown_ppm=-1),)),
    "a negative pool price": replace(CATALOGUE, pools=(replace(POOL, price_ppm=-1),)),
    "a negative wait": replace(CATALOGUE, pools=(replace(POOL, wait_us=-1),)),
    "a negative ratio": replace(CATALOGUE, pools=(replace(POOL, sharing_ratio=-1),)),
    "no output": replace(CATALOGUE, models=(replace(MODEL, max_output_tokens=0),)),
    "more output than context": replace(CATALOGUE, models=(replace(MODEL, max_output_tokens=1_001),)),
    "a negative failure factor": replace(CATALOGUE, models=(replace(MODEL, failure_factor_ppm=-1),)),
    "a model from before 1970": replace(CATALOGUE, models=(replace(MODEL, created=-1),)),
    "a floor of zero": floors(low_ppm=0),
    "an unspoken floor of zero": floors(unspoken_ppm=0),
    "a floor above one": floors(high_ppm=1_000_001),
    "no horizon": replace(CATALOGUE, horizon_us=0),
    "no output at least": replace(CATALOGUE, min_output_tokens=0),
    "images that give tokens back": replace(CATALOGUE, image_tokens_bound=-1),
    "a priority missing": replace(CATALOGUE, weights={p: weights() for p in PRIORITIES if p != "balanced"}),
    "a priority unheard of": replace(CATALOGUE, weights={**CATALOGUE.weights, "greedy": weights()}),
    "a lambda on cost below zero": one_weight(cost_us_per_usd_micro=-1),
    "a lambda on risk below zero": one_weight(risk_us_per_ppm=-1),
    "a lambda on failure below zero": one_weight(improbability_us_per_micronat=-1),
    "a risk bound above one": one_weight(max_risk_ppm=1_000_001),
    "a configuration of no pool": one_weight(pools={"duo": SPATIAL}),
    "a share above all": one_weight(pools={"solo": replace(SPATIAL, guaranteed_share_percent=101)}),
}


@pytest.mark.parametrize("catalogue", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_catalogue_that_contradicts_itself_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError):
        compile_catalogue(catalogue)


@pytest.mark.parametrize("catalogue", [CATALOGUE, DEFAULT_CATALOGUE], ids=["small", "default"])
def test_a_catalogue_survives_its_plain_form_and_its_json(catalogue: Catalogue) -> None:
    plain = to_plain(catalogue)
    assert parse_catalogue(plain) == catalogue
    assert parse_catalogue(parse_json(canonical_json(plain))) == catalogue
    assert to_plain(parse_catalogue(plain)) == plain


def test_a_field_with_a_default_may_be_left_out() -> None:
    plain = to_plain(CATALOGUE)
    for item in plain["providers"]:
        del item["simulated"]
    assert parse_catalogue(plain) == CATALOGUE


Path = tuple[str | int, ...]


def edited(path: Path, edit: Callable[[Any, Any], None]) -> Any:
    plain = copy.deepcopy(to_plain(CATALOGUE))
    inner: Any = plain
    for step in path[:-1]:
        inner = inner[step]
    edit(inner, path[-1])
    return plain


def put(value: Any) -> Callable[[Any, Any], None]:
    def edit(inner: Any, key: Any) -> None:
        inner[key] = value

    return edit


def drop(inner: Any, key: Any) -> None:
    del inner[key]


def paths(value: Any, path: Path = ()) -> list[Path]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths(item, (*path, key))
    return found


EVERY_PATH = paths(to_plain(CATALOGUE))
MALFORMED: list[Any] = [None, [], "catalogue", 7, {}, {"catalogue": {}}]
MALFORMED += [edited((*path, "surprise"), put(1)) for path in [(), ("providers", 0), ("weights", "balanced")]]
MALFORMED += [edited(("horizon_us",), put(value)) for value in (1.5, 120.0, "5", True, None, [1], 2**53)]
MALFORMED += [edited(("version",), put(value)) for value in (5, None, ["1"], True)]
MALFORMED += [edited(("providers", 0, "simulated"), put(value)) for value in (1, 0, "yes", None)]
MALFORMED += [edited(("providers", 0, "regions"), put(value)) for value in ("DE", {"DE": 1}, [1], None)]
MALFORMED += [edited(("providers", 0, "tier_factor_ppm"), put(value)) for value in ([1, 2], [1] * 4, [1, 2, 3.0], 1)]
MALFORMED += [edited(("providers",), put(value)) for value in ({}, "alpha", [[]], [None])]
MALFORMED += [edited(("weights",), put(value)) for value in ([], None, "balanced", {1: {}}, {"balanced": None})]
# Only what has a default, and what a priority says of a pool, may be absent.
OPTIONAL = ("simulated", "template_options", "endpoints", "preferences", "labels", "solo")
MALFORMED += [edited(path, drop) for path in EVERY_PATH if isinstance(path[-1], str) and path[-1] not in OPTIONAL]


@pytest.mark.parametrize("plain", MALFORMED, ids=[str(at) for at in range(len(MALFORMED))])
def test_malformed_tables_end_in_one_way(plain: Any) -> None:
    with pytest.raises(CatalogueError):
        compile_catalogue(parse_catalogue(plain))


@pytest.mark.parametrize("path", EVERY_PATH, ids=[".".join(map(str, path)) for path in EVERY_PATH])
def test_a_fraction_is_refused_everywhere(path: Path) -> None:
    with pytest.raises(CatalogueError):
        parse_catalogue(edited(path, put(1.0)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(EVERY_PATH), JSON)
def test_any_edit_is_read_back_or_refused(path: Path, value: Any) -> None:
    plain = edited(path, put(value))
    try:
        catalogue = parse_catalogue(plain)
        compiled: CompiledCatalogue | None = compile_catalogue(catalogue)
    except CatalogueError:
        return
    assert compiled is not None
    assert json.dumps(to_plain(catalogue), sort_keys=True) == json.dumps(plain, sort_keys=True)


def test_the_default_catalogue_says_when_and_where_its_prices_come_from() -> None:
    for item in DEFAULT_CATALOGUE.offers:
        year, month, day = item.priced_on.split("-")
        assert int(year) >= 2024
        assert 1 <= int(month) <= 12
        assert 1 <= int(day) <= 31
        assert item.price_source


def test_the_default_catalogue_compiles_into_every_tier() -> None:
    compiled = compile_catalogue(DEFAULT_CATALOGUE)
    providers = {"hosted-ai", "simulator", "native", "workers-ai", "groq", "openai", "openrouter"}
    assert {route.provider for route in compiled.routes} == providers
    # Vectors of different models can't be compared, so nobody but the caller chooses between those.
    embedding = {at for at, route in enumerate(compiled.routes) if "embeddings" in route.capabilities}
    assert set(compiled.by_name["auto"]) == set(range(len(compiled.routes))) - embedding
    assert {compiled.routes[at].provider for at in embedding} == {"openai", "simulator", "workers-ai"}
    assert set(DEFAULT_CATALOGUE.weights) == set(PRIORITIES)
    factors = {item.id: item.tier_factor_ppm for item in DEFAULT_CATALOGUE.providers}
    for column in range(3):  # hosted.ai, then Groq, then OpenAI
        assert factors["hosted-ai"][column] < factors["groq"][column] < factors["openai"][column]
    assert factors["workers-ai"][0] < factors["groq"][0]  # the edge tier is for simple requests


def test_the_values_are_what_they_are_called() -> None:
    assert QualityFloors(3, 2, 1, 1) == replace(CATALOGUE.quality_floors, high_ppm=3, medium_ppm=2)
    assert Model("m", 1_000, 100, 1_000_000, ("chat", "json"), 1_700_000_000) == MODEL
    assert list(compile_catalogue(CATALOGUE).by_id) == [ALPHA, BETA]


def test_a_route_has_the_endpoints_that_its_provider_and_its_model_have() -> None:
    def capabilities(endpoints: tuple[str, ...], *model: str) -> frozenset[str]:
        models = (replace(CATALOGUE.models[0], capabilities=model),)
        only = replace(CATALOGUE, providers=(provider("alpha", endpoints=endpoints),), models=models)
        return compile_catalogue(replace(only, offers=(offer("alpha", 1),))).routes[0].capabilities

    assert capabilities(("chat",), "chat", "json") == {"chat", "json"}
    assert capabilities(("chat", "responses"), "chat", "json") == {"chat", "json", "responses"}
    assert capabilities(("chat", "responses", "embeddings"), "embeddings") == {"embeddings"}
    assert capabilities(("chat",), "embeddings") == frozenset()
