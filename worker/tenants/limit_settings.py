"""Limits by settings: each an amount for every tenant, or tenant=amount,...; what isn't set limits nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from worker.api.auth import tenant_of
from worker.errors import SettingsError
from worker.money import parse_usd
from worker.tenants.limits import MAX_PER_MINUTE, NO_LIMITS, LimitSet

#: What an administrator calls each limit, by what it is called inside; those in dollars say so.
WIRE_NAMES: Mapping[str, str] = {
    "requests_per_minute": "requests_per_minute",
    "tokens_per_minute": "tokens_per_minute",
    "concurrent_requests": "concurrent_requests",
    "request_usd_micros": "usd_per_request",
    "hour_usd_micros": "usd_per_hour",
    "day_usd_micros": "usd_per_day",
    "month_usd_micros": "usd_per_month",
    "total_usd_micros": "usd_total",
    "user_day_usd_micros": "usd_per_user_per_day",
}
PREFIX = "HARPOON_LIMIT_"
#: By setting, the limit it is the default of. A tenant's total is HARPOON_BUDGET_USD's.
LIMIT_SETTINGS: Mapping[str, str] = {
    "HARPOON_LIMIT_REQUESTS_PER_MINUTE": "requests_per_minute",
    "HARPOON_LIMIT_TOKENS_PER_MINUTE": "tokens_per_minute",
    "HARPOON_LIMIT_CONCURRENT_REQUESTS": "concurrent_requests",
    "HARPOON_LIMIT_USD_PER_REQUEST": "request_usd_micros",
    "HARPOON_LIMIT_USD_PER_HOUR": "hour_usd_micros",
    "HARPOON_LIMIT_USD_PER_DAY": "day_usd_micros",
    "HARPOON_LIMIT_USD_PER_MONTH": "month_usd_micros",
    "HARPOON_LIMIT_USD_PER_USER_PER_DAY": "user_day_usd_micros",
}
_DIGITS = frozenset("0123456789")


def parse_count(text: str) -> int:
    """A whole number of requests or tokens. Raises: ValueError."""
    if not text or len(text) > 9 or not _DIGITS.issuperset(text) or not 1 <= int(text) <= MAX_PER_MINUTE:
        raise ValueError(f"a limit is a whole number from 1 to {MAX_PER_MINUTE}")
    return int(text)


def parse_limit(field: str, text: str) -> int:
    """A limit as written: dollars, or a count. Raises: ValueError."""
    return parse_usd(text) if field.endswith("usd_micros") else parse_count(text)


def per_tenant(name: str, text: str, parse: Callable[[str], int]) -> tuple[int | None, dict[str, int]]:
    """A setting that is an amount for every tenant, one for each of some, or both. Raises: SettingsError."""
    default: int | None = None
    found: dict[str, int] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        tenant, equals, amount = (piece.strip() for piece in part.partition("="))
        try:
            if not equals:
                if default is not None:
                    raise ValueError("there is more than one amount for every tenant")
                default = parse(part)
            # A limit for a tenant that can't exist would limit nobody.
            elif tenant in found or tenant_of(f"hk_{tenant}_secret") != tenant:
                raise ValueError(f"{tenant!r} is there twice or is no tenant's name (a-z, 0-9, -)")
            else:
                found[tenant] = parse(amount)
        except ValueError as problem:
            raise SettingsError(f"{name}: {problem}", param=name) from problem
    return default, found


def limits_from_settings(values: Mapping[str, str]) -> tuple[LimitSet, dict[str, LimitSet]]:
    """The limits of every tenant, and of those that have others. Raises: SettingsError."""
    default, tenants = NO_LIMITS, dict[str, LimitSet]()
    for name, field in LIMIT_SETTINGS.items():
        if not values[name]:
            continue
        amount, own = per_tenant(name, values[name], lambda text, field=field: parse_limit(field, text))  # type: ignore[misc]
        default = default._replace(**{field: amount})
        for tenant, value in own.items():
            tenants[tenant] = tenants.get(tenant, NO_LIMITS)._replace(**{field: value})
    return default, {tenant: limits.over(default) for tenant, limits in tenants.items()}
