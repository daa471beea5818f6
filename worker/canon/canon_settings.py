"""The limits of a tenant's canon, by name: how much it holds, how much one call may ask, what a promotion must show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.catalogue_settings import whole_setting


@dataclass(frozen=True, slots=True)
class CanonSettings:
    """`kept_answers`: of POSTs with an idempotency key, per tenant, the oldest forgotten first; 0 = none.

    `max_items` per tenant, and `max_canon_bytes` of what they all say, because every decision reads it;
    `max_candidates`, `max_scenarios` and `max_trials` per call;
    `max_agents` committed at a time; `interference_eps_us`: how much later any action may make any agent.
    `max_evidence_bytes`: of what one decision leaves in the log, which must fit a row on every host.
    A promotion to CANON needs `attempts` distinct trials with the item and one failure without it (test A); `trials`
    that succeeded, in `contexts` contexts, and a success rate that is at least `success_ppm` by Wilson's lower bound,
    z^2 = `z_squared_ppm` (one-sided 95 %) (test B).
    """

    kept_answers: int = 1_000
    max_items: int = 500
    max_canon_bytes: int = 1_048_576
    max_candidates: int = 200
    max_scenarios: int = 32
    max_trials: int = 1_000
    max_agents: int = 200
    interference_eps_us: int = 0
    max_evidence_bytes: int = 1_500_000
    attempts: int = 3
    trials: int = 5
    contexts: int = 2
    success_ppm: int = 500_000
    z_squared_ppm: int = 2_706_025


def canon_settings(values: Mapping[str, str]) -> CanonSettings:
    """The limits that an operator may set, over the defaults of the others. Raises: SettingsError."""
    return CanonSettings(
        kept_answers=whole_setting(values, "HARPOON_IDEMPOTENCY_KEPT", 0, 1_000_000),
        max_items=whole_setting(values, "HARPOON_CANON_MAX_ITEMS", 4, 10_000),
        max_candidates=whole_setting(values, "HARPOON_CANON_MAX_CANDIDATES", 1, 10_000),
        interference_eps_us=whole_setting(values, "HARPOON_INTERFERENCE_EPS_US", 0, 86_400_000_000),
    )
