"""Which GPU pool a priority means: the admissible pools of the catalogue in the order that the priority's weights give.

Judged for a request of REFERENCE_TOKENS on the catalogue's own routes and figures, without estimates or policy: a
decision may differ, because it knows the request, the load and what other routes offer.
"""

from __future__ import annotations

from typing import Any

from worker.routing.catalogue import CompiledCatalogue

REFERENCE_TOKENS = 500
_MILLION = 1_000_000


def pools_of(catalogue: CompiledCatalogue, priority: str) -> list[dict[str, Any]]:
    """The pools admissible for a priority, best first, as plain values; none if the catalogue has no such pool."""
    source = catalogue.source
    weights = source.weights[priority]
    best: dict[str, int] = {}
    for route in catalogue.routes:
        barred = route.risk_ppm > weights.max_risk_ppm or (weights.private_only and not route.private)
        if route.pool not in weights.pools or barred or "chat" not in route.capabilities:
            continue
        cost = -(-(route.input_price + route.output_price) * REFERENCE_TOKENS // _MILLION)
        total = (
            route.first_token_us
            + route.us_per_token * REFERENCE_TOKENS
            + weights.cost_us_per_usd_micro * cost
            + weights.risk_us_per_ppm * route.risk_ppm
        )
        best[route.pool] = min(total, best.get(route.pool, total))
    ratios = {pool.id: pool.sharing_ratio for pool in source.pools}
    found = []
    for pool in sorted(best, key=lambda pool: (best[pool], pool)):
        configuration = weights.pools[pool]
        found.append(
            {
                "pool": pool,
                "sharing_ratio": ratios[pool],
                "scheduling": configuration.scheduling,
                "optimisation": configuration.optimisation,
                "guaranteed_share_percent": configuration.guaranteed_share_percent,
            }
        )
    return found


def pool_choice(catalogue: CompiledCatalogue, priority: str) -> dict[str, Any] | None:
    """The best of `pools_of` with the others as `alternatives`; None if there is none."""
    pools = pools_of(catalogue, priority)
    return {**pools[0], "alternatives": pools[1:]} if pools else None
