"""Cheap looks at providers: the list of their models, which costs nothing, and never a completion.

One probe of a provider at a time, whoever asks, and what it finds holds for a while (worker/upstream/watch.py): nobody
can be made to hammer a provider. No probe is on a request's way.
"""

from __future__ import annotations

import asyncio
import contextlib

from worker.services import Services
from worker.upstream.listing import listed_models
from worker.upstream.watch import PROBE_TIMEOUT_US

#: How often somebody else's probe is looked after, while it is under way.
_LOOKS = 25
_LOOK_EVERY_S = PROBE_TIMEOUT_US / 1_000_000 / (_LOOKS - 1)


async def probe_provider(services: Services, provider: str) -> None:
    """See that what is known of a provider is fresh: ask it, or wait for whoever is asking."""
    clock = services.clock
    seen = services.watch.of(provider)
    if seen.is_fresh(clock.now_us()):
        for _ in range(_LOOKS):
            if not seen.is_being_probed(clock.now_us()):
                return
            await asyncio.sleep(_LOOK_EVERY_S)
        return
    seen.probing_us = clock.now_us()
    status, listed = 0, frozenset[str]()
    with contextlib.suppress(TimeoutError):  # a list that takes too long says as much as none
        async with clock.timeout(PROBE_TIMEOUT_US):
            response = await services.dispatcher.probe(provider, PROBE_TIMEOUT_US)
            status = 0 if response is None else response.status_code
            listed = await listed_models(response)
    services.watch.probed(provider, status, clock.now_us(), listed)


async def probe_quiet(services: Services, quiet_us: int) -> None:
    """Probe the configured providers that nothing was heard of for `quiet_us`, one after the other.

    A call that ended, well or badly, says more than a probe; so does a probe that somebody else asked for.
    """
    for provider in sorted(services.configured):
        seen = services.watch.of(provider)
        heard_us = max(seen.answered_us, seen.failed_us, seen.probed_us)
        if services.clock.now_us() - heard_us >= quiet_us:
            await probe_provider(services, provider)
