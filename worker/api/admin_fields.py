"""What an administrator may say, checked member by member, and how tenants and keys are shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from worker.api.auth import ADMIN_TENANT, tenant_of
from worker.errors import MalformedRequest
from worker.money import usd_text
from worker.routing.catalogue import CompiledCatalogue
from worker.sessions.event import rfc3339
from worker.strict_json import JsonLimits, parse_decimal_json, parse_object
from worker.tenants.limit_settings import WIRE_NAMES, parse_limit
from worker.tenants.limits import LimitSet
from worker.tenants.usage import DAY_US

MAX_NAME_CHARACTERS = 64
MAX_LISTED_NAMES = 64
#: Of a user or a session, as a service may report them.
MAX_NAMED_CHARACTERS = 1_024
MAX_SECONDS = 10 * 366 * 86_400
_NAME = frozenset(map(chr, range(32, 127)))
_BY_WIRE_NAME = {wire: field for field, wire in WIRE_NAMES.items()}


class Fields:
    """The members of a body, each checked when it is taken. Raises: MalformedRequest, also for unknown members."""

    def __init__(self, body: bytes, limits: JsonLimits, known: Collection[str]) -> None:
        parsed = parse_object(body or b"{}", limits)
        unknown = sorted(parsed.values.keys() - set(known))
        if unknown:
            raise MalformedRequest(f"there is no such field here; there are {', '.join(known)}", param=unknown[0][:64])
        self._values: dict[str, Any] = {name: parse_decimal_json(parsed.raw[name], limits) for name in parsed.values}

    def has(self, name: str) -> bool:
        return name in self._values

    def tenant(self) -> str:
        """The name of a tenant that may be made."""
        name = self._values.get("tenant")
        if not isinstance(name, str) or tenant_of(f"hk_{name}_x") != name or name == ADMIN_TENANT:
            raise MalformedRequest(
                f"tenant must be a name of 1 to 63 of the characters a-z, 0-9 and -, and not {ADMIN_TENANT}",
                param="tenant",
            )
        return name

    def name(self) -> str:
        """What a person calls a key."""
        name = self._values.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARACTERS or not _NAME.issuperset(name):
            raise MalformedRequest(f"name must be 1 to {MAX_NAME_CHARACTERS} printable ASCII characters", param="name")
        return name

    def only_text(self, names: Collection[str]) -> tuple[str, str]:
        """The one member of these that is there, and its text."""
        found = [name for name in names if name in self._values]
        if len(found) != 1:
            raise MalformedRequest(f"give one of {', '.join(names)}", param=found[0] if found else None)
        value = self._values[found[0]]
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAMED_CHARACTERS:
            raise MalformedRequest(f"{found[0]} must be 1 to {MAX_NAMED_CHARACTERS} characters", param=found[0])
        return found[0], value

    def seconds(self, name: str, default: int | None, least: int = 0) -> int | None:
        """A duration in whole seconds; null = none."""
        value = self._values.get(name, default)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_SECONDS):
            return value
        raise MalformedRequest(f"{name} must be a whole number from {least} to {MAX_SECONDS}, or null", param=name)

    def terms(self, catalogue: CompiledCatalogue) -> dict[str, Any]:
        """Limits, providers and models, as the tenant's state wants them; only what is there. null lifts."""
        known = {
            "providers": {provider.id for provider in catalogue.source.providers},
            "models": {model.id for model in catalogue.source.models},
        }
        found: dict[str, Any] = {name: self._names(name, known[name]) for name in known if name in self._values}
        if "limits" in self._values:
            found["limits"] = self._limits(self._values["limits"])
        return found

    def _names(self, name: str, known: set[str]) -> list[str] | None:
        value = self._values[name]
        if value is None:
            return None
        if (
            not isinstance(value, list)
            or len(value) > MAX_LISTED_NAMES
            or not all(isinstance(one, str) for one in value)
        ):
            raise MalformedRequest(f"{name} must be a list of at most {MAX_LISTED_NAMES} strings, or null", param=name)
        if not known.issuperset(value):
            raise MalformedRequest(
                f"{name} may only name what the catalogue has: {', '.join(sorted(known))}", param=name
            )
        return sorted(set(value))

    def _limits(self, given: Any) -> dict[str, int | None]:
        if not isinstance(given, dict):
            raise MalformedRequest("limits must be an object", param="limits")
        found: dict[str, int | None] = {}
        for name, value in given.items():
            field = _BY_WIRE_NAME.get(name)
            if field is None:
                raise MalformedRequest(f"there is no such limit; there are {', '.join(_BY_WIRE_NAME)}", param="limits")
            try:
                found[field] = None if value is None else parse_limit(field, _amount_text(value))
            except ValueError as problem:
                raise MalformedRequest(f"{name}: {problem}, or null", param="limits") from problem
        return found


