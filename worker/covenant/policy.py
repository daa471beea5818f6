"""What a covenant asks for, as a checked value: the Policy every later step obeys.

This room reads the covenant written as an object, in the fields of the covenant data set. An unreadable
or contradictory field is refused, never guessed at: a limit that was misread is worse than a question back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from worker.covenant.regions import EU, region_of
from worker.errors import UnreadableCovenant
from worker.routing.catalogue import PRIORITIES

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
_FIELDS = frozenset(
    {
        "budget_other",
        "budget_scope",
        "budget_usd",
        "deadline_s",
        "flags",
        "priority",
        "quality",
        "requirements",
        "residency",
        "residency_exclude",
    }
)
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


def parse_covenant(plain: Any) -> Policy:
    """The policy a covenant object asks for.

    Args: plain: JSON values with fractions as Decimal (`parse_decimal_json`), so that no cent is rounded by a float.
    Raises: UnreadableCovenant naming the field and what was expected.
    """
    if not isinstance(plain, Mapping):
        raise UnreadableCovenant('covenant must be a JSON object, for example {"budget_usd": 2, "deadline_s": 30}')
    unknown = sorted(set(plain) - _FIELDS)
    if unknown:
        raise UnreadableCovenant(
            f"covenant has no field {unknown[0]!r}; it has {', '.join(sorted(_FIELDS))}", param="covenant"
        )
    if plain.get("budget_other") is not None:
        raise UnreadableCovenant(
            "a budget must be in USD: currencies are never converted", param="covenant.budget_other"
        )
    budget = _scaled(plain, "budget_usd", MAX_BUDGET_USD_MICROS)
    scope = _one_of(plain, "budget_scope", BUDGET_SCOPES)
    if scope is not None and budget is None:
        raise UnreadableCovenant("budget_scope needs a budget_usd", param="covenant.budget_scope")
    deadline = _scaled(plain, "deadline_s", MAX_DEADLINE_US)
    if deadline == 0:
        raise UnreadableCovenant("deadline_s must be more than zero", param="covenant.deadline_s")
    policy = Policy(
        budget_usd_micros=budget,
        budget_scope=scope,
        deadline_us=deadline,
        quality=_one_of(plain, "quality", QUALITIES),
        priority=_one_of(plain, "priority", PRIORITIES),
        residency=_regions(plain, "residency"),
        residency_exclude=_regions(plain, "residency_exclude"),
        requirements=_several_of(plain, "requirements", REQUIREMENTS),
        flags=_several_of(plain, "flags", FLAGS),
    )
    refused = sorted(REFUSED_FLAGS.intersection(policy.flags))
    if refused:
        raise UnreadableCovenant(f"the covenant is {', '.join(refused)}: say it exactly", param="covenant.flags")
    return policy


def _scaled(plain: Mapping[str, Any], field: str, most: int) -> int | None:
    """A decimal number of dollars or seconds as whole millionths, rounded down: a limit is never loosened."""
    value = plain.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise UnreadableCovenant(f"{field} must be a number, such as 2 or 0.05", param=f"covenant.{field}")
    if isinstance(value, Decimal) and not value.is_finite():
        raise UnreadableCovenant(f"{field} must be a finite number", param=f"covenant.{field}")
    # A huge exponent would make the integer below astronomically long, so the bound is compared first.
    if value < 0 or value > most // 1_000_000:
        raise UnreadableCovenant(f"{field} must be between 0 and {most // 1_000_000}", param=f"covenant.{field}")
    if isinstance(value, int):
        return value * 1_000_000
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    number = int("".join(str(digit) for digit in digits))
    shift = exponent + 6
    if shift < -400:
        return 0
    return number * ten_to(shift) if shift >= 0 else number // ten_to(-shift)


def ten_to(exponent: int) -> int:
    """10**exponent for an exponent that is not negative."""
    power: int = 10**exponent
    return power


def _one_of(plain: Mapping[str, Any], field: str, choices: tuple[str, ...]) -> str | None:
    value = plain.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or value not in choices:
        raise UnreadableCovenant(f"{field} must be one of {', '.join(choices)}", param=f"covenant.{field}")
    return value


def _several_of(plain: Mapping[str, Any], field: str, choices: tuple[str, ...]) -> tuple[str, ...]:
    values = plain.get(field)
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(value, str) and value in choices for value in values):
        raise UnreadableCovenant(f"{field} must be a list out of {', '.join(choices)}", param=f"covenant.{field}")
    return tuple(sorted(set(values)))


def _regions(plain: Mapping[str, Any], field: str) -> tuple[str, ...]:
    values = plain.get(field)
    if values is None:
        return ()
    listed = values if isinstance(values, list) and len(values) <= MAX_REGIONS else [None]
    regions = {region_of(value) if isinstance(value, str) else None for value in listed}
    if None in regions:
        raise UnreadableCovenant(
            f'{field} must be a list of EU or ISO 3166-1 two-letter codes, such as ["EU", "CH"]',
            param=f"covenant.{field}",
        )
    return tuple(sorted(region for region in regions if region is not None))
