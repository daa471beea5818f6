"""Covenants written as objects: three spellings and four scales of quality, normalised to one policy.

Spellings, which may be mixed, and may lie under `constraints`:
  ours                        budget_usd, deadline_s (seconds), quality, and the other fields of the covenant data set
  cost, latency, quality      dollars, milliseconds
  maxCost, maxLatency, requiredQuality (or minQuality), and max_cost, max_latency, min_quality: the same
One thing said twice with different values is refused. null says nothing.

Quality is a word or a number:
  high, medium, low           as they are
  quality, balanced, speed    high, medium, low
  high, balanced, fast        high, medium, low
  0 to 1                      high from 0.75, medium from 0.5, low below; so 1 is the top of this scale, not a tenth
  above 1, to 10              high from 7.5, medium from 5, low below
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from worker.covenant.numbers import ten_to
from worker.covenant.policy import (
    BUDGET_SCOPES,
    FLAGS,
    MAX_BUDGET_USD_MICROS,
    MAX_DEADLINE_US,
    MAX_REGIONS,
    REFUSED_FLAGS,
    REQUIREMENTS,
    Policy,
)
from worker.covenant.regions import region_of
from worker.errors import UnreadableCovenant
from worker.routing.catalogue import PRIORITIES

#: What a budget in dollars is called, apart from budget_usd.
COST_SPELLINGS = ("cost", "maxCost", "max_cost")
_QUALITY_WORDS: Mapping[str, str] = {
    "high": "high",
    "medium": "medium",
    "low": "low",
    "quality": "high",
    "balanced": "medium",
    "speed": "low",
    "fast": "low",
}
#: Where high and medium begin, on the scale to 1 and on the scale to 10.
_TO_ONE = (Decimal("0.75"), Decimal("0.5"))
_TO_TEN = (Decimal("7.5"), Decimal(5))
_REFUSED: Mapping[str, str] = {
    "gpu_pool": "the pool follows from the priority: leave gpu_pool out and give priority, such as max_security",
    "optimization": "what a pool is optimised for follows from the priority: leave optimization out and give priority",
    "maxTokens": "leave maxTokens out: a chat request limits its answer by max_completion_tokens",
    "max_tokens": "leave max_tokens out: a chat request limits its answer by max_completion_tokens",
}


def parse_covenant(plain: Any) -> Policy:
    """The policy a covenant object asks for.

    Args: plain: JSON values with fractions as Decimal (`parse_decimal_json`), so that no cent is rounded by a float.
    Raises: UnreadableCovenant naming the field as it was written, and what was expected.
    """
    if not isinstance(plain, Mapping):
        raise UnreadableCovenant('covenant must be a JSON object, for example {"budget_usd": 2, "deadline_s": 30}')
    found: dict[str, Any] = {}
    said_as: dict[str, str] = {}
    for name, spelling, value in list(_members(plain)):
        if value is None:
            continue
        read = spelling.read(value, name)
        if found.setdefault(spelling.field, read) != read:
            raise _refusal(name, f"{said_as[spelling.field]} and {name} say different things: give one of them")
        said_as.setdefault(spelling.field, name)
    if "budget_scope" in found and "budget_usd_micros" not in found:
        raise _refusal(said_as["budget_scope"], "budget_scope needs a budget_usd")
    refused = sorted(REFUSED_FLAGS.intersection(found.get("flags", ())))
    if refused:
        raise _refusal(said_as["flags"], f"the covenant is {', '.join(refused)}: say it exactly")
    return Policy(**found)


def _members(plain: Mapping[str, Any]) -> Iterator[tuple[str, _Spelling, Any]]:
    """Every member with the name it is shown by; those of `constraints` are members too."""
    unknown = sorted(set(plain) - _SPELLINGS.keys() - {"constraints"})
    for key in unknown[:1]:
        listed = ", ".join(sorted(OWN_FIELDS))
        raise UnreadableCovenant(_REFUSED.get(key, f"covenant has no field {key!r}; it has {listed}"), param="covenant")
    for key, value in plain.items():
        if key != "constraints":
            yield key, _SPELLINGS[key], value
    nested = plain.get("constraints")
    if nested is None:
        return
    if not isinstance(nested, Mapping):
        raise _refusal("constraints", 'constraints must be an object, such as {"max_cost": 2, "max_latency": 30000}')
    if "constraints" in nested:
        raise _refusal("constraints", "constraints can't hold constraints")
    for name, spelling, value in _members(nested):
        yield f"constraints.{name}", spelling, value


def _refusal(name: str, message: str) -> UnreadableCovenant:
    return UnreadableCovenant(message, param=f"covenant.{name}")


class _Spelling(NamedTuple):
    """What a field's name means: the field of Policy it sets, and how its value is read (value, name shown)."""

    field: str
    read: Callable[[Any, str], Any]


