"""What is there besides chat: the models, the prices, health, metrics and pools; every request here is a GET, and free.

A missing page is no fault: OpenAI's API has none of them but the models. What is found answers some of the questions
that a client of a GPU platform has; what is not found is said to be not found at the places that were looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.probe.endpoint import Endpoint
from gateway.probe.exchange import NOT_JSON, OK, Exchange
from gateway.probe.limits import Price
from gateway.probe.shapes import models_faults
from worker.money import MICROS

#: hosted.ai's user panel (its list of pools a team may use), behind the host's root.
POOLS_PATH: Final = "/api/gpuaas/available-pools"
MOST_MODELS: Final = 5_000
LISTED: Final = "listed by GET /models"
_VERSIONED: Final = re.compile(r"/v[0-9]{1,2}/?$")
#: Names under which servers list a price, in dollars for one token.
_PRICE_NAMES: Final = (("prompt", "completion"), ("input", "output"))
_PRICE: Final = re.compile(r"[0-9]{0,4}(?:\.[0-9]{1,15})?(?:[eE]-?[0-9]{1,2})?", re.ASCII)
_REFUSED: Final = (401, 403)
#: Pages that may not be there at all are waited for no longer.
_PATIENCE_US: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Surface:
    """What was found around chat. Each Exchange is kept for what it shows; kind: what serves there, "" = no idea."""

    listing: Exchange
    models: tuple[str, ...]
    listing_faults: tuple[str, ...]
    prices: dict[str, Price]
    kind: str
    is_simulated: bool
    health: Exchange
    metrics: Exchange
    pools: Exchange

    @property
    def has_metrics(self) -> bool:
        """Whether /metrics is a page for Prometheus."""
        return self.metrics.is_ok and b"# TYPE " in self.metrics.body

    @property
    def pools_state(self) -> str:
        """Whether a list of pools is there: `yes`, `refused`, `no`."""
        if self.pools.status in _REFUSED:
            return "refused"
        return "yes" if self.pools.is_ok and isinstance(self.pools.json(), list | dict) else "no"


async def find_base(endpoint: Endpoint) -> tuple[Endpoint, Exchange]:
    """The endpoint with the base under which it lists its models, /v1 put behind the given one if need be."""
    listing = await endpoint.get("/models")
    if (listing.is_ok and _ids(listing.json())) or _VERSIONED.search(endpoint.base) or listing.status == 0:
        return endpoint, listing
    versioned = replace(endpoint, base=f"{endpoint.base}/v1")
    again = await versioned.get("/models")
    return (versioned, again) if again.status not in (0, 404) else (endpoint, listing)


async def look_around(endpoint: Endpoint, listing: Exchange) -> Surface:
    """Ask for what costs nothing. Args: listing: the answer to GET /models, asked for already."""
    endpoint = replace(endpoint, timeout_us=min(endpoint.timeout_us, _PATIENCE_US))
    health = await endpoint.get("/health", at_root=True)
    metrics = await endpoint.get("/metrics", at_root=True)
    # The panel takes its key in a header of its own; one without a key is asked too, whether it is there at all.
    pools = await endpoint.get(POOLS_PATH, at_root=True, headers={"x-api-key": endpoint.key} if endpoint.key else None)
    value = listing.json() if listing.is_ok else NOT_JSON
    # A name that quotes the key can't be asked for without showing it.
    models = tuple(one for one in _ids(value) if not endpoint.secret or endpoint.secret not in one)
    owners = {str(one.get("owned_by")) for one in _entries(value)}
    kind = endpoint.shown(_kind(listing, health, metrics, owners), 80)
    simulated = any(one.is_simulated for one in (listing, health)) or _only_simulated(health)
    return Surface(
        listing,
        models,
        tuple(models_faults(value)) if value is not NOT_JSON else (f"GET /models: {listing.outcome()}",),
        {str(one.get("id")): price for one in _entries(value) if (price := _listed_price(one)) is not None},
        kind,
        simulated,
        health,
        metrics,
        pools,
    )  # fmt: skip


def _entries(value: Any) -> list[dict[str, Any]]:
    listed = value.get("data") if isinstance(value, dict) else value
    return [one for one in listed[:MOST_MODELS] if isinstance(one, dict)] if isinstance(listed, list) else []


def _ids(value: Any) -> tuple[str, ...]:
    given = [one.get("id") for one in _entries(value)]
    return tuple(dict.fromkeys(one for one in given if isinstance(one, str) and one.isprintable() and one.strip()))


def _kind(listing: Exchange, health: Exchange, metrics: Exchange, owners: set[str]) -> str:
    """What serves there, by marks that only it has."""
    value = health.json() if health.status else NOT_JSON
    if "harpoon-simulator" in owners:
        return "Harpoon's simulator"
    if isinstance(value, dict) and "deployment_modes" in value and "providers" in value:
        return "Harpoon"
    if "vllm" in owners or b"vllm:" in metrics.body:
        return "vLLM"
    return listing.header("server")


def _only_simulated(health: Exchange) -> bool:
    """Whether a Harpoon says that nothing but its simulator is connected."""
    value = health.json() if health.status == OK else NOT_JSON
    if not isinstance(value, dict):
        return False
    if value.get("simulated") is True:
        return True
    providers = value.get("providers")
    if not isinstance(providers, dict):
        return False
    return [name for name, state in providers.items() if state == "configured"] == ["simulator"]


def _listed_price(model: dict[str, Any]) -> Price | None:
    """What the list says a model's tokens cost; None where it says nothing that can be read."""
    pricing = model.get("pricing")
    if not isinstance(pricing, dict):
        return None
    for name_in, name_out in _PRICE_NAMES:
        found = [_per_million(pricing.get(name)) for name in (name_in, name_out)]
        if found[0] is not None and found[1] is not None:
            return Price(found[0], found[1], LISTED)
    return None


def _per_million(dollars: Any) -> int | None:
    """Dollars for one token as micro-dollars for a million, rounded up."""
    text = str(dollars) if isinstance(dollars, str | int | float) and not isinstance(dollars, bool) else ""
    if not text or not _PRICE.fullmatch(text):
        return None
    from decimal import ROUND_CEILING, Decimal, InvalidOperation

    try:
        return int((Decimal(text) * MICROS * MICROS).to_integral_value(ROUND_CEILING))
    except InvalidOperation:
        return None
