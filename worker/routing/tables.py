"""The tables of the catalogue, as an operator edits them.

Three things are kept apart: a provider (who, where, what it attests), a model profile (what it can do), and an offer (a
provider serving a model at a dated price). A pool says how a GPU is shared. A label is one more name for models. The
catalogue holds no credential and no base URL in use: those are the host's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.routing.catalogue_codec import read_value
from worker.routing.labels import Label

#: OpenAI's endpoints that a provider may serve. A model's capability of the same name says that it suits one; whatever
#: chats suits `responses` too, where the provider serves it.
CHAT, RESPONSES, EMBEDDINGS = "chat", "responses", "embeddings"
ENDPOINTS = frozenset({CHAT, RESPONSES, EMBEDDINGS})


@dataclass(frozen=True, slots=True)
class Provider:
    """Who serves. `tier_factor_ppm`, by complexity: how many times worse a better-tier route must be to lose to it.

    `template_options`: it takes `chat_template_kwargs`, as vLLM and its kin do; others refuse members they don't know.
    `endpoints`: which of OpenAI's endpoints it serves, of ENDPOINTS. `preferences`: it routes further by itself and
    takes OpenRouter's member `provider`, by which the client says how.
    """

    id: str
    name: str
    tier_factor_ppm: tuple[int, int, int]
    regions: tuple[str, ...]
    attests: tuple[str, ...]
    default_base_url: str
    simulated: bool = False
    template_options: bool = False
    endpoints: tuple[str, ...] = (CHAT,)
    preferences: bool = False


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
    labels: tuple[Label, ...] = ()


def parse_catalogue(plain: Any) -> Catalogue:
    """A catalogue from plain JSON-like values; the inverse of `to_plain`.

    Raises: CatalogueError naming the first wrong field.
    """
    catalogue: Catalogue = read_value(Catalogue, plain, "catalogue")
    return catalogue