def _amount_text(value: Any) -> str:
    """An amount as text: a string, or a number as it was written. Raises: ValueError."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("an amount is a number or a string")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def shown_limits(plain: Mapping[str, int]) -> dict[str, int | str | None]:
    """Every limit by its wire name; dollars as text, null where there is none."""
    limits = LimitSet(**plain)._asdict()
    return {
        wire: usd_text(limits[field]) if field.endswith("usd_micros") and limits[field] is not None else limits[field]
        for field, wire in WIRE_NAMES.items()
    }


def _shown_terms(terms: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "limits": shown_limits(terms["limits"]),
        "providers": terms.get("providers"),
        "models": terms.get("models"),
    }


def _shown_money(found: Mapping[str, Any]) -> dict[str, str]:
    return {"spent_usd": usd_text(found["spent_usd_micros"]), "reserved_usd": usd_text(found["reserved_usd_micros"])}


def show_tenant(found: dict[str, Any]) -> dict[str, Any]:
    """A tenant: its own terms, the limits that hold with the settings' defaults, and its money."""
    return {
        "object": "tenant",
        "tenant": found["tenant"],
        "created_us": found["created_us"],
        **_shown_terms(found["terms"]),
        "limits_in_force": shown_limits(found["limits_in_force"]),
        **_shown_money(found),
    }


def show_key(found: dict[str, Any], now_us: int, token: str | None = None) -> dict[str, Any]:
    """A key; `token` only when it was just made, because nothing here knows it later."""
    ended = "revoked" if found["revoked_us"] is not None else ""
    if not ended and found["expires_us"] is not None and now_us >= found["expires_us"]:
        ended = "expired"
    last_day = found["last_used_day"]
    times = ("created_us", "rotated_us", "expires_us", "revoked_us", "old_token_until_us")
    return {
        "object": "key",
        "key_id": found["key_id"],
        "tenant": found["tenant"],
        "name": found["name"],
        "status": ended or "active",
        **({} if token is None else {"token": token}),
        **{name: found[name] for name in times},
        "last_used_on": None if last_day is None else day_text(last_day),
        **_shown_terms(found["terms"]),
        **_shown_money(found),
    }


def day_text(day: int) -> str:
    """`YYYY-MM-DD` of a day counted from 1970-01-01."""
    return rfc3339(day * DAY_US)[:10]


def show_usage(found: dict[str, Any]) -> dict[str, Any]:
    """Counters by day, the latest first, and their sum."""
    counted = ("requests", "refused", "input_tokens", "output_tokens", "cost_usd_micros")

    def shown(row: Mapping[str, int]) -> dict[str, Any]:
        return {name: row[name] for name in counted[:-1]} | {"cost_usd": usd_text(row["cost_usd_micros"])}

    total = {name: sum(row[name] for row in found["days"]) for name in counted}
    return {
        "object": "usage",
        "tenant": found["tenant"],
        "key_id": found["key_id"],
        "days": [{"day": day_text(row["day"]), **shown(row)} for row in found["days"]],
        "total": shown(total),
        **_shown_money(found),
    }


def show_list(
    found: list[dict[str, Any]], limit: int, show: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """One page of a list, of which one more than `limit` was asked for."""
    return {"object": "list", "data": [show(one) for one in found[:limit]], "has_more": len(found) > limit}
