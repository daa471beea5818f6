"""Three providers of one model, ranked first, second, third, with prices that make sums easy to follow.

One token costs 1, 2 or 4 micro-dollars in, and twice that out.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from tests.faults.upstream import FaultUpstream
from tests.worker.api.application_kit import Application, application
from tests.worker.decision_kit import CATALOGUE, offer, provider
from worker.ledger.canonical import canonical_json
from worker.routing.catalogue import Catalogue, compile_catalogue
from worker.upstream.dispatch import UpstreamLimits

STEPS = {"workers-ai": "first", "groq": "second", "openai": "third"}
ROUTES = tuple(f"{name}/m@solo" for name in STEPS)
PRICES = dict(zip(ROUTES, (1, 2, 4), strict=True))
SILENCE_US = 150_000
MAX_TOKENS = 100


def catalogue_text() -> str:
    """The three providers as a catalogue of one's own."""
    providers, offers = [], []
    for place, name in enumerate(STEPS):
        factor = 1_000_000 << place
        providers.append(provider(name, tier_factor_ppm=(factor, factor, factor)))
        offers.append(offer(name, factor))
    found: Catalogue = replace(CATALOGUE, providers=tuple(providers), offers=tuple(offers))
    return canonical_json(compile_catalogue(found).canonical).decode()


def settings_of(upstream: FaultUpstream, **settings: str) -> dict[str, str]:
    """The settings under which the three are played by the fault server."""
    return {
        "HARPOON_CATALOGUE_JSON": catalogue_text(),
        "HARPOON_MAX_FALLBACKS": "2",
        **{f"{name.replace('-', '_').upper()}_BASE_URL": upstream.url(step) for name, step in STEPS.items()},
        **settings,
    }


@contextlib.asynccontextmanager
async def three_routes(
    upstream: FaultUpstream, *, silence_us: int = SILENCE_US, **settings: Any
) -> AsyncIterator[Application]:
    """The application over the fault server; it waits for no silent provider for long."""
    limits = UpstreamLimits(silence_timeout_us=silence_us)
    async with application(upstream=limits, **settings_of(upstream, **settings)) as harpoon:
        attempts = replace(harpoon.services.limits.attempts, first_byte_us=2 * silence_us)
        object.__setattr__(harpoon.services, "limits", replace(harpoon.services.limits, attempts=attempts))
        yield harpoon


def chat(**fields: Any) -> dict[str, Any]:
    """A chat body for the model that all three serve."""
    body = {"model": "m", "messages": [{"role": "user", "content": "What is a vGPU?"}], "max_tokens": MAX_TOKENS}
    return {**body, **fields}
