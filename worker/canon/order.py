"""What is asked of a tenant's canon, and what is said to it: plain values, which cross an object's boundary as JSON."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from worker.errors import CallerError

DECIDE, PROMOTE, CHANGE = "decide", "promote", "change"
ITEMS, ITEM, WHY_NOT = "items", "item", "why_not"
INTERFERENCE, AGENTS = "interference", "agents"
#: Acts that leave something in the log, and so may be told a key under which they happen once.
WRITING = (DECIDE, PROMOTE, CHANGE, INTERFERENCE)


class Order(NamedTuple):
    """One call. `given`: its body or query, checked to be JSON with a canonical form; `key`: idempotency, "" = none."""

    tenant: str
    act: str
    at_us: int
    given: dict[str, Any]
    key: str = ""


class Refused(CallerError):
    """A call that the tenant's canon can't carry out as it is written; nothing was recorded."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.status = status
        self.code = code


def order_to_json(order: Order) -> str:
    """The order as JSON text, for a mediator elsewhere."""
    return json.dumps(order._asdict())


def order_from_json(text: str) -> Order:
    """The inverse of `order_to_json`."""
    return Order(**json.loads(text))


def problem_of(refused: CallerError) -> dict[str, Any]:
    """A refusal as plain values; the inverse of `refusal_of`."""
    said = {"status": refused.status, "code": refused.code, "message": refused.message, "param": refused.param}
    return {"problem": said}


def refusal_of(problem: dict[str, Any]) -> Refused:
    """The refusal that `problem_of` wrote."""
    said = problem["problem"]
    return Refused(said["status"], said["code"], said["message"], said["param"])


def field_of(given: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    """A member of exactly this type, or the default where it is absent. Raises: Refused."""
    value = given.get(name, default)
    if value is not default and type(value) is not kind:
        words = {str: "a string", dict: "an object", list: "a list", int: "a whole number"}
        raise Refused(400, "invalid_request", f"{name} must be {words[kind]}", name)
    return value


def check_members(given: dict[str, Any], known: tuple[str, ...]) -> None:
    """Raises: Refused for a member that nobody knows."""
    unknown = sorted(given.keys() - set(known))
    if unknown:
        message = f"{unknown[0][:64]} is not known here; there are {', '.join(known)}"
        raise Refused(400, "invalid_request", message, unknown[0][:64])
