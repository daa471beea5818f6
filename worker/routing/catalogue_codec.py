"""Frozen dataclasses as plain JSON-like values and back: nothing is converted, no unknown or missing field let pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, get_args, get_origin, get_type_hints

from worker.errors import CatalogueError

MAX_INT: Final = 2**53 - 1
_KINDS: Final = {bool: "true or false", int: "a whole number", str: "a string"}


def to_plain(value: Any) -> Any:
    """A catalogue value as dicts, lists, strings and integers; the inverse of `read_value`."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: to_plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def read_value(kind: Any, plain: Any, where: str) -> Any:
    """`plain` as a value of the annotated type `kind`: a dataclass, tuple, mapping, string, integer or boolean.

    Args: where: what the value is called in errors. Raises: CatalogueError naming the first wrong field.
    """
    if is_dataclass(kind):
        return _read_dataclass(kind, plain, where)
    container, inner = get_origin(kind), get_args(kind)
    if container is tuple:
        if not isinstance(plain, list | tuple):
            raise CatalogueError(f"{where} must be a list")
        kinds = (inner[0],) * len(plain) if inner[1] is Ellipsis else inner
        if len(plain) != len(kinds):
            raise CatalogueError(f"{where} must have {len(kinds)} items")
        pairs = enumerate(zip(kinds, plain, strict=True))
        return tuple(read_value(kind, item, f"{where}[{at}]") for at, (kind, item) in pairs)
    if container is not None:
        return {key: read_value(inner[1], item, f"{where}.{key}") for key, item in _object(plain, where).items()}
    if type(plain) is not kind:
        raise CatalogueError(f"{where} must be {_KINDS[kind]}")
    if kind is int and not -MAX_INT <= plain <= MAX_INT:
        raise CatalogueError(f"{where} must be within 2^53-1")
    return plain


def _read_dataclass(kind: Any, plain: Any, where: str) -> Any:
    hints, given = get_type_hints(kind), _object(plain, where)
    unknown = sorted(set(given) - set(hints))
    missing = [f.name for f in fields(kind) if f.name not in given and f.default is MISSING]
    if unknown or missing:
        problem = f"has no field {unknown[0]!r}" if unknown else f"lacks the field {missing[0]!r}"
        raise CatalogueError(f"{where} {problem}")
    return kind(**{name: read_value(hints[name], item, f"{where}.{name}") for name, item in given.items()})


def _object(plain: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(plain, Mapping) or not all(isinstance(key, str) for key in plain):
        raise CatalogueError(f"{where} must be an object")
    return plain
