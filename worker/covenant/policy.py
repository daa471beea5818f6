"""What a covenant asks for, as a checked value: the Policy every later step obeys.

What is unreadable is refused, never guessed at: a limit that was misread is worse than a question back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.covenant.regions import EU

BUDGET_SCOPES = ("total", "per_request", "per_hour", "per_day", "per_month", "per_1m_tokens")
QUALITIES = ("high", "medium", "low")
REQUIREMENTS = (
    "encrypted",
    "fips",
    "gdpr",
    "hipaa",
    "local_only",
    "no_logging",
    "no_training",
    "pci_dss",
    "redact_pii",
    "soc2",
)
FLAGS = (
    "absolute_time",
    "ambiguous_budget",
    "ambiguous_time",
    "contradiction",
    "injection",
    "invalid",
    "multi_limit",
)
#: Flags that name words we refuse to guess at (design section 4); the others are served with the strict reading.
REFUSED_FLAGS = frozenset({"absolute_time", "ambiguous_budget", "ambiguous_time", "invalid"})
MAX_BUDGET_USD_MICROS = 10**15
MAX_DEADLINE_US = 31 * 86_400 * 10**6
MAX_REGIONS = 64
#: EU-27 as ISO 3166 alpha-2 codes (Eurostat, glossary "EU enlargements").
_EU_MEMBERS = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    )
)


@dataclass(frozen=True, slots=True)
class Policy:
    """A read covenant. Money in micro-dollars, time in microseconds; None = not asked for."""

    budget_usd_micros: int | None = None
    budget_scope: str | None = None
    deadline_us: int | None = None
    quality: str | None = None
    priority: str | None = None
    residency: tuple[str, ...] = ()
    residency_exclude: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def effective_priority(self) -> str:
        """The row of weights that applies: an unspoken priority is balanced."""
        return self.priority or "balanced"

    @property
    def leaves_no_trace(self) -> bool:
        """Whether nobody on the way may keep or log the bodies."""
        return "no_logging" in self.requirements or self.effective_priority == "max_security"

    def to_plain(self) -> dict[str, Any]:
        """The policy as JSON-like values (integers, strings, lists); the inverse of `policy_from_plain`."""
        return {
            "budget_scope": self.budget_scope,
            "budget_usd_micros": self.budget_usd_micros,
            "deadline_us": self.deadline_us,
            "flags": list(self.flags),
            "priority": self.priority,
            "quality": self.quality,
            "requirements": list(self.requirements),
            "residency": list(self.residency),
            "residency_exclude": list(self.residency_exclude),
        }


NO_COVENANT = Policy()


def policy_from_plain(plain: Mapping[str, Any]) -> Policy:
    """The policy that `Policy.to_plain` wrote."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
    return Policy(**values)


def allows_region(policy: Policy, regions: frozenset[str]) -> bool:
    """Whether every region a provider may use is wanted and none is excluded; an unknown place satisfies no wish."""
    if not policy.residency and not policy.residency_exclude:
        return True
    if not regions:
        return False
    places, wanted, excluded = _expand(regions), _expand(policy.residency), _expand(policy.residency_exclude)
    return (not wanted or places <= wanted) and not places & excluded


def _expand(codes: Iterable[str]) -> frozenset[str]:
    """The countries meant: EU stands for every member, so a provider somewhere in the EU may be in any of them."""
    places = frozenset(codes)
    return places - {EU} | _EU_MEMBERS if EU in places else places
