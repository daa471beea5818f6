"""Models of how long a route takes, as canon items: only one that is CANON has a say in any decision.

An item's content has the member `ttv`: {"route", "horizon_us", "mean_us", "low_us", "high_us", "samples", "reached",
"catalogue_us", "ratio_ppm", "decisions", ...}. `ratio_ppm` is what the route took over what the catalogue says; a
decision multiplies the catalogue's time by it, in the place of the moving average that a tenant's answers leave behind.
Of several models of one route the one that came to CANON last is in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from worker.canon.items import CANON, MAX_NAME_CHARACTERS, Item
from worker.errors import CanonicalError, MalformedRequest
from worker.ledger.canonical import MAX_INT, canonical_json, parse_canonical
from worker.routing.candidates import NOTHING_OBSERVED, Observation
from worker.routing.estimates import MAX_RATIO_PPM, MIN_RATIO_PPM

MODEL: Final = "model"
_NONE: Final[Mapping[str, tuple[int, int]]] = MappingProxyType({})


class ModelError(MalformedRequest):
    """A model that no decision could use; `param` names the member."""

    code = "bad_ttv_model"


class TtvModel(NamedTuple):
    """What a route takes over what the catalogue says, in ppm, and of how many sessions that is known."""

    route: str
    samples: int
    ratio_ppm: int


def model_in(item: Item) -> TtvModel | None:
    """The model an item holds; None = it holds none. Raises: ModelError."""
    if item.kind != MODEL or not item.content:
        return None
    try:
        content = parse_canonical(item.content.encode())
    except CanonicalError as problem:
        raise ModelError(f"content has no canonical form: {problem.message}", param="content") from None
    said = content.get("ttv") if isinstance(content, dict) else None
    if said is None:
        return None
    if not isinstance(said, dict):
        raise ModelError("content.ttv must be an object", param="content.ttv")
    route, samples, ratio_ppm = said.get("route"), said.get("samples"), said.get("ratio_ppm")
    if not isinstance(route, str) or not 1 <= len(route) <= MAX_NAME_CHARACTERS:
        raise ModelError("content.ttv.route must be the id of a route", param="content.ttv.route")
    if type(samples) is not int or not 1 <= samples <= MAX_INT:
        raise ModelError("content.ttv.samples must be how many sessions it is of", param="content.ttv.samples")
    if type(ratio_ppm) is not int or not MIN_RATIO_PPM <= ratio_ppm <= MAX_RATIO_PPM:
        message = f"content.ttv.ratio_ppm must be a whole number from {MIN_RATIO_PPM} to {MAX_RATIO_PPM}"
        raise ModelError(message, param="content.ttv.ratio_ppm")
    return TtvModel(route, samples, ratio_ppm)


def models_text(items: Iterable[Item]) -> str:
    """The models in force, as a tenant's row keeps them; "" = none."""
    found: dict[str, tuple[int, int]] = {}
    for item in sorted(items, key=lambda item: (item.at_us, item.id)):
        if item.level == CANON:
            try:
                model = model_in(item)
            except ModelError:
                continue
            if model is not None:
                found[model.route] = (model.samples, model.ratio_ppm)
    return canonical_json(found).decode() if found else ""


@lru_cache(maxsize=256)
def models_of(text: str) -> Mapping[str, tuple[int, int]]:
    """Samples and ratio by route; the inverse of `models_text`."""
    if not text:
        return _NONE
    plain = parse_canonical(text.encode())
    assert isinstance(plain, dict)
    found = {}
    for route, said in plain.items():
        assert isinstance(said, list)
        samples, ratio_ppm = said
        assert isinstance(samples, int)
        assert isinstance(ratio_ppm, int)
        found[route] = (samples, ratio_ppm)
    return MappingProxyType(found)


def with_models(observed: Mapping[str, Observation], text: str) -> Mapping[str, Observation]:
    """The observations, with the models' times in the place of what was learnt; of health they say nothing."""
    if not text:
        return observed
    found = dict(observed)
    for route, (samples, ratio_ppm) in models_of(text).items():
        found[route] = found.get(route, NOTHING_OBSERVED)._replace(samples=samples, ratio_ppm=ratio_ppm)
    return found