def _scaled(value: Any, name: str, most: int, decimals: int, unit: str) -> int:
    """A decimal number of units as whole millionths of dollars or seconds, rounded down: a limit is never loosened."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _refusal(name, f"{name} must be a number of {unit}, such as 2 or 0.05")
    if isinstance(value, Decimal) and not value.is_finite():
        raise _refusal(name, f"{name} must be a finite number")
    # A huge exponent would make the integer below astronomically long, so the bound is compared first.
    if value < 0 or value > most // ten_to(decimals):
        raise _refusal(name, f"{name} must be between 0 and {most // ten_to(decimals)} {unit}")
    if isinstance(value, int):
        return value * ten_to(decimals)
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    number = int("".join(str(digit) for digit in digits))
    shift = exponent + decimals
    if shift < -400:
        return 0
    return number * ten_to(shift) if shift >= 0 else number // ten_to(-shift)


def _dollars(value: Any, name: str) -> int:
    return _scaled(value, name, MAX_BUDGET_USD_MICROS, 6, "dollars")


def _seconds(value: Any, name: str) -> int:
    return _some_time(_scaled(value, name, MAX_DEADLINE_US, 6, "seconds"), name)


def _milliseconds(value: Any, name: str) -> int:
    return _some_time(_scaled(value, name, MAX_DEADLINE_US, 3, "milliseconds"), name)


def _some_time(deadline_us: int, name: str) -> int:
    if deadline_us == 0:
        raise _refusal(name, f"{name} must be more than zero")
    return deadline_us


def _quality(value: Any, name: str) -> str:
    if isinstance(value, str) and value in _QUALITY_WORDS:
        return _QUALITY_WORDS[value]
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not number or (isinstance(value, Decimal) and not value.is_finite()) or not 0 <= value <= 10:
        raise _refusal(
            name,
            f"{name} must be high, medium or low; quality, balanced or speed; fast; or a number from 0 to 1 or to 10",
        )
    high, medium = _TO_ONE if value <= 1 else _TO_TEN
    return "high" if value >= high else "medium" if value >= medium else "low"


def _one_of(choices: tuple[str, ...], value: Any, name: str) -> str:
    if not isinstance(value, str) or value not in choices:
        raise _refusal(name, f"{name} must be one of {', '.join(choices)}")
    return value


def _several_of(choices: tuple[str, ...], value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item in choices for item in value):
        raise _refusal(name, f"{name} must be a list out of {', '.join(choices)}")
    return tuple(sorted(set(value)))


def _regions(value: Any, name: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) and len(value) <= MAX_REGIONS else [None]
    regions = {region_of(item) if isinstance(item, str) else None for item in listed}
    if None in regions:
        raise _refusal(name, f'{name} must be a list of EU or ISO 3166-1 two-letter codes, such as ["EU", "CH"]')
    return tuple(sorted(region for region in regions if region is not None))


def _no_other_currency(_value: Any, name: str) -> None:
    raise _refusal(name, "a budget must be in USD: currencies are never converted")


OWN_FIELDS: Mapping[str, _Spelling] = {
    "budget_other": _Spelling("budget_other", _no_other_currency),
    "budget_scope": _Spelling("budget_scope", partial(_one_of, BUDGET_SCOPES)),
    "budget_usd": _Spelling("budget_usd_micros", _dollars),
    "deadline_s": _Spelling("deadline_us", _seconds),
    "flags": _Spelling("flags", partial(_several_of, FLAGS)),
    "priority": _Spelling("priority", partial(_one_of, PRIORITIES)),
    "quality": _Spelling("quality", _quality),
    "requirements": _Spelling("requirements", partial(_several_of, REQUIREMENTS)),
    "residency": _Spelling("residency", _regions),
    "residency_exclude": _Spelling("residency_exclude", _regions),
}
_SPELLINGS: Mapping[str, _Spelling] = {
    **OWN_FIELDS,
    **dict.fromkeys(COST_SPELLINGS, OWN_FIELDS["budget_usd"]),
    **dict.fromkeys(("latency", "maxLatency", "max_latency"), _Spelling("deadline_us", _milliseconds)),
    **dict.fromkeys(("requiredQuality", "minQuality", "min_quality"), OWN_FIELDS["quality"]),
}
